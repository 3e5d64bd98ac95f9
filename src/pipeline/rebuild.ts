import type { Catalog, Recovered } from '../catalog/catalog.ts'
import { compareDids, formatDid, type Did } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { manifestName, parseManifest, type ManifestFacts } from '../model/manifest.ts'
import { markerName } from '../model/marker.ts'
import { anyMover, type Movers, type ObjectExamination, type ReadingSettings } from '../model/order.ts'
import type { Content, Entry } from '../model/target.ts'
import type { ObjectSizes } from '../plan/bundles.ts'
import { memberProblems } from '../plan/members.ts'
import { attemptOf, locationOf, placeProblems } from '../plan/place.ts'

import { everything } from './vault-tree.ts'

/** A pipeline whose catalog was lost, and what is needed to make its part of it again. */
export interface Rebuilding {
  readonly pipeline: string
  readonly vault: ReadingSettings
  readonly movers: Movers
  readonly catalog: Catalog
  readonly sizes: ObjectSizes
  /** Where a mover finds what Rucio gave this PFN; null: nowhere. */
  readonly pathOf: (pfn: string) => string | null
  readonly fingerprintOf: (entries: readonly Entry[]) => string
  readonly now: () => Date
}

export interface Rebuilt {
  readonly pipeline: string
  /** Generations that are written down again, and go on to be proven. */
  readonly datasets: number
  readonly objects: number
  readonly files: number
  readonly bytes: number
  /** Generations that are written down, and not gone on with: a newer one is there, or parts are missing. */
  readonly superseded: readonly { readonly did: string; readonly generation: number; readonly why: string }[]
  /** What is in the vault and was not written down. Nothing is guessed about it. */
  readonly left: readonly { readonly path: string; readonly why: string }[]
}

/** Looked at by one order: enough to keep a mover at work, few enough to tell how far it is. */
const batch = 100

/** An object that is what its manifest says, at the place where it belongs. */
interface Found {
  readonly location: string
  readonly facts: ManifestFacts
  readonly manifest: string
  readonly bytes: number
  readonly adler32: string
}

/**
 * Writes down again what the objects of a vault say of themselves. They are `written`, not trusted: the agent proves each anew before
 * anything is told to Rucio. What is damaged, or another's, is listed and left alone.
 * @param owner id of the catalog
 * @param moved told how many objects have been looked at
 */
export async function rebuild(
  r: Rebuilding,
  owner: string,
  deep: boolean,
  moved: (objects: number, of: number) => void,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const left: { path: string; why: string }[] = []
  const found: Found[] = []
  const attempts = new Map<string, number>()
  const candidates: string[] = []
  for (const { path, kind } of await everything(r.vault, r.movers, signal)) {
    if (path === markerName) continue
    if (kind !== 'file') {
      left.push({ path, why: 'a link or a device' })
      continue
    }
    const attempt = attemptOf(path)
    if (attempt !== null) attempts.set(attempt.location, Math.max(attempt.attempt, attempts.get(attempt.location) ?? 0))
    else candidates.push(path)
  }
  for (let at = 0; at < candidates.length; at += batch) {
    const locations = candidates.slice(at, at + batch)
    const { answer } = await r.movers.run<'examine'>(
      { kind: 'examine', vault: r.vault, locations, deep },
      anyMover,
      signal,
    )
    for (const [index, location] of locations.entries()) {
      const object = accepted(location, answer.objects[index]!, owner, r.vault.root)
      if ('why' in object) left.push({ path: location, why: object.why })
      else found.push(object)
    }
    moved(at + locations.length, candidates.length)
  }
  const generations = recovered(found, attempts, r)
  for (const generation of generations) await r.catalog.recover(r.pipeline, generation, r.now()) // commit
  const live = generations.filter(({ superseded }) => superseded === null)
  const bundles = live.flatMap((generation) => generation.bundles)
  return {
    pipeline: r.pipeline,
    datasets: live.length,
    objects: bundles.length,
    files: bundles.reduce((sum, { entries }) => sum + entries.length, 0),
    bytes: bundles.reduce((sum, bundle) => sum + bundle.bytes, 0),
    superseded: generations.flatMap(({ did, generation, superseded }) =>
      superseded === null ? [] : [{ did: formatDid(did), generation, why: superseded }],
    ),
    left,
  }
}

/** Takes an object for what it says it is only if that agrees with where it is, and with whose the vault is. */
function accepted(
  location: string,
  examination: ObjectExamination,
  owner: string,
  root: string,
): Found | { readonly why: string } {
  if ('foreign' in examination) return { why: `not an object of tape-rse: ${examination.foreign}` }
  if ('difference' in examination) return { why: `damaged: ${examination.difference}` }
  if ('unreadable' in examination) return { why: `not readable: ${examination.unreadable}` }
  const { manifest, bytes, adler32 } = examination
  const facts = parseManifest(manifest)
  if (facts === null) return { why: 'damaged: its manifest cannot be read' }
  if (facts.catalog !== owner) return { why: `of another catalog: ${facts.catalog}` }
  const { did, generation, part, parts, entries } = facts
  const [unsafe] = [...placeProblems(did, generation, parts, root), ...memberProblems(entries, manifestName)]
  if (unsafe !== undefined) return { why: `not an object that is made by tape-rse: ${unsafe.message}` }
  const place = locationOf(did, generation, part, parts)
  if (place !== location) return { why: `not where it belongs, which is ${place}` }
  return { location, facts, manifest, bytes, adler32 }
}

const generationKey = ({ did, generation }: { readonly did: Did; readonly generation: number }) =>
  `${formatDid(did)}\0${generation}`

function recovered(
  found: readonly Found[],
  attempts: ReadonlyMap<string, number>,
  r: Rebuilding,
): readonly Recovered[] {
  const generations = [...Map.groupBy(found, ({ facts }) => generationKey(facts)).values()].map((parts) =>
    generationOf(
      [...parts].sort((a, b) => a.facts.part - b.facts.part),
      attempts,
      r,
    ),
  )
  // The newest of each dataset that is whole is gone on with.
  const newest = new Map<string, number>()
  for (const { did, generation, superseded } of generations)
    if (superseded === null) newest.set(formatDid(did), Math.max(generation, newest.get(formatDid(did)) ?? 0))
  return generations
    .map((each): Recovered => {
      const last = newest.get(formatDid(each.did)) ?? each.generation
      if (each.superseded !== null || last === each.generation) return each
      return { ...each, superseded: `generation ${last} is there, too` }
    })
    .sort((a, b) => a.generation - b.generation)
}

function generationOf(parts: readonly Found[], attempts: ReadonlyMap<string, number>, r: Rebuilding): Recovered {
  const { did, generation, closedAt, metadata } = parts[0]!.facts
  const bundles = parts.map(({ location, facts, manifest, bytes, adler32 }) => {
    const entries = facts.entries.map((entry) => ({ ...entry, path: r.pathOf(entry.pfn) ?? '' }))
    const members = entries.map((entry) => ({ name: entry.did.name, bytes: entry.bytes }))
    const offsets = r.sizes.offsets(Buffer.byteLength(manifest), members)
    return {
      ...{ part: facts.part, parts: facts.parts, manifest, bytes, entries, offsets },
      ...{ location, adler32, attempts: attempts.get(location) ?? 0 },
    }
  })
  const entries = bundles.flatMap((bundle) => bundle.entries).sort((a, b) => compareDids(a.did, b.did))
  const content: Content = {
    entries,
    bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0),
    closedAt,
    fingerprint: r.fingerprintOf(entries),
    metadata,
  }
  return { did, generation, content, bundles, superseded: missingParts(parts) }
}

/** Why the parts that are there are not the whole of a generation; null: they are. */
function missingParts(found: readonly Found[]): string | null {
  const { parts, closedAt } = found[0]!.facts
  if (found.some(({ facts }) => facts.parts !== parts || facts.closedAt.getTime() !== closedAt.getTime()))
    return 'its objects do not agree with each other'
  if (found.length === parts) return null
  const there = new Set(found.map(({ facts }) => facts.part))
  const missing = Array.from({ length: parts }, (_, index) => index + 1).filter((part) => !there.has(part))
  const shown = missing.slice(0, 10).join(', ')
  return `of ${parts} objects, ${missing.length} are not there: ${shown}${missing.length > 10 ? ', …' : ''}`
}

/**
 * Whose the vaults are: one catalog's, which the new one has to be.
 * @throws TapeRseError REBUILD_REFUSED
 */
export function ownerOf(vaults: readonly { readonly root: string; readonly owner: string | null }[]): string {
  const unknown = vaults.find(({ owner }) => owner === null)
  if (unknown !== undefined)
    throw failure(
      'REBUILD_REFUSED',
      `Cannot tell whose objects ${unknown.root} holds: it has no marker`,
      'Is it the right mount? If the marker was lost, restore it: docs/operations.md, "A vault changes hands".',
    )
  const [first] = vaults
  const other = vaults.find(({ owner }) => owner !== first!.owner)
  if (other === undefined) return first!.owner!
  throw failure(
    'REBUILD_REFUSED',
    `Cannot rebuild one catalog: ${first!.root} belongs to ${first!.owner!}, ${other.root} to ${other.owner!}`,
    'Put the pipelines of each catalog into a config of its own.',
  )
}
