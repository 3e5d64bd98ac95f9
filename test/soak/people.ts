import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Did } from '../../src/model/did.ts'
import { datasets, fileOf, type RucioRest } from '../../src/testing/rucio-rest.ts'
import type { RucioBed } from '../rucio/testbed.ts'
import type { Members, Sum } from './audit.ts'

/** A dataset as the people know it who made it. */
export interface Dataset {
  readonly did: Did
  /** What is attached now. */
  readonly files: Map<string, Sum>
  /** Every content that it had while it was closed, as `contentOf` writes it. */
  readonly contents: Set<string>
  open: boolean
  /** The tag was set to need, and nobody took it away since. */
  asked: boolean
  /** It changed while it was done, and nobody has asked anew: done is true of what it was. */
  outdated: boolean
  /** Grows with each thing that somebody does to it. */
  acts: number
  /** Somebody is doing something to it just now. */
  busy: boolean
}

/** The same for the same files, whatever their order. */
export const contentOf = (members: Members | ReadonlyMap<string, Sum>): string =>
  (members instanceof Map ? [...(members as ReadonlyMap<string, Sum>)] : Object.entries(members as Members))
    .map(([name, [bytes, adler32]]) => `${name} ${bytes} ${adler32}`)
    .sort()
    .join('\n')

/** How a dataset is made. */
export interface Making {
  readonly name: string
  /** Bytes of each of its files. */
  readonly sizes: readonly number[]
  readonly closed: boolean
  readonly asked: boolean
}

/**
 * People who speak to Rucio themselves, as root: they make datasets, ask for them, and change their minds. Each of their acts is
 * whole: whoever changes a dataset asks for it anew, and what was done to it meanwhile is remembered.
 */
export function people(bed: RucioBed, root: RucioRest) {
  const calls = datasets(root)
  const known: Dataset[] = []
  let files = 0

  async function act(dataset: Dataset, what: () => Promise<void>): Promise<void> {
    while (dataset.busy) await new Promise((resolve) => setTimeout(resolve, 5))
    dataset.busy = true
    try {
      await what()
    } finally {
      dataset.acts++
      dataset.busy = false
    }
  }

  /** Makes a new file on the disk, registers and attaches it. */
  async function add({ did, files: attached }: Dataset, sizes: readonly number[]): Promise<void> {
    const made = sizes.map((size) => {
      const name = `${did.name}/${String(files++).padStart(5, '0')}.fits`
      const bytes = createHash('shake256', { outputLength: size }).update(`${did.scope} ${name}`).digest()
      const path = join(bed.disk, did.scope, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, bytes)
      return fileOf({ scope: did.scope, name }, bytes)
    })
    await calls.addReplicas('DISK', made)
    await calls.attach(did, made)
    for (const file of made) attached.set(file.name, [file.bytes, file.adler32])
  }

  async function close(dataset: Dataset): Promise<void> {
    dataset.contents.add(contentOf(dataset.files))
    await calls.close(dataset.did)
    dataset.open = false
  }

  async function ask(dataset: Dataset): Promise<void> {
    dataset.asked = true
    await calls.tag(dataset.did, { arcBackup: 'TAPE:need' })
    dataset.outdated = false
  }

  const tagOf = async ({ did }: Dataset) => (await calls.meta(did))['arcBackup']

  return {
    datasets: known as readonly Dataset[],
    tagOf,
    async make(scope: string, { name, sizes, closed, asked }: Making): Promise<Dataset> {
      const dataset: Dataset = {
        did: { scope, name },
        files: new Map(),
        contents: new Set(),
        open: true,
        asked: false,
        outdated: false,
        acts: 0,
        busy: false,
      }
      await act(dataset, async () => {
        await calls.create(dataset.did)
        await add(dataset, sizes)
        if (closed) await close(dataset)
        if (asked) await ask(dataset)
        known.push(dataset)
      })
      return dataset
    },
    /** Closes it if it is open, and asks for it. */
    finish: (dataset: Dataset) =>
      act(dataset, async () => {
        if (dataset.open) await close(dataset)
        await ask(dataset)
      }),
    /** Reopens it and adds to it; whoever is not in a hurry closes it and asks for it anew. */
    change: (dataset: Dataset, sizes: readonly number[], hurry: boolean) =>
      act(dataset, async () => {
        if (!dataset.open) {
          dataset.outdated = (await tagOf(dataset)) === 'TAPE:done'
          await calls.open(dataset.did)
          dataset.open = true
        }
        await add(dataset, sizes)
        if (hurry) return
        await close(dataset)
        await ask(dataset)
      }),
    /** Takes a file out of it, open or not, and asks for it anew. */
    detach: (dataset: Dataset, which: number) =>
      act(dataset, async () => {
        const names = [...dataset.files.keys()]
        if (names.length < 2) return
        const name = names[which % names.length]!
        await calls.detach(dataset.did, [{ scope: dataset.did.scope, name }])
        dataset.files.delete(name)
        if (!dataset.open) dataset.contents.add(contentOf(dataset.files))
        await ask(dataset)
      }),
    /** Takes the wish back, whether it was fulfilled or not. */
    untag: (dataset: Dataset) =>
      act(dataset, async () => {
        dataset.asked = false
        await calls.tag(dataset.did, { arcBackup: 'cancelled' })
      }),
    /** Deletes what `remove` deletes, if it is done now, and asks for it anew. */
    forgetObjects: (dataset: Dataset, remove: () => void) =>
      act(dataset, async () => {
        if ((await tagOf(dataset)) !== 'TAPE:done') return
        remove()
        await ask(dataset)
      }),
  }
}

export type People = ReturnType<typeof people>
