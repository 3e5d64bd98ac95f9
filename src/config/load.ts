import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { failure, TapeRseError, whyUnreadable, type Problem } from '../model/errors.ts'
import { checkConfig } from './check.ts'
import { draftOf, type Draft } from './draft.ts'
import { fillRucio, missingIn, type Filled, type World } from './elsewhere.ts'
import { exists, findConfig, readConfigText } from './find.ts'
import { keyText, type Finding, type KeyPath } from './finding.ts'
import { issuesOf } from './issues.ts'
import { isMapping } from './mapping.ts'
import { notBuilt } from './not-built.ts'
import type { Origin } from './origin.ts'
import { configSchema, type Config, type ConfigFile } from './schema.ts'
import { readYaml, type YamlText } from './yaml.ts'

/** A config, and where it came from. */
export interface LoadedConfig {
  /** Absolute. */
  readonly file: string
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
  /** Told of each text that makes the config, be it right or wrong: its own, and that of the site's client file. null: unreadable. */
  readonly onRead?: (file: string, text: string | null) => void
}

/**
 * Finds, reads and checks the config; has the files with credentials looked at by `checkCredentials`. Touches neither a mount nor the
 * network.
 * @param named what `--config` says
 * @throws TapeRseError CONFIG_INVALID, with all problems at once, each with its place and key
 */
export async function loadConfig(named: string | undefined, loading: Loading): Promise<LoadedConfig> {
  const file = await findConfig(named, loading)
  const { value, lineOf } = parseYaml(file, await readConfig(file, loading))
  const filled = await fillRucio(isMapping(value) ? value['rucio'] : undefined, worldOf(loading))
  const whole = isMapping(value) ? { ...value, ...(filled.value !== undefined && { rucio: filled.value }) } : value
  const originOf = originsIn(filled, lineOf)
  const findings = await findingsIn(whole, filled, loading)
  throwAll(problemsOf(findings, file, originOf))
  const config = configSchema.parse(whole) as Config // nothing is missing, so `host` and `auth` are whole
  return { file, config, originOf, password: filled.password }
}

const worldOf = (loading: Loading): World => ({
  env: loading.env,
  cwd: loading.cwd,
  home: loading.env['HOME'] ?? homedir(),
  uid: process.geteuid?.() ?? 0,
  readText: (file) =>
    readText(file, loading).catch((error: unknown) => {
      throw new Error(`${file} ${whyUnreadable(error)}`, { cause: error })
    }),
  exists,
  isOurs: (file) =>
    stat(file).then(
      ({ uid }) => uid === process.geteuid?.(),
      () => false,
    ),
})

async function readText(file: string, { onRead }: Loading): Promise<string> {
  try {
    const text = await readConfigText(file)
    onRead?.(file, text)
    return text
  } catch (error) {
    onRead?.(file, null)
    throw error
  }
}

const originsIn =
  ({ origins, password }: Filled, lineOf: YamlText['lineOf']): LoadedConfig['originOf'] =>
  (path) => {
    const key = keyText(path)
    const elsewhere = key === 'rucio.auth.passwordFile' ? password : origins.get(key)
    if (elsewhere !== undefined && elsewhere !== null) return elsewhere
    const line = lineOf(path)
    return line === null ? null : { kind: 'line', line }
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

async function readConfig(file: string, loading: Loading): Promise<string> {
  try {
    return await readText(file, loading)
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

const invalid = (where: string, what: string, hint: string): Problem => ({
  code: 'CONFIG_INVALID',
  message: `${where}: ${what}`,
  hint,
})

/** In the order of the file; then what is said elsewhere. */
function problemsOf(
  findings: readonly Finding[],
  file: string,
  originOf: LoadedConfig['originOf'],
): readonly Problem[] {
  const [here, there]: [{ line: number; problem: Problem }[], Problem[]] = [[], []]
  for (const { path, what, hint } of findings) {
    const key = path.length === 0 ? '' : `${keyText(path)}: `
    const origin = originOf(path)
    if (origin?.kind === 'variable') there.push(invalid(`$${origin.name}`, `${key}${what}`, hint))
    else if (origin?.kind === 'option')
      there.push(invalid(`${origin.file}:${origin.line}`, `${origin.option} (${keyText(path)}): ${what}`, hint))
    else {
      const line = nearestLine(path, originOf)
      here.push({ line, problem: invalid(`${file}:${line}`, `${key}${what}`, hint) })
    }
  }
  return [...here.sort((a, b) => a.line - b.line).map(({ problem }) => problem), ...there]
}

function throwAll(problems: readonly Problem[]): void {
  const [first, ...others] = problems
  if (first !== undefined) throw new TapeRseError([first, ...others])
}

/** The line of the key, or of the nearest one above it that is there. */
function nearestLine(path: KeyPath, originOf: LoadedConfig['originOf']): number {
  const origins = path.map((_, index) => originOf(path.slice(0, path.length - index)))
  return origins.find((origin) => origin?.kind === 'line')?.line ?? 1
}
