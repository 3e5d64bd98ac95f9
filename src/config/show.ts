import { Document, isNode, isSeq } from 'yaml'
import { z } from 'zod'
import { keyText, type KeyPath } from './finding.ts'
import type { LoadedConfig } from './load.ts'
import { originText } from './origin.ts'
import { configSchema } from './schema.ts'
import { durationWithUnit } from './units.ts'

/** What is in force, for programs. */
export interface ShownConfig {
  readonly file: string
  readonly config: LoadedConfig['config']
  /** Where each value came from: `{ "pipelines[0].vault.root": "line 12", "rucio.account": "$RUCIO_ACCOUNT", "movers": "default" }` */
  readonly origins: Readonly<Record<string, string>>
}

/** The config in force. Holds no secrets: of a password only its place. */
export const shownConfig = ({ file, config, originOf, password }: LoadedConfig): ShownConfig => ({
  file,
  config,
  origins: {
    ...Object.fromEntries(pathsOf(config).map((path) => [keyText(path), originText(originOf(path))])),
    ...(password !== null && { 'rucio.auth.password': originText(password) }),
  },
})

/** The config in force as YAML that loads again, to the same config; behind each value, where it came from. */
export function configText({ file, config, originOf, password }: LoadedConfig): string {
  const document = new Document(config)
  document.commentBefore = ` ${file}; sizes are bytes`
  for (const path of durations) {
    const value: unknown = document.getIn(path)
    if (typeof value === 'number') document.setIn(path, durationWithUnit(value))
  }
  for (const path of pathsOf(config)) {
    const node: unknown = document.getIn(path, true)
    if (isSeq(node)) node.flow = true
    if (isNode(node)) node.comment = ` ${originText(originOf(path))}`
  }
  const username: unknown = document.getIn(['rucio', 'auth', 'username'], true)
  if (password !== null && isNode(username))
    username.comment = `${username.comment ?? ''}; password: *** ${originText(password)}`
  return document.toString({ lineWidth: 0 }).trimEnd()
}

/** Where durations are: they are never written without a unit. */
const durations: readonly KeyPath[] = [
  ['deadlines', 'move'],
  ['deadlines', 'look'],
  ['schedule', 'every'],
  ['backup', 'every'],
  ['grace'],
]

/** Where the values are that have no parts, in order. */
function pathsOf(value: unknown, path: KeyPath = []): readonly KeyPath[] {
  const isList = Array.isArray(value)
  if (typeof value !== 'object' || value === null || (isList && value.length === 0)) return [path]
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, isList ? Number(key) : key]))
}

/** The config's JSON Schema (2020-12), by which editors complete and check it. */
export const schemaText = (): string =>
  JSON.stringify(
    { $id: 'tape-rse.schema.json', title: 'tape-rse config', ...z.toJSONSchema(configSchema, { io: 'input' }) },
    null,
    2,
  )
