import { resolve } from 'node:path'
import { keyText, type Finding, type KeyPath } from './finding.ts'
import { readIniSection, type IniFault, type IniValue } from './ini.ts'

/** Where a value came from. null stands for a default. */
export type Origin =
  | { readonly from: 'line'; readonly line: number }
  | { readonly from: 'variable'; readonly name: string }
  /** An option of the site's client file. */
  | { readonly from: 'option'; readonly file: string; readonly line: number; readonly option: string }
  /** It was there, at its usual place. */
  | { readonly from: 'usual place' }

/** A place where the clients of a site find a setting. */
type Place =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'option'; readonly name: string }
  | { readonly kind: 'usual file'; readonly name: string }

interface Setting {
  readonly key: KeyPath
  /** The first that says something counts. */
  readonly places: readonly Place[]
  /** `~` and `$VARIABLE` mean something in it, and it may be relative. */
  readonly isPath: boolean
}

const variable = (name: string): Place => ({ kind: 'variable', name })
const usualFile = (name: string): Place => ({ kind: 'usual file', name })
/** Rucio's containers write an option of the client file from a variable of this name. */
const overlay = (name: string): string => `RUCIO_CFG_CLIENT_${name.toUpperCase()}`
const option = (name: string): readonly Place[] => [variable(overlay(name)), { kind: 'option', name }]

/**
 * What Rucio's own clients find in the environment and in `rucio.cfg`, by our key (lib/rucio/client/baseclient.py of Rucio). `<uid>`
 * is the effective one. Like them, the search for a proxy looks into the file before it heeds $X509_USER_PROXY.
 */
export const ELSEWHERE: readonly Setting[] = [
  { key: ['host'], places: option('rucio_host'), isPath: false },
  { key: ['authHost'], places: option('auth_host'), isPath: false },
  { key: ['account'], places: [variable('RUCIO_ACCOUNT'), ...option('account')], isPath: false },
  { key: ['vo'], places: [variable('RUCIO_VO'), ...option('vo')], isPath: false },
  { key: ['ca'], places: [variable('X509_CERT_DIR'), ...option('ca_cert')], isPath: true },
  { key: ['auth', 'type'], places: [variable('RUCIO_AUTH_TYPE'), ...option('auth_type')], isPath: false },
  { key: ['auth', 'username'], places: option('username'), isPath: false },
  { key: ['auth', 'cert'], places: [variable('RUCIO_CLIENT_CERT'), ...option('client_cert')], isPath: true },
  { key: ['auth', 'key'], places: [variable('RUCIO_CLIENT_KEY'), ...option('client_key')], isPath: true },
  {
    key: ['auth', 'proxy'],
    places: [
      variable('RUCIO_CLIENT_PROXY'),
      ...option('client_x509_proxy'),
      variable('X509_USER_PROXY'),
      usualFile('/tmp/x509up_u<uid>'),
    ],
    isPath: true,
  },
  {
    key: ['auth', 'tokenFile'],
    places: [
      ...option('auth_token_file_path'),
      variable('BEARER_TOKEN_FILE'),
      usualFile('$XDG_RUNTIME_DIR/bt_u<uid>'),
      usualFile('/tmp/bt_u<uid>'),
    ],
    isPath: true,
  },
]

/** Which keys each type of sign-in cannot do without; a password may also be in the client file. */
const keysOfType: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['userpass', ['username']],
  ['x509', ['cert', 'key']],
  ['x509_proxy', ['proxy']],
  ['token', ['tokenFile']],
])

/** What a config may take from outside of its file. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly home: string
  /** The effective user. */
  readonly uid: number
  /** @throws {Error} whose message is a clause: "/etc/rucio.cfg does not exist" */
  readonly readText: (file: string) => Promise<string>
  readonly exists: (file: string) => Promise<boolean>
}

/** A config's mapping `rucio`, with all that is said elsewhere. */
export interface Filled {
  readonly value: unknown
  /** By key, as in `rucio.auth.proxy`: of what the file does not say. */
  readonly origins: ReadonlyMap<string, Origin>
  /** Where the password is, if not in a file of its own. */
  readonly password: Origin | null
  /** Texts of what was read, by file. */
  readonly texts: ReadonlyMap<string, string>
  readonly findings: readonly Finding[]
}

interface Client {
  readonly file: string
  readonly options: ReadonlyMap<string, IniValue | IniFault>
}

/** Adds what the file does not say: first from the environment, then from the site's client file. What is no mapping stays as it is. */
export async function fillRucio(given: unknown, world: World): Promise<Filled> {
  const origins = new Map<string, Origin>()
  const findings: Finding[] = []
  const texts = new Map<string, string>()
  const nothing = { value: given, origins, password: null, texts, findings }
  if (given !== undefined && !isMapping(given)) return nothing
  const rucio: Record<string, unknown> = { ...given }

  const named = await clientFile(rucio['config'], world)
  if (named !== null && named.origin !== null) {
    rucio['config'] = named.file
    origins.set('rucio.config', named.origin)
  }
  const client = named === null ? null : await readClient(named.file, world, texts, findings)

  const fill = async (mapping: Record<string, unknown>, setting: Setting): Promise<void> => {
    const name = String(setting.key.at(-1))
    if (mapping[name] !== undefined) return
    const found = await find(setting, client, world)
    if (found === null) return
    const path = ['rucio', ...setting.key]
    origins.set(keyText(path), found.origin)
    if ('what' in found) findings.push({ path, what: found.what, hint: 'Correct the line.' })
    else mapping[name] = found.value
  }
  const settings = (...keys: string[]) => ELSEWHERE.filter(({ key }) => keys.includes(key.join('.')))

  for (const setting of settings('host', 'authHost', 'account', 'vo', 'ca')) await fill(rucio, setting)
  const { auth } = rucio
  if (auth !== undefined && !isMapping(auth)) return { ...nothing, value: rucio }
  const filled: Record<string, unknown> = { ...auth }
  for (const setting of settings('auth.type')) await fill(filled, setting)
  // OIDC's own way needs a person with a browser; a token that somebody else renews in a file does not.
  if (filled['type'] === 'oidc' && origins.has('rucio.auth.type')) filled['type'] = 'token'
  const keys = keysOfType.get(filled['type']) ?? []
  for (const setting of settings(...keys.map((key) => `auth.${key}`))) await fill(filled, setting)
  if (auth !== undefined || Object.keys(filled).length > 0) rucio['auth'] = filled
  const password =
    filled['type'] === 'userpass' && filled['passwordFile'] === undefined ? passwordOrigin(client, world) : null
  return { value: rucio, origins, password, texts, findings }
}

/** Which keys of `rucio` are nowhere, though the agent cannot do without them. */
export function missingIn({ value: rucio, password }: Filled): readonly Finding[] {
  if (!isMapping(rucio)) return []
  const { host, auth } = rucio
  const missing = (...key: string[]): Finding => {
    const setting = ELSEWHERE.find((each) => each.key.join('.') === key.join('.'))
    return {
      path: ['rucio', ...key],
      what: 'is missing',
      hint: `Write it, or let the site say it: ${placesText(setting)}.`,
    }
  }
  const findings: Finding[] = host === undefined ? [missing('host')] : []
  if (auth === undefined) return [...findings, missing('auth', 'type')]
  if (!isMapping(auth)) return findings
  if (auth['type'] === undefined) return [...findings, missing('auth', 'type')]
  const keys = keysOfType.get(auth['type']) ?? []
  if (auth['type'] === 'userpass' && auth['passwordFile'] === undefined && password === null) findings.push(noPassword)
  return [...findings, ...keys.filter((key) => auth[key] === undefined).map((key) => missing('auth', key))]
}

/** A password is in a file of its own, or in the client file. */
const noPassword: Finding = {
  path: ['rucio', 'auth', 'passwordFile'],
  what: 'is missing',
  hint: 'Write it, or let the site say it: password in the client file.',
}

/** Where a setting is looked for, in that order: `$RUCIO_ACCOUNT, account in the client file`. */
export function placesText(setting: Setting | undefined): string {
  const texts = (setting?.places ?? [])
    .filter((place) => !isOverlay(place))
    .map((place) =>
      place.kind === 'variable'
        ? `$${place.name}`
        : place.kind === 'option'
          ? `${place.name} in the client file`
          : place.name,
    )
  return texts.join(', ')
}

const isOverlay = (place: Place): boolean => place.name.startsWith(overlay(''))

/** The password in a client file. null: there is none. */
export function passwordIn(text: string): string | null {
  const options = readIniSection(text, section)
  const found = 'get' in options ? options.get('password') : undefined
  return found !== undefined && 'value' in found && found.value !== '' ? found.value : null
}

/** The password that the environment overlays the client file with. null: there is none. */
export const passwordInEnvironment = (env: World['env']): string | null => textOf(env[overlay('password')])

const section = 'client'

function passwordOrigin(client: Client | null, { env }: World): Origin | null {
  const name = overlay('password')
  if (textOf(env[name]) !== null) return { from: 'variable', name }
  const found = client?.options.get('password')
  if (client === null || found === undefined || !('value' in found) || found.value === '') return null
  return { from: 'option', file: client.file, line: found.line, option: 'password' }
}

/** The client file that is named: none is looked for where nothing names it, so that a config says all that it depends on. */
async function clientFile(
  given: unknown,
  world: World,
): Promise<{ readonly file: string; readonly origin: Origin | null } | null> {
  if (given !== undefined) return typeof given === 'string' ? { file: given, origin: null } : null
  const named = textOf(world.env['RUCIO_CONFIG'])
  if (named !== null) return { file: expand(named, world), origin: { from: 'variable', name: 'RUCIO_CONFIG' } }
  const home = textOf(world.env['RUCIO_HOME'])
  const file = home === null ? null : resolve(world.cwd, home, 'etc/rucio.cfg')
  if (file === null || !(await world.exists(file))) return null
  return { file, origin: { from: 'variable', name: 'RUCIO_HOME' } }
}

async function readClient(
  file: string,
  { readText }: World,
  texts: Map<string, string>,
  findings: Finding[],
): Promise<Client | null> {
  const path = ['rucio', 'config']
  try {
    const text = await readText(file)
    texts.set(file, text)
    const options = readIniSection(text, section)
    if ('get' in options) return { file, options }
    for (const { line, what } of options)
      findings.push({ path, what: `${file}:${line}: ${what}`, hint: 'Correct the line.' })
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    findings.push({ path, what, hint: 'Name the client file of the site, or nothing.' })
  }
  return null
}

type Found = { readonly origin: Origin } & ({ readonly value: string } | { readonly what: string })

async function find({ places, isPath }: Setting, client: Client | null, world: World): Promise<Found | null> {
  for (const place of places) {
    const found = await look(place, client, world)
    if (found !== null) return isPath && 'value' in found ? { ...found, value: expand(found.value, world) } : found
  }
  return null
}

async function look(place: Place, client: Client | null, { env, uid, exists }: World): Promise<Found | null> {
  if (place.kind === 'variable') {
    const value = textOf(env[place.name])
    return value === null ? null : { value, origin: { from: 'variable', name: place.name } }
  }
  if (place.kind === 'option') {
    const found = client?.options.get(place.name)
    if (client === null || found === undefined) return null
    const origin: Origin = { from: 'option', file: client.file, line: found.line, option: place.name }
    if ('what' in found) return { what: found.what, origin }
    return found.value === '' ? null : { value: found.value, origin }
  }
  const file = expandVariables(place.name.replace('<uid>', String(uid)), env)
  return file.startsWith('/') && (await exists(file)) ? { value: file, origin: { from: 'usual place' } } : null
}

/** What is empty says nothing. */
const textOf = (value: string | undefined): string | null =>
  value === undefined || value.trim() === '' ? null : value.trim()

/** As Python's os.path does: expandvars, expanduser (of oneself alone), abspath. */
export function expand(path: string, { env, home, cwd }: Pick<World, 'env' | 'home' | 'cwd'>): string {
  return resolve(cwd, expandVariables(path, env).replace(/^~(?=\/|$)/u, home))
}

/** A variable that is not set stays as it is written. */
const expandVariables = (text: string, env: World['env']): string =>
  text.replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (whole, plain?: string, braced?: string) => env[plain ?? braced ?? ''] ?? whole,
  )

const isMapping = (given: unknown): given is Readonly<Record<string, unknown>> =>
  typeof given === 'object' && given !== null && !Array.isArray(given)
