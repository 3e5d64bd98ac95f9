import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { relative } from 'node:path'
import { flipsOf, names, openBench, structuresOf, type Bench, type Flip, type Structure } from './damage.ts'
import { mountHpssfs, whyNoHpssfs, type Hpssfs } from './hpssfs/mount.ts'
import { describeUnless } from './skip.ts'

/** The same on a mount that changes bytes behind the back of the kernel: what the page cache holds proves nothing. */

const reason = await whyNoHpssfs()

describeUnless(reason, 'objects that a mount damages')('an object that a mount damages', () => {
  let mount: Hpssfs
  let bench: Bench
  let structures: readonly Structure[]
  beforeEach(async () => {
    mount = await mountHpssfs()
    bench = await openBench(mount.root)
    await bench.pack()
    structures = structuresOf(bench.part)
  })
  afterEach(async () => {
    await bench.close()
    await mount.clearFaults()
    await mount.unmount()
  })

  /** Has the part proven, with this flip somewhere on its way. null: it was found, named, and set aside. */
  async function found(flip: Flip): Promise<string | null> {
    const proved = await bench.prove()
    const good = proved.outcome === 'mismatch' && names(proved.difference, flip.what)
    if (!good || proved.setAside !== bench.aside || !existsSync(bench.aside)) return JSON.stringify(proved)
    return existsSync(bench.part) || existsSync(bench.published) ? 'it is still where it would be trusted' : null
  }

  /** A round for each flip; says which were not found. */
  async function missed(flips: readonly Flip[], round: (flip: Flip) => Promise<string | null>) {
    const all: unknown[] = []
    for (const flip of flips) {
      const wrong = await round(flip)
      if (wrong !== null) all.push({ ...flip, wrong })
    }
    return all
  }
  const path = () => relative(mount.root, bench.part)

  test('at rest, behind the page cache: each of 200 flips is found, and named', async () => {
    const atRest = ({ offset, bit }: Flip) => mount.ctl('corrupt', { path: path(), offset, bit })
    const round = async (flip: Flip) => {
      readFileSync(bench.part) // the cache has it as it was
      await atRest(flip)
      const wrong = await found(flip)
      if (wrong === null) renameSync(bench.aside, bench.part)
      await atRest(flip)
      return wrong
    }
    expect(await missed(flipsOf(structures, 200, 11), round)).toEqual([])
    expect(await bench.prove()).toMatchObject({ outcome: 'proven', direct: true })
  }, 180_000)

  test('on its way to the store: each of 200 flips is found, and named', async () => {
    const round = async ({ what, ...flip }: Flip) => {
      await mount.setFaults({ op: 'write', path: path(), flip })
      await bench.pack()
      expect(await mount.hits()).toEqual([1])
      await mount.clearFaults()
      const wrong = await found({ what, ...flip })
      expect(await bench.clean()).toBe(1)
      return wrong
    }
    await bench.clean()
    expect(await missed(flipsOf(structures, 200, 12), round)).toEqual([])
    await bench.pack()
    expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
  }, 180_000)

  test('on its way back: each of 200 flips is found, and named', async () => {
    const round = async ({ what, ...flip }: Flip) => {
      await mount.setFaults({ op: 'read', path: path(), flip })
      const wrong = await found({ what, ...flip })
      expect((await mount.hits())[0]).toBeGreaterThan(0)
      await mount.clearFaults()
      if (wrong === null) renameSync(bench.aside, bench.part)
      return wrong
    }
    expect(await missed(flipsOf(structures, 200, 13), round)).toEqual([])
    expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
  }, 180_000)

  test('on its way back, after it was published: each of 200 flips is found, and named', async () => {
    expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
    const head = structures.find(({ what }) => what === 'data of member ".tape-rse/manifest.json"')!
    const round = async ({ what, ...flip }: Flip) => {
      await mount.setFaults({ op: 'read', path: relative(mount.root, bench.published), flip })
      if (flip.offset < head.to) {
        await expect(bench.prove()).rejects.toMatchObject({ code: 'OBJECT_FOREIGN' })
        return existsSync(bench.published) ? null : 'it was moved, though it does not look like ours'
      }
      const wrong = await found({ what, ...flip })
      if (wrong === null) renameSync(bench.aside, bench.published)
      return wrong
    }
    expect(await missed(flipsOf(structures, 200, 14), round)).toEqual([])
    await mount.clearFaults()
    expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
  }, 180_000)
})
