import { Buffer } from 'node:buffer'
import { formatDid, type Did } from '../model/did.ts'
import { manifestEntryBytes, manifestText } from '../model/manifest.ts'
import type { PlannedBundle } from '../model/bundle.ts'
import type { Content, Entry } from '../model/target.ts'
import { splitEvenly } from './split.ts'

interface Member {
  readonly name: string
  readonly bytes: number
}

/** What a format knows of sizes before a byte is packed (pack/format.ts). */
export interface ObjectSizes {
  overhead(manifestBytes: number, members: readonly Member[]): number
  offsets(manifestBytes: number, members: readonly Member[]): readonly number[]
}

export interface BundleLimits {
  /** Bytes of an object to aim at. */
  readonly targetSize: number
  /** Bytes that no object exceeds, but for one with a single file that is larger. */
  readonly maxSize: number
}

/** Whose bundles these are: what the manifest says besides the content. */
export interface BundleOrigin {
  /** Id of the catalog. */
  readonly catalog: string
  readonly did: Did
  readonly generation: number
  /** The RSE that the files are read at. */
  readonly rse: string
}

/** Splits a target's content into bundles, each with its manifest and exact size. Pure: the same content gives the same bundles. */
export function planBundles(
  origin: BundleOrigin,
  content: Content,
  sizes: ObjectSizes,
  limits: BundleLimits,
): readonly PlannedBundle[] {
  const manifestOf = (part: number, parts: number, entries: readonly Entry[]) =>
    manifestText({
      catalog: origin.catalog,
      did: origin.did,
      generation: origin.generation,
      part,
      parts,
      closedAt: content.closedAt,
      source: origin.rse,
      metadata: content.metadata,
      entries,
    })
  const { entries } = content
  const most = entries.length
  const fixed = sizes.overhead(0, []) + zip64Slack + Buffer.byteLength(manifestOf(most, most, []))
  const weights = entries.map((entry) => {
    const member = asMember(entry)
    return entry.bytes + sizes.overhead(0, [member]) - sizes.overhead(0, []) + manifestEntryBytes(entry)
  })
  const room = (bytes: number) => Math.max(1, bytes - fixed)
  const lengths = splitEvenly(weights, room(limits.targetSize), room(limits.maxSize))

  let from = 0
  return lengths.map((length, index) => {
    const own = entries.slice(from, (from += length))
    const manifest = manifestOf(index + 1, lengths.length, own)
    const manifestBytes = Buffer.byteLength(manifest)
    const members = own.map(asMember)
    return {
      part: index + 1,
      parts: lengths.length,
      manifest,
      bytes: sizes.overhead(manifestBytes, members) + manifestBytes + own.reduce((sum, entry) => sum + entry.bytes, 0),
      entries: own,
      offsets: sizes.offsets(manifestBytes, members),
    }
  })
}

/** More than the records that a large archive needs besides those of a small one, so that no object exceeds its maximum by them. */
const zip64Slack = 256

const asMember = (entry: Entry): Member => ({ name: entry.did.name, bytes: entry.bytes })

/** What a person should know of a plan that is carried out all the same. */
export function planWarnings(did: Did, bundles: readonly PlannedBundle[], limits: BundleLimits): readonly string[] {
  return bundles
    .filter((bundle) => bundle.bytes > limits.maxSize)
    .map((bundle) =>
      bundle.entries.length === 1
        ? `${formatDid(bundle.entries[0]!.did)} of ${formatDid(did)} alone makes an object of ${bundle.bytes} bytes, above maxSize (${limits.maxSize})`
        : `object ${bundle.part} of ${formatDid(did)} has ${bundle.bytes} bytes, above maxSize (${limits.maxSize})`,
    )
}
