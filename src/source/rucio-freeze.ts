import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import type { Sighting } from '../model/target.ts'
import type { ListedReplica } from '../rucio/answers.ts'
import type { RucioClient } from '../rucio/client.ts'
import type { Disk, Listing } from './rucio-content.ts'
import { contentOf } from './rucio-content.ts'
import { accessFor } from './rucio-path.ts'
import type { Freezing } from './source.ts'

/** Rucio answers for fifty datasets about as fast as for one, until the lists themselves take the time. */
const MAX_DATASETS = 50
const MAX_FILES = 20_000

/** Cuts datasets into batches whose lists Rucio gives well in one answer. A larger dataset is a batch of its own. */
export function batchesByFiles<T extends { readonly length: number | null }>(datasets: readonly T[]): T[][] {
  const batches: T[][] = []
  let files = 0
  for (const dataset of datasets) {
    const batch = batches.at(-1)
    files += dataset.length ?? 0
    if (batch === undefined || batch.length === MAX_DATASETS || files > MAX_FILES) {
      batches.push([dataset])
      files = dataset.length ?? 0
    } else batch.push(dataset)
  }
  return batches
}

/** The content of each dataset, or everything that stands in the way. Answers in the order of the question. */
export async function freeze(
  client: RucioClient,
  sightings: readonly Sighting[],
  disk: Disk,
  tag: string,
  signal: AbortSignal,
): Promise<readonly Freezing[]> {
  const freezings: Freezing[] = []
  for (const batch of batchesByFiles(sightings))
    freezings.push(...(await freezeBatch(client, batch, disk, tag, signal)))
  return freezings
}

async function freezeBatch(
  client: RucioClient,
  batch: readonly Sighting[],
  disk: Disk,
  tag: string,
  signal: AbortSignal,
): Promise<readonly Freezing[]> {
  const { listings, strangers } = await list(
    client,
    batch.map(({ did }) => did),
    disk,
    signal,
  )
  const freezings = batch.map((sighting, i) => contentOf(sighting, listings[i]!, disk, tag))
  if (batch.length === 1) return freezings
  // A list that was cut between two lines looks whole, and a replica that no list explains may be anybody's:
  // whoever looks incomplete then is asked for alone, before it is said to be so.
  const settled: Freezing[] = []
  for (const [i, freezing] of freezings.entries()) {
    const alone = strangers || looksIncomplete(freezing)
    settled.push(...(alone ? await freezeBatch(client, [batch[i]!], disk, tag, signal) : [freezing]))
  }
  return settled
}

const looksIncomplete = (freezing: Freezing): boolean =>
  'problems' in freezing &&
  freezing.problems.some(
    ({ code }) => code === 'DATASET_EMPTY' || code === 'DATASET_DISAGREES' || code === 'REPLICA_MISSING',
  )

/** What Rucio lists of each dataset. `strangers`: there were replicas of files that none of several datasets has. */
export async function list(
  client: RucioClient,
  datasets: readonly Did[],
  disk: Disk,
  signal: AbortSignal,
): Promise<{ listings: readonly Listing[]; strangers: boolean }> {
  const files = Map.groupBy(await client.bulkFiles(datasets, signal), (file) => didKey(file.dataset))
  const replicas = await client.replicas(datasets, disk.diskRse, accessFor(disk.paths), signal)
  const custom = await client.bulkCustomMetadata(datasets, signal)
  const metadata = new Map(custom.map(({ did, values }) => [didKey(did), values]))
  const replicasOf = byFile(replicas)
  const listings = datasets.map((did): Listing => {
    const own = files.get(didKey(did)) ?? []
    const keys = new Set(own.map((file) => didKey(file.did)))
    const theirs = datasets.length === 1 ? replicas : [...keys].flatMap((key) => replicasOf.get(key) ?? [])
    return { files: own, replicas: theirs, metadata: metadata.get(didKey(did)) ?? {} }
  })
  const listed = new Set(listings.flatMap(({ files }) => files.map((file) => didKey(file.did))))
  return { listings, strangers: [...replicasOf.keys()].some((key) => !listed.has(key)) }
}

const byFile = (replicas: readonly ListedReplica[]): Map<string, ListedReplica[]> =>
  Map.groupBy(replicas, (replica) => didKey(replica.did))
