import { access, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { failure, TapeRseError, type Problem } from '../model/errors.ts'
import { checkConfig } from './check.ts'
import { draftOf, type Draft } from './draft.ts'
import { fillRucio, missingIn, type Filled, type Origin, type World } from './elsewhere.ts'
import { keyText, type Finding, type KeyPath } from './finding.ts'
import { issuesOf } from './issues.ts'
import { notBuilt } from './not-built.ts'
import { configSchema, type Config, type ConfigFile } from './schema.ts'
import { readYaml, type YamlText } from './yaml.ts'

/** Where a config is looked for when none is named. */
const places = ['tape-rse.yaml', '/etc/tape-rse/tape-rse.yaml']

/** A config, and where it came from. */
export interface LoadedConfig {
  /** Absolute. */
  readonly file: string
  /** All texts that were read for it, by file: its own, and the site's client file. */
  readonly texts: ReadonlyMap<string, string>
  readonly config: Config
  /** Where a value came from; null: it is a default. */
  readonly originOf: (path: KeyPath) => Origin | null
  /** Where the password is, if not in a file of its own. */
  readonly password: Origin | null
}

/** What is right of the config's `rucio`, and where the password is if not in a file of its own. */
export interface SignInDraft {
  readonly rucio: Draft<ConfigFile['rucio']>
  readonly password: Origin | null
}

/** What loading a config needs of the world. */
export interface Loading {
  readonly env: World['env']
  readonly cwd: string
  /** Looks at the files that hold credentials and authorities: what is wrong with them. */
  readonly checkCredentials: (signIn: SignInDraft) => Promise<readonly Finding[]>
}

/**
 * Finds, reads and checks the config. Reads credential files, to see that they can be used; neither a mount nor the network.
 * @param named what `--config` says
 * @throws TapeRseError CONFIG_INVALID, with all problems at once, each with its place and key
 */
export async function loadConfig(named: string | undefined, loading: Loading): Promise<LoadedConfig> {
  const { env, cwd } = loading
  const file = await findConfig(named, env, cwd)
  const text = await readConfig(file)
  const { value, lineOf } = parseYaml(file, text)
  const filled = await fillRucio(isMapping(value) ? value['rucio'] : undefined, worldOf(env, cwd))
  const whole = isMapping(value) ? { ...value, ...(filled.value !== undefined && { rucio: filled.value }) } : value
  const originOf = originsIn(filled, lineOf)
  const findings = await findingsIn(whole, filled, loading)
  throwAll(inOrder(findings.map((finding) => placed(finding, file, originOf))))
  const config = configSchema.parse(whole) as Config
  const texts = new Map([[file, text], ...filled.texts])
  return { file, texts, config, originOf, password: filled.password }
}

const worldOf = (env: World['env'], cwd: string): World => ({
  env,
  cwd,
  home: env['HOME'] ?? homedir(),
  uid: process.geteuid?.() ?? 0,
  readText: (file) =>
    readFile(file, 'utf8').catch((error: unknown) => {
      throw new Error(`${file} ${whyUnreadable(error)}`, { cause: error })
    }),
  exists: (file) =>
    access(file).then(
      () => true,
      () => false,
    ),
})

const originsIn =
  ({ origins }: Filled, lineOf: YamlText['lineOf']): LoadedConfig['originOf'] =>
  (path) => {
    const elsewhere = origins.get(keyText(path))
    if (elsewhere !== undefined) return elsewhere
    const line = lineOf(path)
    return line === null ? null : { from: 'line', line }
  }

/** All that is wrong. What is not built yet is not looked into: its keys have no meaning yet. */
async function findingsIn(value: unknown, filled: Filled, { checkCredentials }: Loading): Promise<readonly Finding[]> {
  const missing = notBuilt(value)
  const meaningless = missing.map(({ path }) => (choosesRest(path.at(-1)) ? path.slice(0, -1) : path))
  const hasMeaning = ({ path }: Finding) =>
    !meaningless.some((outer) => outer.every((key, index) => path[index] === key))
  const draft = draftOf(configSchema, value) ?? {}
  const others = [
    ...filled.findings,
    ...issuesOf(value),
    ...(isMapping(value) ? missingIn(filled) : []),
    ...checkConfig(draft),
    ...(await checkCredentials({ rucio: draft.rucio ?? {}, password: filled.password })),
  ]
  return [...missing, ...others.filter(hasMeaning)]
}

/** Whether a key says what its neighbours mean. */
const choosesRest = (key: string | number | undefined): boolean => key === 'kind' || key === 'type'

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function findConfig(named: string | undefined, env: World['env'], cwd: string): Promise<string> {
  const wanted = named ?? env['TAPE_RSE_CONFIG']
  if (wanted !== undefined && wanted !== '') return resolve(cwd, wanted)
  const candidates = places.map((place) => resolve(cwd, place))
  for (const place of candidates) if (await worldOf(env, cwd).exists(place)) return place
  throw failure(
    'CONFIG_INVALID',
    `Cannot find a config: there is none at ${candidates.join(' and ')}`,
    'Name one by --config or $TAPE_RSE_CONFIG. config/ has examples.',
  )
}

async function readConfig(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const hint = 'Correct --config or $TAPE_RSE_CONFIG. config/ has examples.'
    throw failure('CONFIG_INVALID', `Cannot read the config: ${file} ${whyUnreadable(error)}`, hint, error)
  }
}

function parseYaml(file: string, text: string): YamlText {
  const yaml = readYaml(text)
  if ('value' in yaml) return yaml
  const hint = 'Correct the line. config/ has examples.'
  throwAll(yaml.map(({ line, what }) => invalid(`${file}:${line ?? 1}`, `not valid YAML: ${what}`, hint)))
  throw new Error('Cannot read YAML, and no fault was found')
}

const invalid = (place: string, what: string, hint: string): Problem => ({
  code: 'CONFIG_INVALID',
  message: `${place}: ${what}`,
  hint,
})

/** Something wrong, and its line in the config; one of elsewhere comes after all lines. */
interface Placed {
  readonly line: number
  readonly problem: Problem
}

function placed({ path, what, hint }: Finding, file: string, originOf: LoadedConfig['originOf']): Placed {
  const key = path.length === 0 ? '' : `${keyText(path)}: `
  const origin = originOf(path)
  if (origin?.from === 'variable') return { line: Infinity, problem: invalid(`$${origin.name}`, `${key}${what}`, hint) }
  if (origin?.from === 'option')
    return {
      line: Infinity,
      problem: invalid(`${origin.file}:${origin.line}`, `${origin.option} (${keyText(path)}): ${what}`, hint),
    }
  const line = nearestLine(path, originOf)
  return { line, problem: invalid(`${file}:${line}`, `${key}${what}`, hint) }
}

const inOrder = (all: readonly Placed[]): readonly Problem[] =>
  [...all].sort((a, b) => (a.line < b.line ? -1 : a.line > b.line ? 1 : 0)).map(({ problem }) => problem)

function throwAll(problems: readonly Problem[]): void {
  const [first, ...others] = problems
  if (first !== undefined) throw new TapeRseError([first, ...others])
}

/** The line of the key, or of the nearest one above it that is there. */
function nearestLine(path: KeyPath, originOf: LoadedConfig['originOf']): number {
  const origins = path.map((_, index) => originOf(path.slice(0, path.length - index)))
  return origins.find((origin) => origin?.from === 'line')?.line ?? 1
}

/** What an error of reading a file says, as a clause. */
function whyUnreadable(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error'
  if (code === 'ENOENT') return 'does not exist'
  return code === 'EISDIR' ? 'is a directory' : `cannot be read (${code})`
}
