import { Buffer } from 'node:buffer'
import type { Did } from './did.ts'
import type { Entry } from './target.ts'

/** The first member of every object. */
export const manifestName = '.tape-rse/manifest.json'

export interface ManifestFacts {
  /** Id of the catalog that wrote it. */
  readonly catalog: string
  readonly did: Did
  readonly generation: number
  /** This is part `part` of `parts`, from 1. */
  readonly part: number
  readonly parts: number
  readonly closedAt: Date
  /** The RSE that the files were read at. */
  readonly source: string
  /** The dataset's own metadata, without the tag. */
  readonly metadata: Readonly<Record<string, unknown>>
  readonly entries: readonly Entry[]
}

/**
 * The text of a manifest: JSON, with one file a line, so that it can be read without a parser (docs/formats.md, "The manifest").
 * It depends on nothing but the facts: no clock, no host, no attempt.
 */
export function manifestText(facts: ManifestFacts): string {
  const head = {
    format: 'tape-rse manifest',
    version: 1,
    catalog: facts.catalog,
    scope: facts.did.scope,
    name: facts.did.name,
    generation: facts.generation,
    part: facts.part,
    parts: facts.parts,
    closed_at: facts.closedAt.toISOString(),
    source_rse: facts.source,
    metadata: sorted(facts.metadata),
  }
  const opening = JSON.stringify(head).slice(0, -1)
  return `${opening},\n"files":[\n${facts.entries.map(entryText).join(',\n')}\n]}\n`
}

/** What an entry adds to a manifest, at the most: its line, the comma and the line's end. */
export const manifestEntryBytes = (entry: Entry): number => Buffer.byteLength(entryText(entry)) + 2

const entryText = ({ did, bytes, adler32, md5, pfn }: Entry): string =>
  JSON.stringify({ scope: did.scope, name: did.name, bytes, adler32, md5, pfn })

/** Rucio gives metadata in any order; the same metadata shall give the same bytes. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}

/** When the dataset was closed, as a manifest of ours says: the time of every member of its object, whatever happened since. */
export const closedAtOf = (manifest: string): Date => new Date(/"closed_at":"([^"]+)"/u.exec(manifest)![1]!)

/** What a manifest says, of any catalog; null: it is not a manifest of tape-rse that this version can read. */
export function parseManifest(text: string): ManifestFacts | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObject(value) || value['format'] !== 'tape-rse manifest' || value['version'] !== 1) return null
  const { catalog, scope, name, generation, part, parts, closed_at, source_rse, metadata, files } = value
  const closedAt = typeof closed_at === 'string' ? new Date(closed_at) : null
  const entries = Array.isArray(files) ? files.map(entryOf) : [null]
  const whole =
    isName(catalog) &&
    isName(scope) &&
    isName(name) &&
    isCount(generation, 1) &&
    isCount(part, 1) &&
    isCount(parts, part) &&
    closedAt !== null &&
    !Number.isNaN(closedAt.getTime()) &&
    isName(source_rse) &&
    isObject(metadata) &&
    entries.length > 0 &&
    entries.every((entry) => entry !== null)
  if (!whole) return null
  return { catalog, did: { scope, name }, generation, part, parts, closedAt, source: source_rse, metadata, entries }
}

/** An entry as a manifest has it: it does not know where a mover finds the file. */
function entryOf(value: unknown): Entry | null {
  if (!isObject(value)) return null
  const { scope, name, bytes, adler32, md5, pfn } = value
  const sums = isSum(adler32, 8) && isSum(md5, 32) && (adler32 !== null || md5 !== null)
  if (!isName(scope) || !isName(name) || !isCount(bytes, 0) || !sums || typeof pfn !== 'string') return null
  return { did: { scope, name }, bytes, adler32, md5, pfn, path: '' }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isName = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isCount = (value: unknown, least: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least
const isSum = (value: unknown, digits: number): value is string | null =>
  value === null || (typeof value === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`, 'u').test(value))
