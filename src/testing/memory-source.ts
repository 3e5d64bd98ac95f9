import { createHash } from 'node:crypto'
import { adler32 } from '../io/adler32.ts'
import { compareDids, didKey, formatDid, type Did } from '../model/did.ts'
import type { Entry, Sighting } from '../model/target.ts'
import type { SourceFile } from '../pack/format.ts'
import type { Freezing, Frozen, Source, Standing } from '../source/source.ts'

/** A dataset of the memory source: what a scientist would do to it, a test does by changing its fields. */
export interface MemoryDataset {
  readonly did: Did
  open: boolean
  closedAt: Date
  /** `need`, `done`, anything else, or null. */
  tag: string | null
  /** Content by file name; all files are in the dataset's scope. */
  readonly files: Map<string, Uint8Array>
}

/**
 * A source that is a Map, for tests of steps: the rules of Source and nothing of Rucio. `touch(what)` is called before and after
 * each call that changes anything, and may throw: as a process that is killed there.
 */
export function memorySource(datasets: Map<string, MemoryDataset>, touch: (what: string) => void): Source {
  const of = (did: Did) => datasets.get(didKey(did))
  const sightingOf = (dataset: MemoryDataset): Sighting => ({
    did: dataset.did,
    waiting: dataset.open ? 'open' : null,
    closedAt: dataset.closedAt,
    length: dataset.files.size,
    bytes: sum(dataset),
  })
  const tell = (dids: readonly Did[], tag: 'need' | 'done') => {
    touch(`before telling ${tag}`)
    for (const did of dids) of(did)!.tag = tag
    touch(`after telling ${tag}`)
    return Promise.resolve(dids.map(() => ({ told: true }) as const))
  }

  return {
    poll: () => {
      const wanted = [...datasets.values()].filter((dataset) => dataset.tag === 'need')
      return Promise.resolve([{ scope: 'raw', sightings: wanted.map(sightingOf) }])
    },
    missing: (did) => {
      const tag = of(did)?.tag ?? null
      return Promise.resolve(tag === 'need' ? null : { why: `the tag is now ${tag}` })
    },
    freeze: (sightings) => Promise.resolve(sightings.map(({ did }) => freeze(of(did)!))),
    standing: (targets) => Promise.resolve(targets.map((target) => standingOf(target, of(target.did)))),
    tellDone: (dids) => tell(dids, 'done'),
    tellNeed: (dids) => tell(dids, 'need'),
  }
}

const sum = (dataset: MemoryDataset) =>
  [...dataset.files.values()].reduce((total, content) => total + content.length, 0)

function freeze(dataset: MemoryDataset): Freezing {
  const entries = entriesOf(dataset)
  if (entries.length === 0) {
    return {
      problems: [
        { code: 'DATASET_EMPTY', message: `Cannot archive ${formatDid(dataset.did)}: it is empty`, hint: 'Fill it.' },
      ],
    }
  }
  const { closedAt } = dataset
  return { content: { entries, bytes: sum(dataset), closedAt, fingerprint: fingerprintOf(dataset), metadata: {} } }
}

const entriesOf = ({ did, files }: MemoryDataset): readonly Entry[] =>
  [...files]
    .map(([name, content]) => ({
      did: { scope: did.scope, name },
      bytes: content.length,
      adler32: adler32(content).toString(16).padStart(8, '0'),
      md5: null,
      pfn: `memory:///${name}`,
      path: `/memory/${did.name}/${name}`,
    }))
    .sort((a, b) => compareDids(a.did, b.did))

const fingerprintOf = (dataset: MemoryDataset): string =>
  createHash('sha256')
    .update(JSON.stringify(entriesOf(dataset).map((entry) => [entry.did.name, entry.adler32])))
    .digest('hex')

function standingOf(target: Frozen, dataset: MemoryDataset | undefined): Standing {
  if (dataset?.tag !== 'need' && dataset?.tag !== 'done') return { standing: 'withdrawn', why: 'the tag is gone' }
  const same =
    !dataset.open &&
    (target.closedAt === null || dataset.closedAt.getTime() === target.closedAt.getTime()) &&
    fingerprintOf(dataset) === target.fingerprint
  if (!same) return { standing: 'changed', why: 'it changed', told: dataset.tag === 'done' }
  return { standing: dataset.tag === 'done' ? 'done' : 'requested' }
}

/** Opens the files of the datasets as a mover would. */
export const memoryFiles =
  (datasets: Map<string, MemoryDataset>) =>
  (path: string): SourceFile => {
    const [, , name, ...rest] = path.split('/')
    const dataset = [...datasets.values()].find((candidate) => candidate.did.name === name)
    const content = dataset?.files.get(rest.join('/')) ?? new Uint8Array()
    let at = 0
    return {
      bytes: content.length,
      read: (buffer) => {
        const part = content.subarray(at, at + buffer.length)
        buffer.set(part)
        at += part.length
        return part.length
      },
      close: () => undefined,
    }
  }
