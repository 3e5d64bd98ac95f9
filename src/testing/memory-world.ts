import { createLogger, transports, format as logFormat, type Logger } from 'winston'
import { Writable } from 'node:stream'
import type { Catalog } from '../catalog/catalog.ts'
import { openCatalog } from '../catalog/sqlite.ts'
import { didKey } from '../model/did.ts'
import type { Movers, OrderKind } from '../model/order.ts'
import { execute } from '../mover/execute.ts'
import { zipFormat } from '../pack/zip.ts'
import type { Pipeline } from '../pipeline/pipeline.ts'
import { memoryFiles, memorySource, type MemoryDataset } from './memory-source.ts'
import { noTape } from '../model/residency.ts'
import { memoryReading, memoryStore, memoryVault, type MemoryStore } from './memory-vault.ts'

/** What happens to a process that is killed: it does nothing any more. */
export class Killed extends Error {}

export interface MemoryWorld {
  readonly datasets: Map<string, MemoryDataset>
  readonly store: MemoryStore
  readonly catalog: Catalog
  /** Everything that was logged, a line each: `level message`. */
  readonly log: readonly string[]
  /** Now, for everyone in this world. */
  time: Date
  /** Milliseconds that the world has lived, for everyone in it. Default: `time` alone tells. */
  clock: () => number
  /** An agent's pipeline, as after a start; it is killed at the `killAt`-th touch of the world (never, without). */
  start(killAt?: number): Promise<Pipeline>
  /** Whether the agent that was started last was killed. */
  killed(): boolean
  /** Called before each touch, so that a test can change the world at that moment. */
  onTouch: (what: string) => unknown
}

const format = zipFormat()

/** A source, a vault and movers in memory, around a real catalog. Everything that an agent does to the world is a touch of it. */
export async function memoryWorld(names: readonly string[], filesEach = 2): Promise<MemoryWorld> {
  const datasets = new Map<string, MemoryDataset>()
  for (const name of names) {
    const files = Array.from(
      { length: filesEach },
      (_, i) => [`${name}/${i}.fits`, Buffer.from(`content of file ${i} of ${name}`)] as const,
    )
    const dataset = {
      did: { scope: 'raw', name },
      open: false,
      closedAt: new Date(0),
      tag: 'need',
      files: new Map(files),
    }
    datasets.set(didKey(dataset.did), dataset)
  }
  const store = memoryStore()
  const catalog = await openCatalog({
    file: ':memory:',
    newId: () => 'catalog-id',
    now: () => new Date(Date.UTC(2026, 0, 1)),
    onNetworkFilesystem: false,
  })
  const log: string[] = []
  let touches = 0
  let killAt = Infinity
  let dead = false

  function touch(what: string): void {
    if (dead) throw new Killed(what)
    world.onTouch(what)
    if (++touches < killAt) return
    dead = true
    throw new Killed(what)
  }

  const world: MemoryWorld = {
    datasets,
    store,
    catalog,
    log,
    time: new Date(Date.UTC(2026, 0, 1)),
    clock: () => world.time.getTime(),
    onTouch: () => undefined,
    killed: () => dead,
    async start(at = Infinity) {
      touches = 0
      killAt = at
      dead = false
      await catalog.voidClaims()
      return {
        name: 'p',
        source: memorySource(datasets, touch),
        sourceRoot: '/memory',
        rse: 'DISK',
        sizes: format,
        limits: { targetSize: 1e6, maxSize: 1e6 },
        vault: { root: '/vault', mount: null, publish: 'rename', minFree: 0, owner: catalog.id },
        tape: noTape,
        onTape: 'when-known',
        movers: inlineMovers(datasets, store, touch, (order) => world.onTouch(`before ${order}`)),
        catalog: touching(catalog, touch),
        now: () => world.time,
        clock: () => world.clock(),
        random: () => 0,
        log: recordingLogger(log),
      }
    },
  }
  return world
}

/** Carries orders out at once, in this process, as two movers take turns at them. */
function inlineMovers(
  datasets: Map<string, MemoryDataset>,
  store: MemoryStore,
  touch: (what: string) => void,
  begins: (order: OrderKind) => void,
): Movers {
  return {
    async run(order, { not }) {
      await Promise.resolve()
      begins(order.kind)
      const answer = execute(
        order,
        {
          format,
          vault: ({ owner }) => memoryVault(store, owner, touch),
          readingVault: () => memoryReading(store),
          zipsAt: () => null,
          openSource: () => memoryFiles(datasets),
          inspectSources: () => [],
        },
        () => undefined,
      )
      return { answer: answer as never, mover: not === 1 ? 2 : 1 }
    },
  }
}

/** Each method of the catalog, with a touch before and after: one that changes something may be cut off on either side. */
function touching(catalog: Catalog, touch: (what: string) => void): Catalog {
  return new Proxy(catalog, {
    get(target, name: keyof Catalog) {
      const method = target[name] as unknown
      if (typeof method !== 'function') return method
      return async (...args: unknown[]): Promise<unknown> => {
        touch(`before ${name}`)
        const result: unknown = await (method as (...all: unknown[]) => Promise<unknown>)(...args)
        touch(`after ${name}`)
        return result
      }
    },
  })
}

function recordingLogger(lines: string[]): Logger {
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      lines.push(chunk.toString().trimEnd())
      done()
    },
  })
  return createLogger({
    format: logFormat.printf(({ level, message }) => `${level} ${String(message)}`),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types call the instance a class
    transports: [new transports.Stream({ stream })],
  })
}
