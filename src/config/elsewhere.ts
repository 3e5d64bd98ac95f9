import { nameOfClientFile, findPassword, overlayOf, readClientFile, saying } from './client-file.ts'
import type { ClientFile, ClientFileWorld } from './client-file.ts'
import { keyText, type Finding, type KeyPath } from './finding.ts'
import { isMapping } from './mapping.ts'
import type { Origin } from './origin.ts'
import { expandPath, expandVariables } from './python-path.ts'

/** Where the clients of a site look for a setting. */
type Place =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'option'; readonly name: string }
  | { readonly kind: 'usual file'; readonly name: string }

interface Setting {
  /** Below `rucio`. */
  readonly key: KeyPath
  /** The first that says something counts. */
  readonly places: readonly Place[]
  /** `~` and `$VARIABLE` mean something in it, and it may be relative. */
  readonly isPath: boolean
}

const variable = (name: string): Place => ({ kind: 'variable', name })
const usualFile = (name: string): Place => ({ kind: 'usual file', name })
const option = (name: string): readonly Place[] => [variable(overlayOf(name)), { kind: 'option', name }]
const text = (key: KeyPath, ...places: readonly Place[]): Setting => ({ key, places, isPath: false })
const path = (key: KeyPath, ...places: readonly Place[]): Setting => ({ key, places, isPath: true })

/*
 * What Rucio's own clients find in the environment and in `rucio.cfg`, by our key (lib/rucio/client/baseclient.py of Rucio). `<uid>`
 * is the effective one. Like them, the search for a proxy looks into the file before it heeds $X509_USER_PROXY.
 */
const ofRucio: readonly Setting[] = [
  text(['host'], ...option('rucio_host')),
  text(['authHost'], ...option('auth_host')),
  text(['account'], variable('RUCIO_ACCOUNT'), ...option('account')),
  text(['vo'], variable('RUCIO_VO'), ...option('vo')),
  path(['ca'], variable('X509_CERT_DIR'), ...option('ca_cert')),
]
const ofType = text(['auth', 'type'], variable('RUCIO_AUTH_TYPE'), ...option('auth_type'))
/** What each type of sign-in cannot do without; a password may also be in the client file. */
const byType: ReadonlyMap<unknown, readonly Setting[]> = new Map([
  ['userpass', [text(['auth', 'username'], ...option('username'))]],
  [
    'x509',
    [
      path(['auth', 'cert'], variable('RUCIO_CLIENT_CERT'), ...option('client_cert')),
      path(['auth', 'key'], variable('RUCIO_CLIENT_KEY'), ...option('client_key')),
    ],
  ],
  [
    'x509_proxy',
    [
      path(
        ['auth', 'proxy'],
        variable('RUCIO_CLIENT_PROXY'),
        ...option('client_x509_proxy'),
        variable('X509_USER_PROXY'),
        usualFile('/tmp/x509up_u<uid>'),
      ),
    ],
  ],
  [
    'token',
    [
      path(
        ['auth', 'tokenFile'],
        ...option('auth_token_file_path'),
        variable('BEARER_TOKEN_FILE'),
        usualFile('$XDG_RUNTIME_DIR/bt_u<uid>'),
        usualFile('/tmp/bt_u<uid>'),
      ),
    ],
  ],
])

/** All settings that may be elsewhere. */
export const ELSEWHERE: readonly Setting[] = [...ofRucio, ofType, ...[...byType.values()].flat()]

/** What a config may take from outside of its file. */
export interface World extends ClientFileWorld {
  /** The effective user. */
  readonly uid: number
  /** Whether a file is there, and ours: anybody may put one into /tmp. */
  readonly isOurs: (file: string) => Promise<boolean>
}

/** A config's mapping `rucio`, with all that is said elsewhere. */
export interface Filled {
  readonly value: unknown
  /** By key, as in `rucio.auth.proxy`: of what the file does not say. */
  readonly origins: ReadonlyMap<string, Origin>
  /** Where the password is, if not in a file of its own. */
  readonly password: Origin | null
  readonly findings: readonly Finding[]
}

/** Adds what the file does not say: first from the environment, then from the site's client file. What is no mapping stays as it is. */
export async function fillRucio(given: unknown, world: World): Promise<Filled> {
  const origins = new Map<string, Origin>()
  const findings: Finding[] = []
  if (given !== undefined && !isMapping(given)) return { value: given, origins, password: null, findings }
  const rucio: Record<string, unknown> = { ...given }

  const named = await nameOfClientFile(rucio['config'], world)
  if (named !== null && named.origin !== null) {
    rucio['config'] = named.file
    origins.set('rucio.config', named.origin)
  }
  const read = named === null ? null : await readClientFile(named.file, world)
  if (read !== null && 'findings' in read) findings.push(...read.findings)
  const client = read !== null && 'client' in read ? read.client : null

  async function fill(mapping: Record<string, unknown>, settings: readonly Setting[]): Promise<void> {
    for (const setting of settings) {
      const name = String(setting.key.at(-1))
      const found = mapping[name] === undefined ? await find(setting, client, world) : null
      if (found === null) continue
      const key = ['rucio', ...setting.key]
      origins.set(keyText(key), found.origin)
      if ('what' in found) findings.push({ path: key, what: found.what, hint: 'Correct the line.' })
      else mapping[name] = found.value
    }
  }
  await fill(rucio, ofRucio)
  const { auth } = rucio
  if (auth !== undefined && !isMapping(auth)) return { value: rucio, origins, password: null, findings }
  const filled: Record<string, unknown> = { ...auth }
  await fill(filled, [ofType])
  // OIDC's own way needs a person with a browser; a token that somebody else renews in a file does not.
  if (filled['type'] === 'oidc' && origins.has('rucio.auth.type')) filled['type'] = 'token'
  await fill(filled, byType.get(filled['type']) ?? [])
  if (auth !== undefined || Object.keys(filled).length > 0) rucio['auth'] = filled
  const needsPassword = filled['type'] === 'userpass' && filled['passwordFile'] === undefined
  const password = needsPassword ? findPassword(client, world.env) : null
  if (password !== null && password.fault !== null)
    findings.push({ path: ['rucio', 'auth', 'passwordFile'], what: password.fault, hint: 'Write "%%" for a "%".' })
  return { value: rucio, origins, password: password?.origin ?? null, findings }
}

/** Which keys of `rucio` are nowhere, though the agent cannot do without them. */
export function missingIn({ value: rucio, password }: Filled): readonly Finding[] {
  if (!isMapping(rucio)) return []
  const { host, auth } = rucio
  const missing = host === undefined ? [missingSetting(ofRucio[0]!)] : []
  if (auth === undefined) return [...missing, missingSetting(ofType)]
  if (!isMapping(auth)) return missing
  if (auth['type'] === undefined) return [...missing, missingSetting(ofType)]
  const settings = byType.get(auth['type']) ?? []
  const absent = settings.filter(({ key }) => auth[String(key.at(-1))] === undefined).map(missingSetting)
  const lacksPassword = auth['type'] === 'userpass' && auth['passwordFile'] === undefined && password === null
  return [...missing, ...(lacksPassword ? [missingPassword] : []), ...absent]
}

const missingSetting = (setting: Setting): Finding => ({
  path: ['rucio', ...setting.key],
  what: 'is missing',
  hint: `Set it here, or by ${placesText(setting)}.`,
})

const missingPassword: Finding = {
  path: ['rucio', 'auth', 'passwordFile'],
  what: 'is missing',
  hint: 'Set it here, or the password itself by password in section [client] of rucio.cfg.',
}

/** Where a setting is looked for, in that order: `$RUCIO_ACCOUNT, account in section [client] of rucio.cfg`. */
export function placesText({ places }: Setting): string {
  const shown = places.filter(({ name }) => !name.startsWith(overlayOf('')))
  const texts = shown.map(({ kind, name }) => {
    if (kind === 'variable') return `$${name}`
    return kind === 'option' ? `${name} in section [client] of rucio.cfg` : name
  })
  return texts.join(', ')
}

type Found = { readonly origin: Origin } & ({ readonly value: string } | { readonly what: string })

async function find({ places, isPath }: Setting, client: ClientFile | null, world: World): Promise<Found | null> {
  for (const place of places) {
    const found = await foundAt(place, client, world)
    if (found !== null) return isPath && 'value' in found ? { ...found, value: expandPath(found.value, world) } : found
  }
  return null
}

async function foundAt(place: Place, client: ClientFile | null, { env, uid, isOurs }: World): Promise<Found | null> {
  switch (place.kind) {
    case 'variable': {
      const value = saying(env[place.name])
      return value === null ? null : { value, origin: { kind: 'variable', name: place.name } }
    }
    case 'option': {
      const found = client?.options.get(place.name)
      if (client === null || found === undefined) return null
      const origin: Origin = { kind: 'option', file: client.file, line: found.line, option: place.name }
      if ('what' in found) return { what: found.what, origin }
      return found.value === '' ? null : { value: found.value, origin }
    }
    case 'usual file': {
      const file = expandVariables(place.name.replace('<uid>', String(uid)), env)
      return file.startsWith('/') && (await isOurs(file)) ? { value: file, origin: { kind: 'usual file' } } : null
    }
  }
}
