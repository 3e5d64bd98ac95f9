import { z } from 'zod'
import { bare, optionOf } from './draft.ts'
import type { Finding, KeyPath } from './finding.ts'
import { configSchema } from './schema.ts'
import { nearest } from './spelling.ts'

type Issue = z.core.$ZodIssue

/**
 * What the schema finds wrong, as people should read it.
 * @param given what the file says. No value of it is repeated but where a word was to be chosen: it may be a secret that
 * somebody put in the wrong place
 */
export function issuesOf(given: unknown): readonly Finding[] {
  const { error } = configSchema.safeParse(given, { reportInput: true })
  return error === undefined ? [] : error.issues.flatMap((issue) => findingsOf(issue, given))
}

function findingsOf(issue: Issue, given: unknown): readonly Finding[] {
  const path = issue.path as KeyPath
  const schema = schemaAt(path, given)
  const hint = schema?.description ?? (schema && bare(schema).description) ?? 'docs/config.md describes every key.'
  const value = valueAt(given, path)
  if (issue.code === 'unrecognized_keys') {
    const known = schema === null ? [] : keysOf(optionOf(bare(schema), value))
    return issue.keys.map((key) => ({
      path: [...path, key],
      what: `there is no such key${didYouMean(key, known)}`,
      hint: `Known here: ${known.join(', ')}.`,
    }))
  }
  const possible = choices(issue)
  if (value === undefined)
    return [{ path, what: 'is missing', hint: possible === null ? hint : `Possible: ${possible.join(', ')}.` }]
  if (possible !== null) {
    const what =
      typeof value === 'string'
        ? `"${value}" is not possible${didYouMean(value, possible)}`
        : `has to be a word, is ${kindOf(value)}`
    return [{ path, what, hint: `Possible: ${possible.join(', ')}.` }]
  }
  const what =
    issue.code === 'invalid_type'
      ? `has to be ${kinds[issue.expected] ?? `a ${issue.expected}`}, is ${kindOf(value)}`
      : issue.message
  return [{ path, what, hint }]
}

/** The words of which one was to be chosen; null where any value of a type will do. */
function choices(issue: Issue): readonly string[] | null {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  return issue.code === 'invalid_union' && 'options' in issue ? (issue.options as readonly unknown[]).map(String) : null
}

function didYouMean(word: string, words: readonly string[]): string {
  const close = nearest(word, words)
  return close === null ? '' : `; did you mean "${close}"?`
}

const kinds: Readonly<Record<string, string>> = { object: 'a mapping', array: 'a list', int: 'a whole number' }

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'number' && !Number.isInteger(value) ? 'a fraction' : `a ${typeof value}`
}

const keysOf = (schema: z.ZodType): readonly string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : []

function schemaAt(path: KeyPath, given: unknown): z.ZodType | null {
  const [schema] = path.reduce<readonly [z.ZodType | null, unknown]>(
    ([outer, value], key) => {
      const inner = outer && optionOf(bare(outer), value)
      const below = valueAt(value, [key])
      if (inner instanceof z.ZodArray) return [inner.element as z.ZodType, below]
      const shape = inner instanceof z.ZodObject ? (inner.shape as Readonly<Record<string, z.ZodType>>) : {}
      return [shape[key] ?? null, below]
    },
    [configSchema, given],
  )
  return schema
}

const valueAt = (given: unknown, path: KeyPath): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Readonly<Record<string | number, unknown>>)[key]
        : undefined,
    given,
  )
