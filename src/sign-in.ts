import type { Finding, KeyPath } from './config/finding.ts'
import { passwordIn, passwordInEnvironment } from './config/elsewhere.ts'
import type { SignInDraft } from './config/load.ts'
import type { AuthConfig, RucioConfig } from './config/schema.ts'
import { rereading } from './io/rereading.ts'
import { singly } from './io/within.ts'
import type { Credential } from './model/credential.ts'
import type { Credentials } from './rucio/auth.ts'
import type { RucioOptions } from './rucio/call.ts'
import {
  authoritiesStamp,
  readAuthorities,
  readCertificate,
  readPassword,
  readProxy,
  readSecret,
  readToken,
  UnusableFile,
  type Identity,
  type Life,
  type SecretRules,
} from './rucio/credentials.ts'

type Env = Readonly<Record<string, string | undefined>>

/** How often files that say whom to trust, or who we are, are looked at while requests go on. */
const lookEveryMs = 5000

/** How a config says to reach Rucio. */
export function connectionOf(
  rucio: RucioConfig,
  env: Env,
): Pick<RucioOptions, 'host' | 'authHost' | 'credentials' | 'authorities' | 'unverified' | 'proxy'> {
  const { host, authHost = host, ca, httpProxy, insecureLocalhost } = rucio
  return {
    host,
    authHost,
    credentials: credentialsOf(rucio, env),
    authorities:
      ca === undefined ? null : watched({ stamp: () => authoritiesStamp(ca), read: () => readAuthorities(ca) }),
    unverified: insecureLocalhost,
    proxy: httpProxy === undefined ? null : new URL(httpProxy),
  }
}

const watched = <T>(files: { readonly stamp: () => Promise<string>; readonly read: () => Promise<T> }) =>
  rereading({ ...files, everyMs: lookEveryMs, clock: () => performance.now() })

function credentialsOf(rucio: RucioConfig, env: Env): Credentials {
  const { auth, account = null, vo = null } = rucio
  const rules = rulesOf(rucio)
  const who = { account, vo }
  switch (auth.type) {
    case 'userpass':
      return { ...who, type: 'userpass', username: auth.username, password: singly(() => passwordOf(rucio, auth, env)) }
    case 'x509':
    case 'x509_proxy':
      return { ...who, type: auth.type, identity: singly(() => identityOf(auth, rules)) }
    case 'token': {
      const { tokenFile } = auth
      const read = () => readToken(tokenFile, rules)
      // A token is one line: reading it is as cheap as looking at it.
      return { ...who, type: 'token', token: watched({ stamp: async () => (await read()).value, read }) }
    }
  }
}

const rulesOf = ({ secretsReadableByGroup }: Pick<RucioConfig, 'secretsReadableByGroup'>): SecretRules => ({
  groupMayRead: secretsReadableByGroup,
})

const identityOf = (
  auth: Extract<AuthConfig, { type: 'x509' | 'x509_proxy' }>,
  rules: SecretRules,
): Promise<Identity> =>
  auth.type === 'x509' ? readCertificate(auth.cert, auth.key, rules) : readProxy(auth.proxy, rules)

async function passwordOf(
  rucio: Pick<RucioConfig, 'config' | 'secretsReadableByGroup'>,
  { passwordFile }: { readonly passwordFile?: string | undefined },
  env: Env,
): Promise<string> {
  const rules = rulesOf(rucio)
  if (passwordFile !== undefined) return readPassword(passwordFile, rules)
  const overlay = passwordInEnvironment(env)
  if (overlay !== null) return overlay
  if (rucio.config === undefined) throw new UnusableFile('no file holds the password', 'Set rucio.auth.passwordFile.')
  const password = passwordIn(await readSecret(rucio.config, rules))
  if (password !== null) return password
  throw new UnusableFile(`${rucio.config} holds no password`, 'Write it into its section [client].')
}

/** What a config says to sign in with, as it is now. null: a password. */
export async function credentialOf(rucio: RucioConfig): Promise<Credential | null> {
  const { auth } = rucio
  const rules = rulesOf(rucio)
  switch (auth.type) {
    case 'userpass':
      return null
    case 'x509':
      return seen('certificate', auth.cert, () => identityOf(auth, rules))
    case 'x509_proxy':
      return seen('proxy', auth.proxy, () => identityOf(auth, rules))
    case 'token':
      return seen('token', auth.tokenFile, () => readToken(auth.tokenFile, rules))
  }
}

async function seen(
  kind: Credential['kind'],
  file: string,
  read: () => Promise<{ readonly life: Life }>,
): Promise<Credential> {
  try {
    return { kind, file, ...(await read()).life, problem: null }
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error
    const message = `Cannot use the ${kind}: ${error.message}`
    return { kind, file, from: null, until: null, problem: { code: 'CREDENTIAL_UNUSABLE', message, hint: error.hint } }
  }
}

/** Looks at the files that hold credentials and authorities: what is wrong with them. */
export const checkCredentials =
  (env: Env) =>
  async ({ rucio, password }: SignInDraft): Promise<readonly Finding[]> => {
    const { auth, ca, config, host, authHost, secretsReadableByGroup = false } = rucio
    const rules = rulesOf({ secretsReadableByGroup })
    const looks: Promise<Finding | null>[] = []
    const look = (path: KeyPath, reading: () => Promise<unknown>) => looks.push(faultOf(['rucio', ...path], reading))
    if (ca !== undefined && [host, authHost].some((url) => url?.startsWith('https:')))
      look(['ca'], () => readAuthorities(ca))
    if (auth?.type === 'userpass') {
      const { passwordFile } = auth
      if (passwordFile !== undefined || password !== null)
        look(['auth', 'passwordFile'], () => passwordOf({ config, secretsReadableByGroup }, { passwordFile }, env))
    } else if (auth?.type === 'x509') {
      const { cert, key } = auth
      if (cert !== undefined && key !== undefined) look(['auth', 'cert'], () => readCertificate(cert, key, rules))
    } else if (auth?.type === 'x509_proxy') {
      const { proxy } = auth
      if (proxy !== undefined) look(['auth', 'proxy'], () => readProxy(proxy, rules))
    } else if (auth?.type === 'token') {
      const { tokenFile } = auth
      if (tokenFile !== undefined) look(['auth', 'tokenFile'], () => readToken(tokenFile, rules))
    }
    return (await Promise.all(looks)).filter((finding) => finding !== null)
  }

async function faultOf(path: KeyPath, reading: () => Promise<unknown>): Promise<Finding | null> {
  try {
    await reading()
    return null
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error
    return { path, what: error.message, hint: error.hint }
  }
}
