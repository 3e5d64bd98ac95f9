import { describe, expect, test } from '@jest/globals'
import { runOnce, serve, type Timetable } from './agent.ts'
import { mutex } from './io/mutex.ts'
import { didKey } from './model/did.ts'
import { failure, interrupted } from './model/errors.ts'
import type { Order } from './model/order.ts'
import type { Pipeline } from './pipeline/pipeline.ts'
import { Killed, memoryWorld, type MemoryWorld } from './testing/memory-world.ts'

const never = new AbortController().signal
const shift = { movers: 2, stop: never, signal: never }
const run = async (world: MemoryWorld, killAt = Infinity): Promise<void> => {
  const pipeline = await world.start(killAt)
  try {
    await runOnce([pipeline], shift)
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
  world.time = new Date(world.time.getTime() + 1000)
}
const dataset = (world: MemoryWorld, name: string) => world.datasets.get(didKey({ scope: 'raw', name }))!
const rowsOf = async (world: MemoryWorld, name: string) =>
  (await world.catalog.find({ scope: 'raw', name })).map(({ row }) => row)
const published = (world: MemoryWorld) => [...world.store.files.keys()].sort()
const objectOf = (name: string, generation = 1) => `raw/${name}/${name}.g${generation}.1-1.zip`

/** Everything that an archive promises, as seen from outside the agent. */
async function expectArchived(world: MemoryWorld, names: readonly string[]): Promise<void> {
  expect(published(world)).toEqual(names.map((name) => objectOf(name)).sort())
  for (const name of names) {
    expect(dataset(world, name).tag).toBe('done')
    const object = world.store.files.get(objectOf(name))!
    for (const content of dataset(world, name).files.values()) expect(object.includes(Buffer.from(content))).toBe(true)
    expect(await rowsOf(world, name)).toMatchObject([{ state: 'acknowledged', generation: 1, failures: 0 }])
  }
}

describe('runOnce()', () => {
  test('archives what is tagged and closed, and leaves alone what is not', async () => {
    const world = await memoryWorld(['a', 'b', 'open', 'other'])
    dataset(world, 'open').open = true
    dataset(world, 'other').tag = null
    await run(world)
    expect([dataset(world, 'open').tag, dataset(world, 'other').tag]).toEqual(['need', null])
    expect(await rowsOf(world, 'open')).toMatchObject([{ state: 'requested', waiting: 'open' }])
    expect(await rowsOf(world, 'other')).toEqual([])
    world.datasets.delete(didKey(dataset(world, 'open').did))
    await expectArchived(world, ['a', 'b'])
  })

  test('does nothing a second time', async () => {
    const world = await memoryWorld(['a'])
    await run(world)
    const before = world.store.files.get(objectOf('a'))
    const touched: string[] = []
    world.onTouch = (what) => touched.push(what)
    await run(world)
    expect(world.store.files.get(objectOf('a'))).toBe(before)
    expect(touched.filter((what) => /telling|create|rename|written/u.test(what))).toEqual([])
  })

  test('loses nothing and repeats harmlessly, wherever it is killed', async () => {
    const names = ['a', 'b']
    let killAt = 1
    for (; ; killAt++) {
      const world = await memoryWorld(names)
      await run(world, killAt)
      const killed = world.killed()
      for (const name of names) {
        // Law 1, at the moment of the kill: done is true.
        if (dataset(world, name).tag === 'done') expect(published(world)).toContain(objectOf(name))
      }
      await run(world)
      await expectArchived(world, names)
      await world.catalog.close()
      if (!killed) break
    }
    expect(killAt).toBeGreaterThan(60)
  })

  test('loses nothing when it is killed again and again', async () => {
    for (const step of [7, 13, 29]) {
      const world = await memoryWorld(['a', 'b', 'c'])
      for (let kill = 0; kill < 40; kill++) await run(world, step + kill)
      await run(world)
      await expectArchived(world, ['a', 'b', 'c'])
    }
  })

  test('publishes an object once: one that a crash left uncommitted is proven again, not packed again', async () => {
    const world = await memoryWorld(['a'])
    let armed = true
    world.onTouch = (what) => {
      if (armed && what === 'before confirmed') {
        armed = false
        throw new Killed(what)
      }
    }
    await run(world)
    const object = world.store.files.get(objectOf('a'))!
    await run(world)
    expect(world.store.files.get(objectOf('a'))).toBe(object)
    await expectArchived(world, ['a'])
  })

  test('packs an object again that does not match, once, and keeps the bad one until then', async () => {
    const world = await memoryWorld(['a'])
    let flips = 1
    const kept: boolean[] = []
    world.onTouch = (what) => {
      const part = [...world.store.files.keys()].find((key) => key.endsWith('.part'))
      if (what === 'after written' && flips-- > 0) world.store.files.get(part!)![100]! ^= 1
      if (what.startsWith('create') && what.includes('.2.part'))
        kept.push([...world.store.files.keys()].some((key) => key.includes('mismatch')))
    }
    await run(world)
    expect(kept).toEqual([true])
    await expectArchived(world, ['a'])
    expect(world.log.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringMatching(/Cannot confirm .*(member|manifest).*packed again/u),
    ])
  })

  test('holds a dataset whose object does not match a second time, until a person says retry', async () => {
    const world = await memoryWorld(['a'])
    let bad = true
    world.onTouch = (what) => {
      const part = [...world.store.files.keys()].find((key) => key.endsWith('.part'))
      if (bad && what === 'after written') world.store.files.get(part!)![100]! ^= 1
    }
    await run(world)
    await run(world)
    expect(await rowsOf(world, 'a')).toMatchObject([
      { state: 'frozen', held: true, notBefore: null, problems: [{ code: 'OBJECT_MISMATCH' }] },
    ])
    expect(dataset(world, 'a').tag).toBe('need')
    expect(published(world)).toEqual(['raw/a/.a.g1.1-1.zip.1.mismatch', 'raw/a/.a.g1.1-1.zip.2.mismatch'])
    bad = false
    await world.catalog.retry((await rowsOf(world, 'a')).map(({ id }) => id))
    await run(world)
    await expectArchived(world, ['a'])
  })

  test.each(['after written', 'after confirmed', 'before telling done'])(
    'never says done of a dataset that was reopened (%s)',
    async (moment) => {
      const world = await memoryWorld(['a'])
      world.onTouch = (what) => {
        if (what === moment) dataset(world, 'a').open = true
      }
      await run(world)
      world.onTouch = () => undefined
      await run(world)
      expect(dataset(world, 'a').tag).toBe('need')
      expect(await rowsOf(world, 'a')).toMatchObject([
        { generation: 2, waiting: 'open' },
        { generation: 1, state: 'superseded' },
      ])
      dataset(world, 'a').open = false
      dataset(world, 'a').closedAt = new Date(1000)
      dataset(world, 'a').files.set('a/new', Buffer.from('a new file'))
      await run(world)
      expect(dataset(world, 'a').tag).toBe('done')
      expect(world.store.files.get(objectOf('a', 2))!.includes('a new file')).toBe(true)
      expect(published(world).filter((path) => path.includes('.part'))).toEqual([])
    },
  )

  test('takes done back from a dataset that changed while it was told', async () => {
    const world = await memoryWorld(['a'])
    world.onTouch = (what) => {
      if (what === 'after telling done') dataset(world, 'a').files.delete('a/0.fits')
    }
    await run(world)
    expect(world.log).toContainEqual(expect.stringMatching(/^error raw:a said done, but it changed/u))
    // The same run archives what it is now.
    expect(dataset(world, 'a').tag).toBe('done')
    expect(await rowsOf(world, 'a')).toMatchObject([
      { generation: 2, state: 'acknowledged', length: 1 },
      { state: 'superseded' },
    ])
  })

  test('leaves a dataset alone whose tag was withdrawn, and goes on where it stopped when it is back', async () => {
    const world = await memoryWorld(['a'])
    world.onTouch = (what) => {
      if (what === 'after confirmed') dataset(world, 'a').tag = 'cancelled'
    }
    await run(world)
    expect(dataset(world, 'a').tag).toBe('cancelled')
    expect(await rowsOf(world, 'a')).toMatchObject([{ state: 'withdrawn', endedWhy: expect.stringContaining('tag') }])
    const object = world.store.files.get(objectOf('a'))!
    world.onTouch = () => undefined
    dataset(world, 'a').tag = 'need'
    await run(world)
    expect(world.store.files.get(objectOf('a'))).toBe(object)
    await expectArchived(world, ['a'])
  })

  test('writes the tag again that another client’s write undid', async () => {
    const world = await memoryWorld(['a'])
    let undo = 2
    world.onTouch = (what) => {
      if (what === 'after telling done' && undo-- > 0) dataset(world, 'a').tag = 'need'
    }
    await run(world)
    await expectArchived(world, ['a'])
  })

  test('never says done again of what somebody deleted as soon as it said so, to have it archived anew', async () => {
    const world = await memoryWorld(['a'])
    let told = 0
    world.onTouch = (what) => {
      if (what !== 'after telling done' || ++told > 1) return
      world.store.files.delete(objectOf('a'))
      dataset(world, 'a').tag = 'need'
    }
    await run(world)
    await expectArchived(world, ['a'])
  })

  test('asks again after it has looked at the objects once more: what changes meanwhile is not done', async () => {
    const world = await memoryWorld(['a'])
    const closedWhenTold: number[] = []
    let looks = 0
    world.onTouch = (what) => {
      if (what === 'after telling done') {
        closedWhenTold.push(dataset(world, 'a').closedAt.getTime())
        if (closedWhenTold.length === 1) dataset(world, 'a').tag = 'need'
      }
      if (what === 'before stat' && ++looks === 2) dataset(world, 'a').closedAt = new Date(7000)
    }
    const before = dataset(world, 'a').closedAt.getTime()
    await run(world)
    expect(closedWhenTold[0]).toBe(before)
    expect(closedWhenTold.filter((at) => at === 7000)).toHaveLength(1) // of the generation that was archived anew
    expect((await rowsOf(world, 'a')).map(({ state }) => state)).toEqual(['acknowledged', 'superseded'])
  })

  test('gives up for a while on a tag that is undone each time', async () => {
    const world = await memoryWorld(['a'])
    world.onTouch = (what) => {
      if (what === 'after telling done') dataset(world, 'a').tag = 'need'
    }
    await run(world)
    expect(await rowsOf(world, 'a')).toMatchObject([
      { state: 'frozen', held: false, failures: 1, problems: [{ code: 'ACKNOWLEDGE_LOST' }] },
    ])
  })

  describe('when an archived dataset is tagged need again', () => {
    const again = async (change: (world: MemoryWorld) => void) => {
      const world = await memoryWorld(['a'])
      await run(world)
      dataset(world, 'a').tag = 'need'
      change(world)
      await run(world)
      return world
    }

    test('and nothing changed: it says done again, without packing', async () => {
      const created: string[] = []
      const world = await again((w) => (w.onTouch = (what) => what.startsWith('create') && created.push(what)))
      expect(created).toEqual([])
      await expectArchived(world, ['a'])
    })

    test('and its object was deleted: it is archived anew, as the next generation', async () => {
      const world = await again((w) => w.store.files.clear())
      expect(dataset(world, 'a').tag).toBe('done')
      expect(published(world)).toEqual([objectOf('a', 2)])
      expect(await rowsOf(world, 'a')).toMatchObject([
        { generation: 2, state: 'acknowledged' },
        { generation: 1, state: 'acknowledged' },
      ])
    })

    test('and its object was cut short: it is archived anew, and the bad one stays', async () => {
      const world = await again((w) => w.store.files.set(objectOf('a'), w.store.files.get(objectOf('a'))!.subarray(1)))
      expect(published(world)).toEqual([objectOf('a'), objectOf('a', 2)])
    })

    test('and it changed: it is held while its old object is there, and archived when that is deleted', async () => {
      const change = (w: MemoryWorld) => {
        dataset(w, 'a').files.set('a/new', Buffer.from('new'))
        dataset(w, 'a').closedAt = new Date(5000)
      }
      const world = await again(change)
      expect(dataset(world, 'a').tag).toBe('need')
      expect(published(world)).toEqual([objectOf('a')])
      expect(await rowsOf(world, 'a')).toMatchObject([
        { state: 'requested', held: true, problems: [{ code: 'REOPENED' }] },
        { state: 'acknowledged' },
      ])
      world.store.files.clear()
      await run(world)
      expect(dataset(world, 'a').tag).toBe('done')
      expect(published(world)).toEqual([objectOf('a', 2)])
    })
  })

  test('holds what changed and was tagged again, though a generation in between was superseded', async () => {
    const world = await memoryWorld(['a'])
    await run(world)
    // Somebody deletes the copy and asks again; while that is archived, somebody else changes the dataset, and the copy is back.
    const copy = world.store.files.get(objectOf('a'))!
    dataset(world, 'a').tag = 'need'
    world.store.files.clear()
    let armed = true
    world.onTouch = (what) => {
      if (armed && what === 'after written') {
        armed = false
        world.store.files.set(objectOf('a'), copy)
        dataset(world, 'a').files.set('a/new', Buffer.from('new'))
        dataset(world, 'a').closedAt = new Date(9000)
      }
    }
    await run(world)
    expect(await rowsOf(world, 'a')).toMatchObject([
      { generation: 3, held: true, problems: [{ code: 'REOPENED' }] },
      { generation: 2, state: 'superseded' },
      { generation: 1, state: 'acknowledged' },
    ])
  })

  test('archives again what was confirmed and is gone before it was told', async () => {
    const world = await memoryWorld(['a'])
    let armed = true
    world.onTouch = (what) => {
      if (armed && what === 'after confirmed') {
        armed = false
        world.store.files.clear()
      }
    }
    await run(world)
    await expectArchived(world, ['a'])
  })

  test('never touches a foreign object at an object’s place', async () => {
    const world = await memoryWorld(['a', 'b'])
    world.store.files.set(objectOf('a'), Buffer.from('somebody else’s'))
    await run(world)
    expect(world.store.files.get(objectOf('a'))!.toString()).toBe('somebody else’s')
    expect(dataset(world, 'a').tag).toBe('need')
    expect(dataset(world, 'b').tag).toBe('done')
    expect(await rowsOf(world, 'a')).toMatchObject([{ held: true, problems: [{ code: 'OBJECT_FOREIGN' }] }])
  })

  test('holds an empty dataset, without harm to others', async () => {
    const world = await memoryWorld(['a', 'b'])
    dataset(world, 'a').files.clear()
    await run(world)
    expect(await rowsOf(world, 'a')).toMatchObject([{ held: true, problems: [{ code: 'DATASET_EMPTY' }] }])
    expect(dataset(world, 'b').tag).toBe('done')
  })

  test.each(['freeze', 'standing', 'missing'] as const)(
    'is not stopped by one dataset about which the source refuses to answer (%s)',
    async (call) => {
      const world = await memoryWorld(['a', 'b', 'c', 'd', 'gone'])
      const pipeline = await world.start()
      const { source } = pipeline
      const refuse = (dids: readonly { name: string }[], name: string) => {
        if (dids.some((did) => did.name === name))
          throw failure('RUCIO_REFUSED', 'Cannot read it: InvalidObject', 'See the log.')
      }
      const stubborn = {
        ...source,
        freeze: (sightings: Parameters<typeof source.freeze>[0]) => {
          if (call === 'freeze')
            refuse(
              sightings.map(({ did }) => did),
              'c',
            )
          return source.freeze(sightings, never)
        },
        standing: (targets: Parameters<typeof source.standing>[0], told: boolean) => {
          if (call === 'standing')
            refuse(
              targets.map(({ did }) => did),
              'c',
            )
          return source.standing(targets, told, never)
        },
        missing: (did: { scope: string; name: string }) =>
          call === 'missing'
            ? Promise.reject(failure('RUCIO_FAILED', 'Cannot read it', 'Wait.'))
            : source.missing(did, never),
      }
      dataset(world, 'gone').open = true
      await runOnce([{ ...pipeline, source: stubborn }], shift)
      dataset(world, 'gone').tag = null
      await runOnce([{ ...pipeline, source: stubborn }], shift)
      const done = ['a', 'b', 'c', 'd'].filter((name) => dataset(world, name).tag === 'done')
      expect(done).toEqual(call === 'missing' ? ['a', 'b', 'c', 'd'] : ['a', 'b', 'd'])
      expect((await world.catalog.summary(world.time)).pipelines[0]!.pause).toBeNull()
      if (call !== 'missing')
        expect(await rowsOf(world, 'c')).toMatchObject([{ held: true, problems: [{ code: 'RUCIO_REFUSED' }] }])
    },
  )

  test('pauses a pipeline whose vault belongs to another catalog, and writes nothing', async () => {
    const world = await memoryWorld(['a'])
    world.store.owner = 'another-catalog'
    await run(world)
    expect(published(world)).toEqual([])
    expect((await world.catalog.summary(world.time)).pipelines).toMatchObject([
      { pause: { problem: { code: 'VAULT_FOREIGN' } } },
    ])
    world.store.owner = null
    await run(world)
    await expectArchived(world, ['a'])
  })

  test('stops all pipelines at once when one of them meets a bug, and says which', async () => {
    const [one, other] = [await memoryWorld(['a']), await memoryWorld(['b'])]
    const [broken, slow] = [await one.start(), await other.start()]
    const bug = new TypeError('x is not a function')
    const interruptible = {
      ...slow,
      source: {
        ...slow.source,
        poll: (signal: AbortSignal) =>
          new Promise<never>((_, reject) =>
            signal.addEventListener('abort', () => reject(interrupted()), { once: true }),
          ),
      },
    }
    const failing = { ...broken, source: { ...broken.source, poll: () => Promise.reject(bug) } }
    await expect(runOnce([interruptible, failing], shift)).rejects.toBe(bug)
  })

  test('removes the parts of a dataset that was withdrawn while it was written', async () => {
    const world = await memoryWorld(['a'])
    let armed = true
    world.onTouch = (what) => {
      if (armed && what === 'after written') {
        armed = false
        throw new Killed(what)
      }
    }
    await run(world)
    expect(published(world)).toEqual([expect.stringContaining('.part')])
    dataset(world, 'a').tag = null
    await run(world)
    expect(published(world)).toEqual([])
    expect(await rowsOf(world, 'a')).toMatchObject([{ state: 'withdrawn' }])
  })

  test('does not look through all that waits, for what is to be told, each time that it has planned one', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `d${index}`)
    const world = await memoryWorld(names)
    const touched: string[] = []
    world.onTouch = (what) => touched.push(what)
    await run(world)
    await expectArchived(world, names)
    expect(touched.filter((what) => what === 'before assign')).toHaveLength(60)
    expect(touched.filter((what) => what === 'before ready').length).toBeLessThan(10)
  })

  test('splits a large dataset, and finishes it when all of its objects are confirmed', async () => {
    const world = await memoryWorld(['a'], 40)
    const pipeline = { ...(await world.start()), limits: { targetSize: 4000, maxSize: 5000 } }
    await runOnce([pipeline], shift)
    const objects = published(world)
    expect(objects.length).toBeGreaterThan(2)
    expect(objects.every((path) => world.store.files.get(path)!.length <= 5000)).toBe(true)
    expect(dataset(world, 'a').tag).toBe('done')
  })
})

describe('serve()', () => {
  const locationOf = (order: Order): string => ('location' in order ? order.location : '')
  /** An agent that serves while the world's time runs a thousand times as fast as ours; ends when `until` is true. */
  async function serveUntil(
    world: MemoryWorld,
    until: () => boolean | Promise<boolean>,
    change: (pipeline: Pipeline) => Pipeline = (pipeline) => pipeline,
    everyMs = 60_000,
  ): Promise<void> {
    const stop = new AbortController()
    const pipeline = change(await world.start())
    let next = 0
    const timetable: Timetable = {
      due: () => world.clock() >= next,
      began: () => (next = world.clock() + everyMs),
    }
    const clock = setInterval(() => (world.time = new Date(world.time.getTime() + 2000)), 2)
    const serving = serve([{ pipeline, timetable, alone: mutex() }], {
      movers: 2,
      stop: stop.signal,
      signal: never,
      napMs: 5,
    })
    try {
      const served = Symbol('served')
      while (!(await until())) {
        const first = await Promise.race([serving.then(() => served), new Promise((resolve) => setTimeout(resolve, 5))])
        if (first === served) throw new Error('it ended by itself')
      }
    } finally {
      clearInterval(clock)
      stop.abort()
      await serving
    }
  }
  const isDone = (world: MemoryWorld, ...names: string[]) => names.every((name) => dataset(world, name).tag === 'done')
  const untilCommitted = (world: MemoryWorld, name: string, state: string) => async () =>
    (await rowsOf(world, name))[0]?.state === state

  test('takes what is tagged while it runs, at the next poll', async () => {
    const world = await memoryWorld(['a', 'b'])
    dataset(world, 'b').tag = null
    await serveUntil(world, () => {
      if (isDone(world, 'a') && dataset(world, 'b').tag === null) dataset(world, 'b').tag = 'need'
      return isDone(world, 'a', 'b')
    })
    expect(await rowsOf(world, 'b')).toMatchObject([{ generation: 1 }])
  })

  test('pauses while its vault is at fault, says so once, probes, and goes on by itself', async () => {
    const world = await memoryWorld(['a'])
    world.store.owner = 'another-catalog'
    let checks = 0
    let paused: unknown = null
    const counting = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      movers: {
        run: async (order, ...rest) => {
          if (order.kind === 'check' && ++checks === 4) {
            paused = (await world.catalog.summary(world.time)).pipelines[0]!.pause?.problem.code
            world.store.owner = null
          }
          return pipeline.movers.run(order, ...rest)
        },
      },
    })
    await serveUntil(world, untilCommitted(world, 'a', 'acknowledged'), counting)
    expect(checks).toBe(4)
    expect(paused).toBe('VAULT_FOREIGN')
    expect(world.log.filter((line) => line.includes('paused'))).toHaveLength(1)
    expect(world.log.filter((line) => line.includes('goes on'))).toHaveLength(1)
    expect((await world.catalog.summary(world.time)).pipelines[0]!.pause).toBeNull()
  })

  test('stays paused for want of room until an object could be written', async () => {
    const world = await memoryWorld(['a'])
    let full = 3
    const pauses: unknown[] = []
    const filling = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      movers: {
        run: async (order, ...rest) => {
          pauses.push((await world.catalog.summary(world.time)).pipelines[0]?.pause?.problem.code)
          if (order.kind === 'pack' && full-- > 0)
            throw failure('VAULT_FULL', 'Cannot write: no space left', 'Make room.')
          return pipeline.movers.run(order, ...rest)
        },
      },
    })
    await serveUntil(world, untilCommitted(world, 'a', 'acknowledged'), filling)
    expect(world.log.filter((line) => line.includes('paused'))).toHaveLength(1)
    expect(pauses.filter((code) => code === 'VAULT_FULL').length).toBeGreaterThan(3)
  })

  test('is not kept by a dataset that fails from the others, and tries it again when its time has come', async () => {
    const world = await memoryWorld(['a', 'b'])
    let refusals = 2
    const failing = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      movers: {
        run: (order, ...rest) => {
          if (order.kind === 'pack' && locationOf(order).includes('/a/') && refusals-- > 0)
            throw failure('SOURCE_MISSING', 'Cannot read a/0.fits: it is gone', 'Put it back.')
          return pipeline.movers.run(order, ...rest)
        },
      },
    })
    await serveUntil(world, untilCommitted(world, 'a', 'acknowledged'), failing, 10 * 3_600_000)
    expect(world.log.filter((line) => line.includes('held'))).toHaveLength(2)
    await expectArchived(world, ['a', 'b'])
  })

  test('begins nothing while it is drained, and goes on at resume', async () => {
    const world = await memoryWorld(['a'])
    await world.catalog.drain(null, world.time)
    const began = world.time.getTime()
    await serveUntil(world, async () => {
      if (world.time.getTime() - began > 100_000) await world.catalog.resume()
      else expect(await rowsOf(world, 'a')).toEqual([])
      return untilCommitted(world, 'a', 'acknowledged')()
    })
  })

  test('does nothing for what a person holds, and goes on at release', async () => {
    const world = await memoryWorld(['a', 'b'])
    await world.catalog.hold([{ scope: 'raw', name: 'a' }], null, world.time)
    await serveUntil(world, untilCommitted(world, 'b', 'acknowledged'))
    expect(await rowsOf(world, 'a')).toMatchObject([{ state: 'requested' }])
    await world.catalog.unhold([{ scope: 'raw', name: 'a' }])
    await serveUntil(world, untilCommitted(world, 'a', 'acknowledged'))
  })

  test('finishes what is in flight when it is stopped, and begins nothing more', async () => {
    const world = await memoryWorld(['a', 'b', 'c'])
    const stop = new AbortController()
    const pipeline = await world.start()
    const started: string[] = []
    const slow: Pipeline = {
      ...pipeline,
      movers: {
        run: async (order, ...rest) => {
          if (order.kind === 'pack') {
            started.push(locationOf(order))
            await new Promise((resolve) => setTimeout(resolve, 30))
            stop.abort()
          }
          return pipeline.movers.run(order, ...rest)
        },
      },
    }
    const timetable = { due: () => false, began: () => undefined }
    await serve([{ pipeline: slow, timetable, alone: mutex() }], {
      movers: 2,
      stop: stop.signal,
      signal: never,
      napMs: 5,
    })
    const states = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => (await world.catalog.find({ scope: 'raw', name }))[0]!.bundles[0]?.state),
    )
    expect(started).toHaveLength(2)
    expect(states.filter((state) => state === 'written')).toHaveLength(2)
  })

  test('leaves a site alone for longer and longer that answers a poll and nothing else', async () => {
    const world = await memoryWorld(['a'])
    const began = world.time.getTime()
    const failing = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      source: {
        ...pipeline.source,
        freeze: () => Promise.reject(failure('RUCIO_UNREACHABLE', 'Cannot list', 'Wait.')),
      },
    })
    await serveUntil(world, () => world.time.getTime() - began > 3_600_000, failing)
    const pauses = world.log.filter((line) => line.includes('paused')).length
    expect(pauses).toBeGreaterThan(5)
    expect(pauses).toBeLessThan(40)
  })

  test('packs an object again that something removes each time, and not for ever at once', async () => {
    const world = await memoryWorld(['a', 'b'])
    world.onTouch = (what) => {
      if (what !== 'after written') return
      for (const path of world.store.files.keys()) if (path.startsWith('raw/a/')) world.store.files.delete(path)
    }
    await serveUntil(world, untilCommitted(world, 'b', 'acknowledged'))
    await serveUntil(world, async () => (await rowsOf(world, 'a'))[0]!.failures > 0)
    expect(await rowsOf(world, 'a')).toMatchObject([{ held: false, problems: [{ code: 'VAULT_IO' }] }])
  })

  test('freezes the others when the old objects of one cannot be looked at', async () => {
    const world = await memoryWorld(['a', 'b', 'c'])
    await run(world)
    for (const name of ['a', 'b', 'c']) dataset(world, name).tag = 'need'
    const failing = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      movers: {
        run: (order, ...rest) => {
          if (order.kind === 'stat' && JSON.stringify(order).includes('/b/'))
            throw failure('VAULT_IO', 'Cannot stat raw/b: EIO', 'Wait.')
          return pipeline.movers.run(order, ...rest)
        },
      },
    })
    await serveUntil(world, () => isDone(world, 'a', 'c'), failing)
    expect(await rowsOf(world, 'b')).toMatchObject([{ state: 'requested', problems: [{ code: 'VAULT_IO' }] }, {}])
    expect(world.log.filter((line) => line.includes('paused'))).toEqual([])
  })

  test.each([86_400_000, -86_400_000])(
    'polls, probes and tells as ever when the time of day is set by %i ms',
    async (jump) => {
      const world = await memoryWorld(['a', 'b'])
      const began = performance.now()
      world.clock = () => 1000 * (performance.now() - began)
      dataset(world, 'b').tag = null
      world.store.owner = 'another-catalog'
      let checks = 0
      const jumpy = (pipeline: Pipeline): Pipeline => ({
        ...pipeline,
        movers: {
          run: (order, ...rest) => {
            if (order.kind === 'check' && ++checks % 2 === 1) world.time = new Date(world.time.getTime() + jump)
            if (order.kind === 'check' && checks === 4) world.store.owner = null
            return pipeline.movers.run(order, ...rest)
          },
        },
      })
      await serveUntil(world, untilCommitted(world, 'a', 'acknowledged'), jumpy)
      const [polled, lived] = [checks, world.clock()]
      dataset(world, 'b').tag = 'need'
      await serveUntil(world, untilCommitted(world, 'b', 'acknowledged'), jumpy)
      expect(polled).toBeLessThanOrEqual(6 + lived / 60_000)
      await expectArchived(world, ['a', 'b'])
    },
  )

  test('tries at once what failed by a clock that was set back since, and then waits again', async () => {
    const world = await memoryWorld(['a', 'b'])
    const tries: Date[] = []
    const failing = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      movers: {
        run: (order, ...rest) => {
          if (order.kind === 'pack' && locationOf(order).includes('/a/')) {
            tries.push(world.time)
            throw failure('SOURCE_MISSING', 'Cannot read a/0.fits: it is gone', 'Put it back.')
          }
          return pipeline.movers.run(order, ...rest)
        },
      },
    })
    await serveUntil(world, () => tries.length === 1, failing)
    world.time = new Date(world.time.getTime() - 86_400_000)
    const back = world.time.getTime()
    await serveUntil(world, () => world.time.getTime() > back + 100_000, failing)
    expect(tries.length).toBe(2)
    expect(await rowsOf(world, 'a')).toMatchObject([{ failures: 2 }])
  })

  test('ends with what is a bug, at once', async () => {
    const world = await memoryWorld(['a'])
    const bug = new TypeError('x is not a function')
    const failing = (pipeline: Pipeline): Pipeline => ({
      ...pipeline,
      source: { ...pipeline.source, freeze: () => Promise.reject(bug) },
    })
    await expect(serveUntil(world, () => false, failing)).rejects.toBe(bug)
  })
})
