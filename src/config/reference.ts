import { z } from 'zod'
import { ELSEWHERE, placesText } from './elsewhere.ts'
import { NOT_BUILT } from './not-built.ts'
import { configSchema } from './schema.ts'

/** The parts of JSON Schema in which our schema comes out. */
interface Described {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: string
  readonly enum?: readonly string[]
  readonly items?: Described
  readonly properties?: Readonly<Record<string, Described>>
  readonly required?: readonly string[]
  readonly oneOf?: readonly Described[]
  readonly anyOf?: readonly Described[]
}

const opening = (): string => `# Config

<!-- Made from src/config/schema.ts by scripts/docs.mjs: change it there. -->

One YAML file, named by \`--config\`, else by \`$TAPE_RSE_CONFIG\`, else \`./tape-rse.yaml\`, else
\`/etc/tape-rse/tape-rse.yaml\`. [config/](../config/) has examples. \`tape-rse config check\` lists all problems of a file with line
and key (exit code 4), \`config show\` what is in force and where each value came from, \`config schema\` the JSON Schema for editors.

${typesTable()}

A value that is marked as not built yet is refused, never ignored. Secrets stand in files of their own, never in this one.
`

const typesTable = (): string =>
  markdownTable([
    ['type', 'is'],
    ['path', 'absolute, without `//`, `.` or `..`; neither `~` nor `$VARIABLE` means anything in it'],
    ['size', '`100GB`, `1.5 TiB` or a number of bytes; kB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB of 1024'],
    ['duration', '`500ms`, `30s`, `15m`, `6h`, `1d`: never without its unit'],
  ])

/** docs/config.md: a table for each mapping of the config. */
export function configReference(): string {
  const root = z.toJSONSchema(configSchema, { io: 'input' }) as Described
  const sections = sectionsOf('', root).map(({ key, schema, note }) =>
    [key === '' ? '## Top level' : `## \`${key}\`${note}`, schema.description ?? '', tableOf(key, schema)]
      .filter((paragraph) => paragraph !== '')
      .join('\n\n'),
  )
  return `${[opening().trimEnd(), ...sections, elsewhere()].join('\n\n')}\n`
}

const elsewhere = (): string => `## What \`rucio\` does not say

is looked for in the environment, and then in the section \`[client]\` of the site’s client file, as Rucio’s own clients read it:
options in any case, \`=\` or \`:\`, values that go on in deeper lines, comments of whole lines, \`%(option)s\` and \`%%\`. Paths may be
relative there, \`~\` and \`$VARIABLE\` mean something, and what is empty says nothing. The client file is the one that \`rucio.config\`,
\`$RUCIO_CONFIG\` or \`$RUCIO_HOME/etc/rucio.cfg\` names; none is looked for elsewhere. An option \`x\` of it is overlaid by
\`$RUCIO_CFG_CLIENT_X\`, as Rucio’s containers have it. \`tape-rse config show\` says where each value came from.

${markdownTable([
  ['key', 'is looked for in'],
  ...ELSEWHERE.map((setting) => [code(`rucio.${setting.key.join('.')}`), placesText(setting)]),
  [code('rucio.auth.passwordFile'), 'the password itself: password in section [client] of rucio.cfg'],
])}`

interface Section {
  readonly key: string
  readonly schema: Described
  /** What tells it from others of the same key. */
  readonly note: string
}

/** A mapping, then the mappings in it, in the order of the schema. */
function sectionsOf(key: string, schema: Described, note = ''): readonly Section[] {
  const options = schema.oneOf ?? schema.anyOf
  if (options !== undefined)
    return options.flatMap((option) =>
      sectionsOf(key, option, `, by ${Object.entries(option.properties ?? {}).map(choice)[0]!}`),
    )
  if (schema.items !== undefined) return sectionsOf(`${key}[]`, schema.items)
  if (schema.properties === undefined) return []
  const below = Object.entries(schema.properties).flatMap(([name, value]) => sectionsOf(joined(key, name), value))
  return [{ key, schema, note }, ...below]
}

/** What an option of several is known by: the word that chooses it, or its first key. */
const choice = ([name, value]: readonly [string, Described]): string => code(value.const ?? name)

function tableOf(key: string, { properties = {}, required = [] }: Described): string {
  const rows = Object.entries(properties).map(([name, value]) => [
    code(name),
    typeOf(value),
    defaultOf(value, required.includes(name)),
    [value.description ?? '', notBuiltNote(joined(key, name), value)].filter((part) => part !== '').join(' '),
  ])
  return markdownTable([['key', 'type', 'default', 'meaning'], ...rows])
}

function typeOf({ title, type, const: only, enum: words, items, properties, oneOf, anyOf }: Described): string {
  if (items !== undefined) return `list of ${items.properties === undefined ? `${typeOf(items)}s` : 'mappings'}`
  if (only !== undefined) return code(only)
  if (words !== undefined) return words.map(code).join(', ')
  if (properties !== undefined || oneOf !== undefined || anyOf !== undefined) return 'mapping'
  return title ?? String(type)
}

function defaultOf({ default: value, properties }: Described, isRequired: boolean): string {
  if (isRequired) return '**required**'
  if (value === undefined || properties !== undefined) return ''
  return code(typeof value === 'string' ? value : JSON.stringify(value))
}

function notBuiltNote(key: string, { const: only }: Described): string {
  const row = NOT_BUILT.find((each) => each.key === key)
  if (row === undefined) return ''
  if (row.values === null) return 'Not built yet.'
  if (only !== undefined) return row.values.includes(only) ? 'Not built yet.' : ''
  return `Not built yet: ${row.values.map((value) => code(String(value))).join(', ')}.`
}

const joined = (key: string, name: string): string => (key === '' ? name : `${key}.${name}`)
const code = (text: string): string => `\`${text}\``

function markdownTable([titles = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(titles), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
