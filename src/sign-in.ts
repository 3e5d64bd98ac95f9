import { passwordIn, passwordInEnvironment } from './config/client-file.ts'
import type { Draft } from './config/draft.ts'
import type { Finding, KeyPath } from './config/finding.ts'
import type { SignInDraft } from './config/load.ts'
import type { AuthConfig, RucioConfig } from './config/schema.ts'
import { rereading } from './io/rereading.ts'
import { singly } from './io/within.ts'
import type { Credential, Life } from './model/credential.ts'
import { problemsOf } from './model/errors.ts'
import { authoritiesStamp, readAuthorities } from './rucio/authorities.ts'
import type { RucioOptions } from './rucio/call.ts'
import { readCertificate, readProxy, type ClientCertificate } from './rucio/client-certificate.ts'
import { readPassword, readSecret, UnusableFile, type SecretRules } from './rucio/secret-file.ts'
import type { SignInMethod } from './rucio/session.ts'
import { readInTime } from './rucio/read-in-time.ts'
import { readToken } from './rucio/token-file.ts'

type Env = Readonly<Record<string, string | undefined>>
type CertificateConfig = Extract<AuthConfig, { type: 'x509' | 'x509_proxy' }>

/** How often files that say whom to trust, or who we are, are looked at while requests go on. */
const lookEveryMs = 5000

/** How a config says to reach Rucio. */
export function connectionOf(
  rucio: RucioConfig,
  env: Env,
): Pick<RucioOptions, 'host' | 'authHost' | 'method' | 'authorities' | 'unverified' | 'proxy'> {
  const { host, authHost = host, ca, httpProxy, insecureLocalhost } = rucio
  return {
    host,
    authHost,
    method: methodOf(rucio, env),
    authorities:
      ca === undefined ? null : watched({ stamp: () => authoritiesStamp(ca), read: () => readAuthorities(ca) }),
    unverified: insecureLocalhost,
    proxy: httpProxy === undefined ? null : new URL(httpProxy),
  }
}

const watched = <T>(files: { readonly stamp: () => Promise<string>; readonly read: () => Promise<T> }) =>
  rereading({ ...files, everyMs: lookEveryMs, clock: () => performance.now() })

function methodOf(rucio: RucioConfig, env: Env): SignInMethod {
  const { auth, account = null, vo = null } = rucio
  const who = { account, vo }
  const rules = rulesOf(rucio)
  switch (auth.type) {
    case 'userpass':
      return { ...who, type: 'userpass', username: auth.username, password: singly(() => passwordOf(rucio, auth, env)) }
    case 'x509':
    case 'x509_proxy':
      return { ...who, type: auth.type, certificate: singly(() => certificateOf(auth, rules)) }
    case 'token': {
      const read = () => readToken(auth.tokenFile, rules)
      // A token is one line: reading it is as cheap as looking at it.
      return { ...who, type: 'token', token: watched({ stamp: async () => (await read()).value, read }) }
    }
  }
}

const rulesOf = ({ secretsReadableByGroup }: Pick<RucioConfig, 'secretsReadableByGroup'>): SecretRules => ({
  groupMayRead: secretsReadableByGroup,
})

const certificateOf = (auth: CertificateConfig, rules: SecretRules): Promise<ClientCertificate> =>
  auth.type === 'x509' ? readCertificate(auth.cert, auth.key, rules) : readProxy(auth.proxy, rules)

/** From its own file, else what overlays the client file, else from that. */
async function passwordOf(
  rucio: Pick<RucioConfig, 'config' | 'secretsReadableByGroup'>,
  { passwordFile }: Pick<Extract<AuthConfig, { type: 'userpass' }>, 'passwordFile'>,
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

type CredentialConfig = Pick<RucioConfig, 'secretsReadableByGroup'> & { readonly auth: AuthConfig }

/** Reads, each time that it is called, what a config says to sign in with. null: a password. */
export function credentialReader({
  auth,
  ...rucio
}: CredentialConfig): (signal: AbortSignal) => Promise<Credential | null> {
  const rules = rulesOf(rucio)
  switch (auth.type) {
    case 'userpass':
      return () => Promise.resolve(null)
    case 'x509':
      return reader('certificate', auth.cert, () => certificateOf(auth, rules))
    case 'x509_proxy':
      return reader('proxy', auth.proxy, () => certificateOf(auth, rules))
    case 'token':
      return reader('token', auth.tokenFile, () => readToken(auth.tokenFile, rules))
  }
}

function reader(
  kind: Credential['kind'],
  file: string,
  read: () => Promise<{ readonly life: Life }>,
): (signal: AbortSignal) => Promise<Credential> {
  const readSingly = singly(read)
  return async (signal) => {
    try {
      return { kind, file, ...(await readInTime(`use the ${kind}`, file, readSingly(), signal)).life, problem: null }
    } catch (error) {
      if (signal.aborted) throw error
      return { kind, file, from: null, until: null, issued: null, problem: problemsOf(error)[0]! }
    }
  }
}

/** Looks at the files that hold credentials and authorities: what is wrong with them. */
export const checkCredentials =
  (env: Env) =>
  async ({ rucio, password }: SignInDraft): Promise<readonly Finding[]> => {
    const { auth, ca, host, authHost, secretsReadableByGroup = false } = rucio
    const looks: Promise<Finding | null>[] = []
    if (ca !== undefined && [host, authHost].some((url) => url?.startsWith('https:')))
      looks.push(faultOf(['rucio', 'ca'], () => readAuthorities(ca)))
    if (auth?.type === 'userpass') {
      const { passwordFile } = auth
      const read = () => passwordOf({ config: rucio.config, secretsReadableByGroup }, { passwordFile }, env)
      if (passwordFile !== undefined || password !== null) looks.push(faultOf(['rucio', 'auth', 'passwordFile'], read))
    } else if (isWhole(auth)) {
      looks.push(credentialFault({ auth, secretsReadableByGroup }))
    }
    return (await Promise.all(looks)).filter((finding) => finding !== null)
  }

/** Whether a certificate, proxy or token has all its files. */
const isWhole = (auth: Draft<AuthConfig> | undefined): auth is AuthConfig =>
  (auth?.type === 'x509' && auth.cert !== undefined && auth.key !== undefined) ||
  (auth?.type === 'x509_proxy' && auth.proxy !== undefined) ||
  (auth?.type === 'token' && auth.tokenFile !== undefined)

async function credentialFault(config: CredentialConfig): Promise<Finding | null> {
  const credential = await credentialReader(config)(new AbortController().signal)
  if (credential === null || credential.problem === null) return null
  const key = { certificate: 'cert', proxy: 'proxy', token: 'tokenFile' }[credential.kind]
  const { message, hint } = credential.problem
  return { path: ['rucio', 'auth', key], what: message.slice(message.indexOf(': ') + 2), hint }
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
