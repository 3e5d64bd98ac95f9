import { isMap, isScalar, isSeq, type Document, type LineCounter, type Node } from 'yaml'
import { z } from 'zod'
import type { LoadedConfig } from './load.ts'
import type { KeyPath } from './not-built.ts'
import { configSchema } from './schema.ts'

/** A value of the config in force, and where it came from. */
export interface ShownValue {
  /** `pipelines[0].vault.root` */
  readonly key: string
  readonly value: string | number | boolean
  /** `tape-rse.yaml:12`, or `default`. */
  readonly from: string
}

/** Every value that is in force. There are no secrets in it: the config names the files that hold them. */
export function showConfig({ config, document, lines, file }: LoadedConfig): readonly ShownValue[] {
  const values: ShownValue[] = []
  const walk = (value: unknown, path: KeyPath): void => {
    if (Array.isArray(value)) value.forEach((item, index) => walk(item, [...path, index]))
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key])
    } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      const line = lineOf(document, lines, path)
      values.push({ key: textOf(path), value, from: line === null ? 'default' : `${file}:${line}` })
    }
  }
  walk(config, [])
  return values
}

function lineOf(document: Document, lines: LineCounter, path: KeyPath): number | null {
  let node: unknown = document.contents
  for (const key of path) {
    node = isMap(node) ? node.get(key, true) : isSeq(node) ? node.get(key, true) : undefined
    if (node === undefined) return null
  }
  const offset = isScalar(node) || isMap(node) || isSeq(node) ? (node as Node).range?.[0] : undefined
  return offset === undefined ? null : lines.linePos(offset).line
}

const textOf = (path: KeyPath): string =>
  path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${key}`)).join('')

/** The config's JSON Schema (2020-12), by which editors complete and check it. */
export const schemaText = (): string =>
  JSON.stringify(
    {
      $id: 'tape-rse.schema.json',
      title: 'tape-rse config',
      ...z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }),
    },
    null,
    2,
  )
