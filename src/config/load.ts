import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import { z } from 'zod'
import { failure, TapeRseError, type Problem } from '../model/errors.ts'
import { checkConfig, type Finding } from './check.ts'
import type { KeyPath } from './not-built.ts'
import { configSchema, type Config } from './schema.ts'
import { nearest } from './spelling.ts'

/** Where a config is looked for when none is named. */
const places = ['tape-rse.yaml', '/etc/tape-rse/tape-rse.yaml']

/** A config, and the text that it came from. */
export interface LoadedConfig {
  readonly file: string
  readonly config: Config
  readonly document: Document
  readonly lines: LineCounter
}

/**
 * Finds, reads and checks the config. Reads credential files, to see that they are there; neither a mount nor the network.
 * @throws TapeRseError CONFIG_INVALID, with all problems at once, each with file, line and key
 */
export function loadConfig(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): LoadedConfig {
  const file = findConfig(named, env, cwd)
  const lines = new LineCounter()
  const document = parseDocument(readText(file), { lineCounter: lines, uniqueKeys: true })
  const at = (path: KeyPath) => `${file}${lineOf(document, lines, path)}`
  const problem = (where: string, what: string, hint: string): Problem => ({
    code: 'CONFIG_INVALID',
    message: `${where}: ${what}`,
    hint,
  })

  const malformed = document.errors.map((error) =>
    problem(
      `${file}:${lines.linePos(error.pos[0]).line}`,
      `not valid YAML: ${error.message.split(' at line')[0]!}`,
      'See https://yaml.org, or an example in config/.',
    ),
  )
  if (malformed.length > 0) throw new TapeRseError(malformed as [Problem, ...Problem[]])

  const raw: unknown = document.toJS()
  const parsed = configSchema.safeParse(raw, { reportInput: true })
  const findings = parsed.success ? checkConfig(parsed.data, passwordFault) : parsed.error.issues.flatMap(findingsOf)
  if (findings.length > 0) {
    const problems = findings.map(({ path, what, hint }) => problem(at(path), `${keyText(path)}${what}`, hint))
    throw new TapeRseError(problems as [Problem, ...Problem[]])
  }
  return { file, config: parsed.data as Config, document, lines }
}

function findConfig(named: string | undefined, env: Readonly<Record<string, string | undefined>>, cwd: string): string {
  const wanted = named ?? env['TAPE_RSE_CONFIG']
  if (wanted !== undefined) return resolve(cwd, wanted)
  const found = places.map((place) => resolve(cwd, place)).find((place) => existsSync(place))
  if (found !== undefined) return found
  const looked = places.map((place) => resolve(cwd, place)).join(' and ')
  throw failure(
    'CONFIG_INVALID',
    `Cannot find a config: there is none at ${looked}`,
    'Name one by --config or $TAPE_RSE_CONFIG. config/ has examples.',
  )
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw failure('CONFIG_INVALID', `Cannot read the config ${file}: ${what}`, 'Name another by --config.', error)
  }
}

/** `:12` where the key, or the nearest one above it, stands in the file. */
function lineOf(document: Document, lines: LineCounter, path: KeyPath): string {
  for (let length = path.length; length > 0; length--) {
    const offset = offsetOf(document, path.slice(0, length))
    if (offset !== null) return `:${lines.linePos(offset).line}`
  }
  return ''
}

function offsetOf(document: Document, path: KeyPath): number | null {
  const parent: unknown = document.getIn(path.slice(0, -1), true)
  const key = path.at(-1)
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === key)
    return pair !== undefined && isNode(pair.key) ? (pair.key.range?.[0] ?? null) : null
  }
  const node: unknown = document.getIn(path, true)
  return isNode(node) ? (node.range?.[0] ?? null) : null
}

/** `pipelines[0].vault.root: ` */
function keyText(path: KeyPath): string {
  const text = path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${key}`))
    .join('')
  return text === '' ? '' : `${text}: `
}

/** One problem of the schema, as a person should read it. */
function findingsOf(issue: z.core.$ZodIssue): readonly Finding[] {
  const path = issue.path as KeyPath
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the others bring a message of their own
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(path)
      return issue.keys.map((key) => {
        const close = nearest(key, known)
        return {
          path: [...path, key],
          what: `there is no such key${close === null ? '' : `; did you mean "${close}"?`}`,
          hint: `Known here: ${known.join(', ')}.`,
        }
      })
    }
    case 'invalid_union': {
      const inner = issue.errors.map((each) => each.filter((one) => one.code !== 'invalid_type'))
      const said = inner.find((each) => each.length > 0)?.[0]
      return [
        { path, what: said?.message ?? `${found(issue.input)} is none of what is possible here`, hint: hintFor(path) },
      ]
    }
    case 'invalid_type':
      return [
        issue.input === undefined
          ? { path, what: 'is missing', hint: hintFor(path) }
          : { path, what: `has to be ${article(issue.expected)}, is ${found(issue.input)}`, hint: hintFor(path) },
      ]
    case 'invalid_value': {
      const close = typeof issue.input === 'string' ? nearest(issue.input, issue.values.map(String)) : null
      return [
        {
          path,
          what:
            issue.input === undefined
              ? 'is missing'
              : `${found(issue.input)} is not possible${close === null ? '' : `; did you mean "${close}"?`}`,
          hint: `Possible: ${issue.values.map(String).join(', ')}.`,
        },
      ]
    }
    default:
      return [{ path, what: issue.message, hint: hintFor(path) }]
  }
}

const hintFor = (path: KeyPath): string => schemaAt(path)?.description ?? 'docs/config.md describes every key.'

const names: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  int: 'an integer',
}
const article = (type: string): string => names[type] ?? `a ${type}`

const found = (value: unknown): string =>
  value === null
    ? 'empty'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'a mapping'
        : `${typeof value} ${JSON.stringify(value)}`

/** The keys that a mapping may have. */
function knownKeys(path: KeyPath): readonly string[] {
  const schema = schemaAt(path)
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape)
  if (schema instanceof z.ZodDiscriminatedUnion || schema instanceof z.ZodUnion) {
    const options = schema.options as readonly z.ZodType[]
    return [...new Set(options.flatMap((option) => (option instanceof z.ZodObject ? Object.keys(option.shape) : [])))]
  }
  return []
}

/** The schema of what lies at a path. */
function schemaAt(path: KeyPath): z.ZodType | null {
  let schema: z.ZodType | null = configSchema
  for (const key of path) {
    schema = unwrapped(schema)
    if (schema instanceof z.ZodArray) schema = schema.element as z.ZodType
    else if (schema instanceof z.ZodObject) schema = (schema.shape as Record<string, z.ZodType>)[String(key)] ?? null
    else return null
    if (schema === null) return null
  }
  return unwrapped(schema)
}

function unwrapped(schema: z.ZodType): z.ZodType {
  let inner = schema
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)
    inner = inner.unwrap() as z.ZodType
  return inner
}

/** What is wrong with a password file: of its content, only whether there is any is looked at. */
function passwordFault(path: string): string | null {
  try {
    if (!statSync(path).isFile()) return `${path} is not a file`
    return readFileSync(path, 'utf8').trim() === '' ? `${path} is empty` : null
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error'
    return code === 'ENOENT' ? `${path} does not exist` : `${path} cannot be read (${code})`
  }
}
