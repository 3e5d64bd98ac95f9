import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import type { ErrorCode, Problem } from '../model/errors.ts'
import { failure, TapeRseError } from '../model/errors.ts'
import type { Sighting, Waiting } from '../model/target.ts'
import type { DidColumns } from '../rucio/answers.ts'
import type { RucioClient } from '../rucio/client.ts'
import type { Disk, Listing } from './rucio-content.ts'
import { atMost, contentOf, entriesOf } from './rucio-content.ts'
import { freeze, list } from './rucio-freeze.ts'
import type { PathRule } from './rucio-path.ts'
import { standing, wishOf } from './rucio-standing.ts'
import type { Tag } from './rucio-tag.ts'
import { isOfTheSite, tagFor, tell } from './rucio-tag.ts'
import type { Poll, Source } from './source.ts'

export interface RucioSourceOptions {
  readonly client: RucioClient
  /** Datasets are taken that ask for this RSE. Must not be one that the search misreads (model/rse.ts). */
  readonly tapeRse: string
  /** The RSE whose replicas are read. */
  readonly diskRse: string
  readonly scopes: readonly string[]
  /** Absolute path of the file system shared with the disk RSE. */
  readonly root: string
  /** Where PFNs lie that are not file:// URLs. */
  readonly paths: readonly PathRule[]
  /** Metadata key of the request. Default: arcBackup. */
  readonly key?: string
}

/** What Rucio says of one DID now, for a person who wonders why it is not archived. */
export interface Description extends Sighting {
  /** DATASET, CONTAINER, FILE, or something newer. */
  readonly type: string
  /** The value of the tag, whatever it is; null if there is none. */
  readonly tag: string | null
  /** Files in it now. 0 for what is not a dataset. */
  readonly files: number
  /** How many files have a replica at the disk RSE in which state; null: no replica there. */
  readonly replicas: ReadonlyMap<string | null, number>
  /** What stands in the way of archiving its content as it is now. That it is open is not among them. */
  readonly problems: readonly Problem[]
}

export interface RucioSource extends Source {
  /** null: Rucio knows no such DID. */
  describe(did: Did, signal: AbortSignal): Promise<Description | null>
  /** Everything in the scopes that says done, and everything that says need, whatever it is. */
  tagged(signal: AbortSignal): Promise<{ readonly done: readonly Did[]; readonly need: readonly Did[] }>
}

/** Closed datasets of some scopes whose metadata says `arcBackup=<tape RSE>:need`. */
export function rucioSource(options: RucioSourceOptions): RucioSource {
  const { client, diskRse, root, paths } = options
  const tag = tagFor(options.key ?? 'arcBackup', options.tapeRse)
  const disk: Disk = { diskRse, root, paths }
  const poll = poller(client, options.scopes, tag)
  return {
    poll,
    async missing(did, signal) {
      const wish = await wishOf(client, did, tag, signal)
      if (wish === 'need') return null
      return wish === 'done' ? { why: `the tag is now "${tag.done}"` } : wish
    },
    freeze: (sightings, signal) =>
      blamed(client, sightings, () => freeze(client, sightings, disk, tag.key, signal), signal),
    standing: (targets, told, signal) =>
      blamed(client, targets, () => standing(client, targets, tag, told, signal), signal),
    tellDone: (dids, signal) => tell(client, dids, tag.key, tag.done, signal),
    tellNeed: (dids, signal) => tell(client, dids, tag.key, tag.need, signal),
    describe: (did, signal) => describe(client, did, disk, tag, signal),
    async tagged(signal) {
      const done = await taggedWith(client, options.scopes, tag.key, tag.done, signal)
      return { done, need: await taggedWith(client, options.scopes, tag.key, tag.need, signal) }
    },
  }
}

async function taggedWith(
  client: RucioClient,
  scopes: readonly string[],
  key: string,
  value: string,
  signal: AbortSignal,
): Promise<readonly Did[]> {
  const found: Did[] = []
  for (const scope of scopes)
    for (const name of new Set(await client.search(scope, key, value, signal))) found.push({ scope, name })
  return found
}

/**
 * Asks about some DIDs. A proxy that gives up on a question which is too long looks like a server that is away: if that answers a
 * short one, the fault is of what was asked about.
 * @throws TapeRseError RUCIO_FAILED then
 */
async function blamed<T>(
  client: RucioClient,
  about: readonly { readonly did: Did }[],
  ask: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    const away = error instanceof TapeRseError && ['RUCIO_UNREACHABLE', 'RUCIO_OVERLOADED'].includes(error.code)
    const answers = away && (await client.bulkColumns([about[0]!.did], signal).then(Boolean, () => false))
    if (!answers) throw error
    throw failure(
      'RUCIO_FAILED',
      `${error.message}, though it answers other questions`,
      'It is tried again later. If it stays, give the proxy of Rucio more time for its answers.',
      error,
    )
  }
}

/** Errors that every scope would meet as well. */
const ofSignIn: ReadonlySet<ErrorCode> = new Set([
  'SIGN_IN_REFUSED',
  'CREDENTIAL_UNUSABLE',
  'CREDENTIAL_NOT_VALID',
  'RUCIO_NOT_TRUSTED',
])

type Found =
  { readonly scope: string; readonly names: readonly string[] } | { readonly scope: string; readonly error: Error }

function poller(client: RucioClient, scopes: readonly string[], tag: Tag): Source['poll'] {
  /** Scopes are never deleted in Rucio, so one that was seen need not be looked for again. */
  const seen = new Set<string>()
  /** Scopes in which we may set the tag: better to know before the first byte is written than when all are. */
  const ours = new Set<string>()

  /** One scope after the other: each search may scan the metadata of every file in Rucio. */
  async function search(scope: string, signal: AbortSignal): Promise<Found> {
    try {
      const names = [...new Set(await client.search(scope, tag.key, tag.need, signal))]
      // For a scope that does not exist, Rucio finds nothing and says nothing.
      if (names.length === 0 && !seen.has(scope)) for (const each of await client.scopes(signal)) seen.add(each)
      if (names.length === 0 && !seen.has(scope)) throw unknownScope(scope)
      seen.add(scope)
      // By `need`: what we ask with must not be a lie, even on a DID that should not be there.
      if (!ours.has(scope)) await client.checkMaySetMetadata(scope, { [tag.key]: tag.need }, signal)
      ours.add(scope)
      return { scope, names }
    } catch (error) {
      const ofAll = !(error instanceof TapeRseError) || ofSignIn.has(error.code) || signal.aborted
      if (ofAll) throw error
      return { scope, error }
    }
  }

  return async (signal) => {
    const found: Found[] = []
    for (const scope of scopes) found.push(await search(scope, signal))
    const errors = found.flatMap((each) => ('error' in each ? [each.error] : []))
    if (errors.length > 0 && errors.length === found.length && errors.every(isOfTheSite)) throw errors[0]!
    const dids = found.flatMap((each) =>
      'names' in each ? each.names.map((name) => ({ scope: each.scope, name })) : [],
    )
    const columns = new Map((await qualified(client, dids, signal)).map((row) => [didKey(row.did), row]))
    return found.map((each): Poll => {
      if ('error' in each) return each
      const rows = each.names.map((name) => columns.get(didKey({ scope: each.scope, name })))
      return { scope: each.scope, sightings: rows.filter((row) => row !== undefined).map(sightingOf) }
    })
  }
}

/**
 * The columns of all that was found. Rucio refuses the whole of a question with one name that its schema does not know (such names
 * can be older than the schema): that one is left out, as if it had not been found.
 */
async function qualified(
  client: RucioClient,
  dids: readonly Did[],
  signal: AbortSignal,
): Promise<readonly DidColumns[]> {
  try {
    return await client.bulkColumns(dids, signal)
  } catch (error) {
    if (!(error instanceof TapeRseError) || error.code !== 'RUCIO_REFUSED') throw error
    if (dids.length === 1) return []
    const half = Math.ceil(dids.length / 2)
    const first = await qualified(client, dids.slice(0, half), signal)
    return [...first, ...(await qualified(client, dids.slice(half), signal))]
  }
}

const unknownScope = (scope: string): TapeRseError =>
  failure(
    'SCOPE_UNKNOWN',
    `Cannot search scope ${scope}: Rucio has no such scope`,
    'Correct it under source.scopes (case counts), or create it in Rucio.',
  )

const sightingOf = (row: DidColumns): Sighting => ({
  did: row.did,
  waiting: waitingOf(row),
  closedAt: row.closedAt,
  length: row.length,
  bytes: row.bytes,
})

function waitingOf({ type, suppressed, open }: DidColumns): Waiting | null {
  if (type !== 'DATASET') return type === 'CONTAINER' ? 'container' : 'file'
  if (suppressed) return 'suppressed'
  return open ? 'open' : null
}

async function describe(
  client: RucioClient,
  did: Did,
  disk: Disk,
  tag: Tag,
  signal: AbortSignal,
): Promise<Description | null> {
  const metadata = await client.metadata(did, signal)
  if (metadata === null) return null
  const value = metadata.values[tag.key]
  const about = {
    ...sightingOf(metadata),
    type: metadata.type,
    tag: value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value),
  }
  if (metadata.type !== 'DATASET') return { ...about, files: 0, replicas: new Map(), problems: [] }
  const listing = (await list(client, [did], disk, signal)).listings[0]!
  const states = new Map(
    listing.replicas.map((replica) => [didKey(replica.did), replica.states.get(disk.diskRse) ?? null]),
  )
  const replicas = new Map<string | null, number>()
  for (const file of listing.files) {
    const state = states.get(didKey(file.did)) ?? null
    replicas.set(state, (replicas.get(state) ?? 0) + 1)
  }
  return { ...about, files: listing.files.length, replicas, problems: problemsOf(metadata, listing, disk, tag) }
}

function problemsOf(metadata: DidColumns, listing: Listing, disk: Disk, tag: Tag): readonly Problem[] {
  // While it is open, what was counted at its last closing says nothing of it.
  if (metadata.open) return atMost(entriesOf(metadata.did, listing, disk).problems)
  const freezing = contentOf(sightingOf(metadata), listing, disk, tag.key)
  return 'problems' in freezing ? freezing.problems : []
}
