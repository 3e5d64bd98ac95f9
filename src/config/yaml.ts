import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from 'yaml'
import type { KeyPath } from './finding.ts'

/** What a YAML text says, and in which line each value stands (counted from 1; null: the text does not say it). */
export interface YamlText {
  readonly value: unknown
  readonly lineOf: (path: KeyPath) => number | null
}

export interface YamlFault {
  readonly line: number | null
  readonly what: string
}

/** Reads one document of YAML 1.2, whose keys are strings and unique; anchors and aliases may be used. */
export function readYaml(text: string): YamlText | readonly YamlFault[] {
  const counter = new LineCounter()
  const lineAt = (offset: number) => counter.linePos(offset).line
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false, // they would quote the text
    stringKeys: true,
    uniqueKeys: true,
  })
  const faults: YamlFault[] = [...document.errors, ...document.warnings].map(({ pos, message }) => ({
    line: lineAt(pos[0]),
    what: message,
  }))
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined)
        faults.push({ line: lineAt(alias.range?.[0] ?? 0), what: 'an alias (*) whose anchor (&) is not above it' })
    },
  })
  if (faults.length > 0) return faults.filter(isFirstOfItsLine)
  try {
    return { value: document.toJS(), lineOf: (path) => lineIn(document, path, lineAt) }
  } catch (error) {
    return [{ line: null, what: error instanceof Error ? error.message : String(error) }]
  }
}

/** Later faults of a line mostly follow from its first. */
const isFirstOfItsLine = ({ line }: YamlFault, index: number, faults: readonly YamlFault[]): boolean =>
  faults.findIndex((each) => each.line === line) === index

/** The line of the key, or of the item of a list. What an alias stands for is where its anchor is. */
function lineIn(document: Document, path: KeyPath, lineAt: (offset: number) => number): number | null {
  let node: unknown = document.contents
  let named: unknown = node
  for (const key of path) {
    const parent = isAlias(node) ? node.resolve(document) : node
    if (isMap(parent)) {
      const pair = parent.items.find((each) => isScalar(each.key) && each.key.value === key)
      named = pair?.key
      node = pair?.value
    } else {
      node = isSeq(parent) ? parent.items[Number(key)] : undefined
      named = node
    }
  }
  return isNode(named) && named.range ? lineAt(named.range[0]) : null
}
