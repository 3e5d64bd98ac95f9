import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure, TapeRseError, type Problem } from '../model/errors.ts'
import { checkConfig } from './check.ts'
import { authoritiesFault, passwordFault, whyUnreadable } from './credentials.ts'
import { draftOf } from './draft.ts'
import { keyText, type Finding, type KeyPath } from './finding.ts'
import { issuesOf } from './issues.ts'
import { notBuilt } from './not-built.ts'
import { configSchema, type Config } from './schema.ts'
import { readYaml, type YamlText } from './yaml.ts'

/** Where a config is looked for when none is named. */
const places = ['tape-rse.yaml', '/etc/tape-rse/tape-rse.yaml']

/** A config, and where it came from. */
export interface LoadedConfig {
  /** Absolute. */
  readonly file: string
  /** As it was read. */
  readonly text: string
  readonly config: Config
  /** In which line of the file a value stands; null: it is a default. */
  readonly lineOf: (path: KeyPath) => number | null
}

/**
 * Finds, reads and checks the config. Reads credential files, to see that they are there; neither a mount nor the network.
 * @param named what `--config` says
 * @throws TapeRseError CONFIG_INVALID, with all problems at once, each with file, line and key
 */
export function loadConfig(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): LoadedConfig {
  const file = findConfig(named, env, cwd)
  const text = readText(file)
  const { value, lineOf } = parseYaml(file, text)
  const problems = findingsIn(value)
    .map((finding) => ({ ...finding, line: nearestLine(finding.path, lineOf) }))
    .sort((a, b) => a.line - b.line)
    .map(({ line, path, what, hint }) =>
      invalid(file, line, path.length === 0 ? what : `${keyText(path)}: ${what}`, hint),
    )
  throwAll(problems)
  return { file, text, config: configSchema.parse(value) as Config, lineOf }
}

/** All that is wrong. What is not built yet is not looked into: its keys have no meaning yet. */
function findingsIn(value: unknown): readonly Finding[] {
  const missing = notBuilt(value)
  const meaningless = missing.map(({ path }) => (choosesRest(path.at(-1)) ? path.slice(0, -1) : path))
  const hasMeaning = ({ path }: Finding) =>
    !meaningless.some((outer) => outer.every((key, index) => path[index] === key))
  const draft = draftOf(configSchema, value) ?? {}
  const others = [...issuesOf(value), ...checkConfig(draft, { passwordFault, authoritiesFault })]
  return [...missing, ...others.filter(hasMeaning)]
}

/** Whether a key says what its neighbours mean. */
const choosesRest = (key: string | number | undefined): boolean => key === 'kind' || key === 'type'

function findConfig(named: string | undefined, env: Readonly<Record<string, string | undefined>>, cwd: string): string {
  const wanted = named ?? env['TAPE_RSE_CONFIG']
  if (wanted !== undefined && wanted !== '') return resolve(cwd, wanted)
  const candidates = places.map((place) => resolve(cwd, place))
  const found = candidates.find((place) => existsSync(place))
  if (found !== undefined) return found
  throw failure(
    'CONFIG_INVALID',
    `Cannot find a config: there is none at ${candidates.join(' and ')}`,
    'Name one by --config or $TAPE_RSE_CONFIG. config/ has examples.',
  )
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const hint = 'Correct --config or $TAPE_RSE_CONFIG. config/ has examples.'
    throw failure('CONFIG_INVALID', `Cannot read the config: ${file} ${whyUnreadable(error)}`, hint, error)
  }
}

function parseYaml(file: string, text: string): YamlText {
  const yaml = readYaml(text)
  if ('value' in yaml) return yaml
  const hint = 'Correct the line. config/ has examples.'
  throwAll(yaml.map(({ line, what }) => invalid(file, line, `not valid YAML: ${what}`, hint)))
  throw new Error('Cannot read YAML, and no fault was found')
}

const invalid = (file: string, line: number | null, what: string, hint: string): Problem => ({
  code: 'CONFIG_INVALID',
  message: `${file}:${line ?? 1}: ${what}`,
  hint,
})

function throwAll(problems: readonly Problem[]): void {
  const [first, ...others] = problems
  if (first !== undefined) throw new TapeRseError([first, ...others])
}

/** The line of the key, or of the nearest one above it that is there. */
function nearestLine(path: KeyPath, lineOf: YamlText['lineOf']): number {
  const lines = path.map((_, index) => lineOf(path.slice(0, path.length - index)))
  return lines.find((line) => line !== null) ?? 1
}
