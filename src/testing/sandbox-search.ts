import { describeColumns, isColumn } from './sandbox-columns.ts'
import type { PythonValue } from './sandbox-literal.ts'
import { LiteralError, pythonLiteral } from './sandbox-literal.ts'
import type { DidRow, World } from './sandbox-world.ts'
import { RucioException, shuffled } from './sandbox-world.ts'

export interface Search {
  readonly scope: string
  /** As it came: a Python literal. */
  readonly filters: string
  readonly type: string
  readonly limit: number | null
  readonly recursive: boolean
  readonly long: boolean
}

type Value = string | number | boolean | Date | null
interface Criterion {
  /** `created_after` and its like. */
  readonly legacy: boolean
  readonly key: string
  readonly operator: string
  readonly value: Value
}
type Group = readonly Criterion[]

/** Where a key is looked up, and what is there. `text` stands for a value inside a JSON document, of which SQL sees the text. */
type Found = { readonly text: string | null } | { readonly column: Value }

/**
 * list_dids of core/did_meta_plugins: one plugin answers, and the filter's keys must all be of it. JSON searches the rows of
 * did_meta, whatever type of DID they belong to. There is no order.
 */
export function search(world: World, { scope, filters, type, limit, recursive, long }: Search): readonly unknown[] {
  const groups = parse(filters)
  const criteria = groups.flat().filter(({ key }) => key !== 'name')
  // 38 finds created_at among custom metadata, too, but not by its other names.
  const both = criteria.filter(({ key, legacy }) => world.version === '38.5.5' && key === 'created_at' && !legacy)
  const keys = (both.length < criteria.length ? criteria.filter((each) => !both.includes(each)) : criteria).map(
    ({ key }) => key,
  )
  const inColumns = keys.filter((key) => isColumn(key) || key === 'created_at')
  if (inColumns.length > 0 && inColumns.length < keys.length)
    throw new RucioException('InvalidMetadata', 'Filter keys used do not all belong to the same metadata plugin.')
  const useJson = keys.length > 0 && inColumns.length === 0
  const rows = useJson ? inJson(world, scope, groups) : inTable(world, scope, groups, type)
  // The plugin asks its rows for a type that they do not have: Python's own error.
  if (useJson && recursive && rows.length > 0) throw new Error('did_type')
  return shuffled(world, rows)
    .slice(0, limit ?? undefined)
    .map((row) => (long ? longForm(row, useJson) : row.name))
}

/** The plugin JSON knows nothing of DIDs but their names. */
const longForm = ({ scope, name, type, bytes, length }: DidRow, json: boolean): Record<string, unknown> =>
  json ? { scope, name, did_type: null, bytes: null, length: null } : { scope, name, did_type: type, bytes, length }

function parse(text: string): readonly Group[] {
  const value = pythonLiteral(text)
  const groups = Array.isArray(value) ? (value as readonly PythonValue[]) : [value]
  return groups.map((group) => {
    if (typeof group !== 'object' || group === null) throw new Error(`'${typeof group}' object has no attribute 'keys'`)
    return Object.entries(group).map(([key, value]) => criterion(key, value))
  })
}

function criterion(word: string, value: PythonValue): Criterion {
  const [key = '', operator = '', ...more] = word.split('.')
  if (more.length > 0) throw new RucioException('DIDFilterSyntaxError', 'None')
  const legacy = { created_after: 'gte', created_before: 'lte' }[key]
  const typed = typeof value === 'string' ? typecast(value) : (value as Value)
  return legacy === undefined
    ? { key, operator, value: typed, legacy: false }
    : { key: 'created_at', operator: legacy, value: typed, legacy: true }
}

/** The forms of date that are understood: with a blank or a T; a Z only after a fraction. */
const DATE = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:(\.\d{1,6})Z)?$/

/** What a string is taken for: a name with TRUE inside is none any more (filter_engine.py, _try_typecast_string). */
function typecast(text: string): Value {
  const value = text.replace(/true|TRUE/g, 'True').replace(/false|FALSE/g, 'False')
  const date = DATE.exec(value)
  if (date !== null) return new Date(`${date[1]}T${date[2]}${date[3] ?? ''}Z`)
  if (/[-+*/]/.test(value)) return value
  try {
    return pythonLiteral(value) as Value
  } catch (error) {
    if (error instanceof LiteralError) return value
    throw error
  }
}

function inJson(world: World, scope: string, groups: readonly Group[]): DidRow[] {
  const rows: DidRow[] = []
  for (const [key, row] of world.metadata) {
    const did = world.dids.get(key)
    if (did?.scope !== scope) continue
    const look = (word: string): Found => {
      if (word === 'scope' || word === 'name') return { column: did[word] }
      if (word === 'updated_at') return { column: row.updatedAt }
      if (word === 'did_type') return { column: null } // the column is there, and always empty
      return { text: sqlText(row.values[word]) }
    }
    if (matches(groups, look)) rows.push(did)
  }
  return rows
}

function inTable(world: World, scope: string, groups: readonly Group[], type: string): DidRow[] {
  const types = TYPES[type.toLowerCase()]
  if (types === undefined)
    throw new RucioException(
      'UnsupportedOperation',
      `${type} is not a valid type. Valid types are ${Object.keys(TYPES).join(', ')}`,
    )
  return [...world.dids.values()].filter((did) => {
    if (did.scope !== scope || did.suppressed || !types.includes(did.type)) return false
    const columns = describeColumns(did)
    const dates: Readonly<Record<string, Date | null>> = { created_at: did.createdAt, closed_at: did.closedAt }
    return matches(groups, (key) => ({ column: dates[key] ?? (columns[key] as Value | undefined) ?? null }))
  })
}

const TYPES: Readonly<Record<string, readonly string[]>> = {
  all: ['CONTAINER', 'DATASET', 'FILE'],
  collection: ['CONTAINER', 'DATASET'],
  container: ['CONTAINER'],
  dataset: ['DATASET'],
  file: ['FILE'],
}

/** What `->>` makes of a value: null for what is absent, the text of a string, the JSON of anything else. */
function sqlText(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const matches = (groups: readonly Group[], look: (key: string) => Found): boolean =>
  groups.some((group) => group.every((criterion) => holds(criterion, look(criterion.key))))

function holds({ key, operator, value }: Criterion, found: Found): boolean {
  const wild = typeof value === 'string' && /[*%]/.test(value)
  if (wild && operator !== '' && operator !== 'ne')
    throw new RucioException('DIDFilterSyntaxError', 'Wildcards can only be used with equality operators')
  if (wild && (value === '*' || value === '%')) return true // the clause is dropped
  const compare = OPERATORS[operator]
  if (compare === undefined) throw new RucioException('FilterEngineGenericError', "'NoneType' object is not callable")
  const actual = 'text' in found ? castLike(value, found.text) : columnLike(key, value, found.column)
  if (value === null) return operator === 'ne' ? actual !== null : actual === null
  if (actual === null) return operator === 'ne' && 'column' in found // NULL is neither equal nor unequal in SQL
  if (wild) return like(value, String(actual)) === (operator === '')
  return compare(plain(actual), plain(value))
}

const OPERATORS: Readonly<Record<string, (a: string | number | boolean, b: string | number | boolean) => boolean>> = {
  '': (a, b) => a === b,
  ne: (a, b) => a !== b,
  gt: (a, b) => a > b,
  lt: (a, b) => a < b,
  gte: (a, b) => a >= b,
  lte: (a, b) => a <= b,
}

const plain = (value: Exclude<Value, null>): string | number | boolean =>
  value instanceof Date ? value.getTime() : value

/** The text inside the document, cast to the type of what it is compared with. One row that cannot be cast fails the query. */
function castLike(value: Value, text: string | null): Value {
  if (text === null || typeof value === 'string' || value === null) return text
  if (typeof value === 'boolean' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  if (typeof value === 'number' && text.trim() !== '' && !Number.isNaN(Number(text))) return Number(text)
  if (value instanceof Date && !Number.isNaN(Date.parse(text))) return new Date(text)
  throw invalid(
    `invalid input syntax for type ${typeof value === 'number' ? 'double precision' : typeof value}: "${text}"`,
  )
}

function columnLike(key: string, value: Value, column: Value): Value {
  if (key === 'did_type' && !['F', 'D', 'C', 'X', 'Y', 'A', 'Z'].includes(String(value)))
    throw invalid(`invalid input value for enum "DID_META_DID_TYPE_CHK": "${String(value)}"`)
  if (column instanceof Date && !(value instanceof Date))
    throw new RucioException('DatabaseException', 'An unknown Database Exception has occurred.')
  return column
}

const invalid = (why: string): RucioException =>
  new RucioException(
    'InvalidMetadata',
    `Database query failed: ${why}. This can be raised when the datatype of a key is inconsistent between dids.`,
  )

/** LIKE: `*` and `%` stand for anything, `_` for itself. */
const like = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.split(/[*%]/).map(escape).join('.*')}$`, 's').test(text)

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
