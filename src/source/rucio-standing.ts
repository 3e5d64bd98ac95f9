import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import type { DidColumns, ListedFile } from '../rucio/answers.ts'
import type { RucioClient } from '../rucio/client.ts'
import { fingerprintOf } from './rucio-checksum.ts'
import { batchesByFiles } from './rucio-freeze.ts'
import type { Tag } from './rucio-tag.ts'
import type { Frozen, Standing } from './source.ts'

/** Answers Source.standing() in the order of the question. */
export async function standing(
  client: RucioClient,
  targets: readonly Frozen[],
  tag: Tag,
  told: boolean,
  signal: AbortSignal,
): Promise<readonly Standing[]> {
  const contents: Comparison[] = []
  for (const batch of batchesByFiles(targets)) {
    const dids = batch.map(({ did }) => did)
    const columns = new Map((await client.bulkColumns(dids, signal)).map((row) => [didKey(row.did), row]))
    const files = Map.groupBy(await client.bulkFiles(dids, signal), (file) => didKey(file.dataset))
    for (const target of batch) {
      const key = didKey(target.did)
      contents.push(await compared(client, target, columns.get(key), files.get(key) ?? [], signal))
    }
  }
  // The tag last, so that as little as can be happens between this look and the telling: lists of many files take their time.
  const requested = await requestedAmong(client, targets, tag, signal)
  const standings: Standing[] = []
  for (const [index, { did }] of targets.entries()) {
    const wish = requested.has(didKey(did)) ? 'need' : told ? 'done' : await wishOf(client, did, tag, signal)
    standings.push(standingOf(contents[index]!, wish))
  }
  return standings
}

/** What became of a target's content. `why` is a clause. */
type Comparison = 'unchanged' | 'gone' | { readonly why: string }

function standingOf(content: Comparison, wish: Wish): Standing {
  if (typeof wish !== 'string') return { standing: 'withdrawn', ...wish }
  if (content === 'gone') return { standing: 'withdrawn', why: forgotten }
  if (content === 'unchanged') return { standing: wish === 'need' ? 'requested' : 'done' }
  return { standing: 'changed', why: content.why, told: wish === 'done' }
}

const forgotten = 'Rucio no longer knows it'

/** Keys of the targets that Rucio lists as requested: one search a scope, however many targets it has. */
async function requestedAmong(
  client: RucioClient,
  targets: readonly Frozen[],
  tag: Tag,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  for (const scope of new Set(targets.map(({ did }) => did.scope))) {
    for (const name of await client.search(scope, tag.key, tag.need, signal)) keys.add(didKey({ scope, name }))
  }
  return keys
}

type Wish = 'need' | 'done' | { readonly why: string }

/** What is wished for one DID, by its own tag. Only the two exact values are a wish. */
export async function wishOf(client: RucioClient, did: Did, tag: Tag, signal: AbortSignal): Promise<Wish> {
  const metadata = await client.metadata(did, signal)
  if (metadata === null) return { why: forgotten }
  const value = metadata.values[tag.key]
  if (value === tag.need) return 'need'
  if (value === tag.done) return 'done'
  return { why: value === undefined ? 'the tag is gone' : `the tag is now ${JSON.stringify(value).slice(0, 80)}` }
}

async function compared(
  client: RucioClient,
  target: Frozen,
  columns: DidColumns | undefined,
  files: readonly ListedFile[],
  signal: AbortSignal,
): Promise<Comparison> {
  // What a list does not show is asked for once more, alone: one that was cut between two lines looks whole.
  const now = columns ?? (await client.metadata(target.did, signal))
  if (now === null) return 'gone'
  const why = differenceOf(target, now)
  if (why !== null) return { why }
  if (fingerprintOf(files) === target.fingerprint) return 'unchanged'
  const again = fingerprintOf(await client.bulkFiles([target.did], signal))
  return again === target.fingerprint ? 'unchanged' : { why: 'its files are not those that were archived' }
}

function differenceOf(target: Frozen, now: DidColumns): string | null {
  if (now.type !== 'DATASET') return `it is now a ${now.type.toLowerCase()}`
  if (now.open) return 'it was reopened'
  if (target.closedAt !== null && now.closedAt?.getTime() !== target.closedAt.getTime()) {
    return `it was closed again at ${now.closedAt?.toISOString() ?? 'an unknown time'}`
  }
  if (now.length !== target.length)
    return `it now has ${now.length ?? 'an unknown number of'} files, not ${target.length}`
  if (now.bytes !== target.bytes) return `it now has ${now.bytes ?? 'an unknown number of'} bytes, not ${target.bytes}`
  return null
}
