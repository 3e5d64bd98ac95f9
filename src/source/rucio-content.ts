import type { Did } from '../model/did.ts'
import { compareDids, didKey, formatDid } from '../model/did.ts'
import type { ErrorCode, Problem } from '../model/errors.ts'
import type { Content, Entry, Sighting } from '../model/target.ts'
import type { ListedFile, ListedReplica } from '../rucio/answers.ts'
import { fingerprintOf, normalAdler32, normalMd5 } from './rucio-checksum.ts'
import type { SharedFiles } from './rucio-path.ts'
import { localPath } from './rucio-path.ts'
import type { Freezing } from './source.ts'

/** How many problems of one kind are listed one by one. */
const MAX_OF_A_KIND = 50

/** What Rucio lists of one dataset, in whatever order. */
export interface Listing {
  readonly files: readonly ListedFile[]
  /** Of its files at the disk RSE. */
  readonly replicas: readonly ListedReplica[]
  /** The dataset's custom metadata. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** Where the replicas are read. */
export interface Disk extends SharedFiles {
  readonly diskRse: string
}

/**
 * Makes a dataset's content of what Rucio lists: joined by DID, never by position, and only if everything agrees.
 * @param tag the metadata key of the request, which is not part of the content
 */
export function contentOf(sighting: Sighting, listing: Listing, disk: Disk, tag: string): Freezing {
  const { entries, problems } = entriesOf(sighting.did, listing, disk)
  const [first, ...more] = atMost([...disagreements(sighting, listing.files), ...problems])
  if (first !== undefined) return { problems: [first, ...more] }
  const metadata = Object.fromEntries(Object.entries(listing.metadata).filter(([key]) => key !== tag))
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  const fingerprint = fingerprintOf(listing.files)
  return { content: { entries, bytes, closedAt: sighting.closedAt!, fingerprint, metadata } satisfies Content }
}

/** What is wrong with a dataset as a whole. */
function disagreements(sighting: Sighting, files: readonly ListedFile[]): Problem[] {
  const { did, length, closedAt } = sighting
  if (files.length === 0 && (length ?? 0) === 0) {
    const message = `Cannot archive ${formatDid(did)}: it has no files`
    return [{ code: 'DATASET_EMPTY', message, hint: 'Remove the tag, or reopen it and attach its files.' }]
  }
  const problems: Problem[] = []
  const disagree = (what: string): unknown => problems.push(disagreement(did, what))
  if (closedAt === null) disagree('Rucio does not say when it was closed')
  if (length !== files.length) disagree(`Rucio counts ${length ?? 'no'} files and lists ${files.length}`)
  const bytes = files.reduce((sum, file) => sum + (file.bytes ?? 0), 0)
  if (sighting.bytes !== bytes) disagree(`Rucio counts ${sighting.bytes ?? 'no'} bytes, and its files have ${bytes}`)
  return problems
}

/** The entries that can be made, sorted, and everything that stands in the way of the others. */
export function entriesOf(dataset: Did, listing: Listing, disk: Disk): { entries: Entry[]; problems: Problem[] } {
  const replicas = Map.groupBy(listing.replicas, (replica) => didKey(replica.did))
  const files = Map.groupBy(listing.files, (file) => didKey(file.did))
  const entries: Entry[] = []
  const problems: Problem[] = []
  for (const [key, same] of files) {
    const file = same[0]!
    const made = entryOf(dataset, file, replicas.get(key) ?? [], disk)
    if ('entry' in made) entries.push(made.entry)
    else problems.push(...made.problems)
    if (same.length > 1) problems.push(disagreement(dataset, `${formatDid(file.did)} is listed ${same.length} times`))
  }
  for (const [key, [stranger]] of replicas) {
    if (files.has(key)) continue
    const who = formatDid(stranger!.did)
    problems.push(disagreement(dataset, `${who} is among its replicas at ${disk.diskRse}, but not among its files`))
  }
  return { entries: entries.sort((a, b) => compareDids(a.did, b.did)), problems }
}

function entryOf(
  dataset: Did,
  file: ListedFile,
  replicas: readonly ListedReplica[],
  disk: Disk,
): { entry: Entry } | { problems: Problem[] } {
  const problems: Problem[] = []
  const who = formatDid(file.did)
  const problem = (code: ErrorCode, what: string, hint: string): void => {
    problems.push({ code, message: `Cannot archive ${who} of ${formatDid(dataset)}: ${what}`, hint })
  }
  const { bytes } = file
  const adler32 = agreed([file, ...replicas], (line) => normalAdler32(line.adler32))
  const md5 = agreed(replicas, (line) => normalMd5(line.md5))
  if (bytes === null) problems.push(disagreement(dataset, `${who} has no size`))
  for (const [what, values] of [
    ['sizes', new Set([bytes, ...replicas.map((line) => line.bytes)])],
    ['adler32 values', adler32],
    ['md5 values', md5],
  ] as const) {
    if (values.size > 1) problems.push(disagreement(dataset, `${who} has two ${what}: ${[...values].join(' and ')}`))
  }
  if (adler32.size === 0 && md5.size === 0) {
    problem('CHECKSUM_MISSING', 'Rucio has neither adler32 nor md5 of it', 'Have its checksum declared in Rucio.')
  }
  const found = replicaAt(replicas, disk)
  if ('code' in found) problem(found.code, found.what, found.hint)
  if (problems.length > 0 || 'code' in found || bytes === null) return { problems }
  const { pfn, path } = found
  return { entry: { did: file.did, bytes, adler32: only(adler32), md5: only(md5), pfn, path } }
}

type Whereabouts =
  | { readonly pfn: string; readonly path: string }
  | { readonly code: ErrorCode; readonly what: string; readonly hint: string }

/** The replica that a mover can read. */
function replicaAt(replicas: readonly ListedReplica[], disk: Disk): Whereabouts {
  const { diskRse, root } = disk
  const states = replicas.map(({ states }) => states.get(diskRse)).filter((state) => state !== undefined)
  if (states.length === 0) {
    const hint = `Have it copied to ${diskRse}, or declare it lost.`
    return { code: 'REPLICA_MISSING', what: `it has no replica at ${diskRse}`, hint }
  }
  const bad = states.find((state) => state !== 'AVAILABLE')
  if (bad !== undefined) {
    return {
      code: 'REPLICA_UNAVAILABLE',
      what: `its replica at ${diskRse} is ${bad}`,
      hint: 'Have the replica repaired.',
    }
  }
  const pfns = replicas.flatMap((replica) => replica.pfns.get(diskRse) ?? [])
  for (const pfn of pfns) {
    const path = localPath(pfn, disk)
    if (path !== null) return { pfn, path }
  }
  const what = pfns.length === 0 ? `${diskRse} gives no PFN for it` : `${pfns.join(', ')} is no path below ${root}`
  return { code: 'REPLICA_ELSEWHERE', what, hint: 'Check source.root, or say in source.paths where such PFNs lie.' }
}

/** The different values that are known. */
const agreed = <T>(lines: readonly T[], value: (line: T) => string | null): ReadonlySet<string> =>
  new Set(lines.map(value).filter((known) => known !== null))

const only = (values: ReadonlySet<string>): string | null => [...values][0] ?? null

const disagreement = (dataset: Did, what: string): Problem => ({
  code: 'DATASET_DISAGREES',
  message: `Cannot archive ${formatDid(dataset)}: ${what}`,
  hint: 'Have Rucio’s catalogue corrected, or close the dataset anew: it then counts again.',
})

/** The first problems of each kind, and how many more there are. */
export function atMost(problems: readonly Problem[]): readonly Problem[] {
  const counts = new Map<ErrorCode, number>()
  const listed: Problem[] = []
  for (const problem of problems) {
    const count = (counts.get(problem.code) ?? 0) + 1
    counts.set(problem.code, count)
    if (count <= MAX_OF_A_KIND) listed.push(problem)
  }
  for (const [code, count] of counts) {
    const more = count - MAX_OF_A_KIND
    const { hint } = problems.find((problem) => problem.code === code)!
    if (more > 0)
      listed.push({ code, message: `Cannot archive ${more} more files, for a reason like those above`, hint })
  }
  return listed
}
