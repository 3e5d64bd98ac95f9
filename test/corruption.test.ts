import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { numbers } from '../src/testing/numbers.ts'
import {
  flipIn,
  flipsOf,
  names,
  openBench,
  structureAt,
  structuresOf,
  trap,
  type Bench,
  type Structure,
} from './damage.ts'

/** What is not what was written is found by the movers, and named, wherever in the object it is. */

describe('an object that is damaged at rest', () => {
  let bench: Bench
  let good: Buffer
  let structures: readonly Structure[]
  beforeEach(async () => {
    bench = await openBench()
    await bench.pack()
    good = readFileSync(bench.part)
    structures = structuresOf(bench.part)
  })
  afterEach(() => bench.close())

  /** Where the object is; a published one has been proven, as far as its movers know. */
  async function prepared(which: 'part' | 'published object'): Promise<string> {
    if (which === 'part') return bench.part
    expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
    return bench.published
  }
  /** Whether a published object still begins with its manifest, by which it is known as ours. */
  function isOurs(bytes: Buffer): boolean {
    const { to } = structures.find(({ what }) => what === 'data of member ".tape-rse/manifest.json"')!
    return good.subarray(0, Math.min(to, bytes.length)).equals(bytes.subarray(0, to))
  }

  /**
   * Has the object proven, and says what is wrong with what came of that; null: the damage was found, and named, and the object has
   * gone from where it would be trusted to where nobody takes it for one. One that is not known as ours any more is left alone.
   */
  async function found(path: string, what: string): Promise<string | null> {
    const damaged = readFileSync(path)
    const foreign = path === bench.published && !isOurs(damaged)
    let proved
    try {
      proved = await bench.prove()
    } catch (error) {
      const refused = foreign && (error as { code: unknown }).code === 'OBJECT_FOREIGN'
      const untouched = bench.left().join() === basename(path) && readFileSync(path).equals(damaged)
      return refused && untouched ? null : String(error)
    }
    if (foreign || proved.outcome !== 'mismatch' || !names(proved.difference, what) || proved.setAside !== bench.aside)
      return JSON.stringify(proved)
    if (bench.left().join() !== basename(bench.aside)) return bench.left().join()
    if (!readFileSync(bench.aside).equals(damaged)) return 'what was set aside is not what was damaged'
    renameSync(bench.aside, path)
    return null
  }

  test.each([
    ['part', 1],
    ['published object', 2],
  ] as const)(
    'by one bit: each of 500 flips in a %s is found, and its member or structure named',
    async (which, seed) => {
      const path = await prepared(which)
      const flips = flipsOf(structures, 500, seed)
      expect(new Set(flips.map(({ what }) => what))).toEqual(new Set(structures.map(({ what }) => what)))
      const missed: unknown[] = []
      for (const flip of flips) {
        flipIn(path, flip)
        const wrong = await found(path, flip.what)
        if (wrong !== null) missed.push({ ...flip, wrong })
        flipIn(path, flip)
      }
      expect(missed).toEqual([])
      expect(readFileSync(path).equals(good)).toBe(true)
      expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
    },
    180_000,
  )

  /** Every place where a structure begins, and some anywhere. */
  function places(seed: number): readonly number[] {
    const next = numbers(seed)
    return [
      ...structures.map(({ from }) => from),
      ...Array.from({ length: 60 }, () => Math.floor(next() * good.length)),
    ]
  }

  test.each([
    ['part', 3],
    ['published object', 4],
  ] as const)(
    'by its length: a %s that is cut anywhere, or goes on, is found, and where it ends is named',
    async (which, seed) => {
      const path = await prepared(which)
      const cuts = places(seed).map(
        (at) => [good.subarray(0, at), `it ends in the ${structureAt(structures, at).what}`] as const,
      )
      const longer = [Buffer.alloc(1), good, good.subarray(-22)].map(
        (more) => [Buffer.concat([good, more]), 'it goes on after its end record'] as const,
      )
      const missed: unknown[] = []
      for (const [bytes, where] of [...cuts, ...longer]) {
        writeFileSync(path, bytes)
        const wrong = await found(path, `its size is ${bytes.length}, planned are ${good.length}: ${where}`)
        if (wrong !== null) missed.push({ bytes: bytes.length, where, wrong })
      }
      expect(missed).toEqual([])
    },
    180_000,
  )

  test('by its length: a search from its end finds the whole zip in it, and it is found nevertheless', async () => {
    const { to } = structures.find(({ what }) => what === `data of member "${trap}"`)!
    writeFileSync(bench.part, good.subarray(0, to))
    const listed = execFileSync('python3', ['-m', 'zipfile', '-l', bench.part], { encoding: 'utf8' })
    expect(listed).toContain('one/of/the/inner')
    expect(listed).not.toContain('MC_O_1.fits')
    expect(await bench.prove()).toMatchObject({
      outcome: 'mismatch',
      difference: expect.stringContaining('it ends in the directory entry of member ".tape-rse/manifest.json"'),
      setAside: bench.aside,
    })
    expect(bench.left()).toEqual([basename(bench.aside)])
  })

  test.each([
    ['part', 5],
    ['published object', 6],
  ] as const)(
    'by a tail of zeros, which a crash leaves: what is lost first of a %s is named',
    async (which, seed) => {
      const path = await prepared(which)
      const missed: unknown[] = []
      for (const at of places(seed)) {
        const bytes = Buffer.from(good).fill(0, at)
        const first = bytes.findIndex((byte, index) => index >= at && byte !== good[index])
        if (first < 0) continue // it ends in zeros
        writeFileSync(path, bytes)
        const wrong = await found(path, structureAt(structures, first).what)
        if (wrong !== null) missed.push({ at, wrong })
      }
      expect(missed).toEqual([])
    },
    180_000,
  )

  test('after it was published is not taken for the whole one when it is found there: it is set aside, and packed again', async () => {
    await prepared('published object')
    const flips = flipsOf(structures, 60, 7)
    let set = 0
    for (const flip of flips) {
      flipIn(bench.published, flip)
      const damaged = readFileSync(bench.published)
      if (!isOurs(damaged)) {
        await expect(bench.pack()).rejects.toMatchObject({ code: 'OBJECT_FOREIGN' })
        expect(readFileSync(bench.published).equals(damaged)).toBe(true)
        flipIn(bench.published, flip)
        continue
      }
      set++
      expect(await bench.pack()).toMatchObject({ found: false })
      expect(bench.left()).toEqual([basename(bench.aside), basename(bench.part)])
      expect(readFileSync(bench.aside).equals(damaged)).toBe(true)
      expect(await bench.prove()).toMatchObject({ outcome: 'proven' })
      expect(bench.left()).toEqual([basename(bench.published)])
      expect(readFileSync(bench.published).equals(good)).toBe(true)
    }
    expect(set).toBeGreaterThan(40)
  }, 180_000)
})
