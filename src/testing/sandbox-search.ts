import { Refusal } from './sandbox-answers.ts'
import type { SandboxState } from './sandbox-state.ts'

/** Keys that are columns of Rucio's own table: another plugin's, which does not mix with custom ones. */
const columns: readonly string[] = [
  'length',
  'bytes',
  'type',
  'project',
  'datatype',
  'run_number',
  'events',
  'created_after',
  'created_before',
  'closed_at',
  'guid',
  'created_at',
]

/** Names in a scope whose custom metadata match, by the rules of Rucio's filter engine, odd ones included. */
export function search(state: SandboxState, scope: string, filters: string): readonly string[] {
  const any = parse(filters).map((filter) => Object.entries(filter).map(([key, value]) => condition(key, value)))
  if (any.some((all) => all.some(({ column }) => column) && all.some(({ column }) => !column))) {
    throw new Refusal(500, 'InvalidMetadata', 'Filter keys used do not all belong to the same metadata plugin.')
  }
  return [...state.dids.values()]
    .filter((did) => did.scope === scope && did.meta !== null)
    .filter((did) =>
      any.some((all) => all.every(({ key, matches }) => matches(key === 'name' ? did.name : did.meta![key]))),
    )
    .map((did) => did.name)
}

/** The filters are read as a Python literal: JSON of strings and numbers is one, JSON with `true` is not. */
function parse(filters: string): readonly Record<string, unknown>[] {
  if (/\b(?:true|false|null)\b/u.test(filters.replace(/"(?:[^"\\]|\\.)*"/gu, ''))) {
    throw new Refusal(500, null, 'malformed node or string on line 1: <ast.Name object at 0x7f0000000000>')
  }
  const parsed: unknown = JSON.parse(filters)
  return (Array.isArray(parsed) ? parsed : [parsed]) as Record<string, unknown>[]
}

interface Condition {
  readonly key: string
  readonly column: boolean
  readonly matches: (value: unknown) => boolean
}

function condition(text: string, wanted: unknown): Condition {
  const [key = '', operator = ''] = text.split('.')
  const column = columns.includes(key)
  if (typeof wanted !== 'string') return { key, column, matches: (value) => value === wanted }
  const read = wanted.replace(/true|TRUE/gu, 'True').replace(/false|FALSE/gu, 'False')
  const equals = (value: unknown): boolean => {
    if (read === '*' || read === '%') return true
    if (typeof value !== 'string') return false
    if (!/[*%]/u.test(read)) return value === read
    const pattern = read.replace(/[.+?^${}()|[\]\\]/gu, String.raw`\$&`).replace(/[*%]/gu, '.*')
    return new RegExp(`^${pattern}$`, 'su').test(value)
  }
  switch (operator) {
    case '':
      return { key, column, matches: equals }
    case 'ne':
      return { key, column, matches: (value) => value !== undefined && !equals(value) }
    default:
      if (!['gt', 'lt', 'gte', 'lte'].includes(operator)) {
        throw new Refusal(500, 'FilterEngineGenericError', `operator '${operator}' is not valid`)
      }
      return { key, column, matches: () => false }
  }
}
