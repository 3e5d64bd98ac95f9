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
