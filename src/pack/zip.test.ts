import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { Buffer } from 'node:buffer'
import { adler32, hex32 } from '../io/adler32.ts'
import type { ObjectPlan } from '../model/order.ts'
import type { SourceFile } from './format.ts'
import { smallBytes } from './zip-layout.ts'
import { zipFormat } from './zip.ts'

const format = zipFormat()
const idle = () => undefined

interface File {
  readonly name: string
  readonly content: Buffer
}

/** Reproducible content that looks like nothing. */
const content = (label: string, bytes: number): Buffer =>
  createHash('shake256', { outputLength: Math.max(1, bytes) })
    .update(label)
    .digest()
    .subarray(0, bytes)

function planOf(files: readonly File[], manifest = '{"files":[]}\n', sums: 'adler32' | 'md5' = 'adler32'): ObjectPlan {
  const members = files.map((file) => ({
    name: file.name,
    path: `/data/${file.name}`,
    bytes: file.content.length,
    adler32: sums === 'adler32' ? hex32(adler32(file.content)) : null,
    md5: sums === 'md5' ? createHash('md5').update(file.content).digest('hex') : null,
  }))
  const manifestBytes = Buffer.byteLength(manifest)
  const bytes =
    format.overhead(manifestBytes, members) + manifestBytes + members.reduce((sum, member) => sum + member.bytes, 0)
  return { manifest, time: Date.UTC(2026, 0, 2, 3, 4, 6) / 1000, members, bytes }
}

const opener =
  (files: readonly File[], chunk = Infinity) =>
  (path: string): SourceFile => {
    const file = files.find(({ name }) => `/data/${name}` === path)!
    let at = 0
    return {
      bytes: file.content.length,
      read(buffer) {
        const got = file.content.copy(buffer, 0, at, Math.min(file.content.length, at + Math.min(chunk, buffer.length)))
        at += got
        return got
      },
      close: idle,
    }
  }

function pack(plan: ObjectPlan, open: (path: string) => SourceFile): { zip: Buffer; adler32: string; bytes: number } {
  const blocks: Buffer[] = []
  const packed = format.pack(plan, open, { write: (bytes) => blocks.push(Buffer.from(bytes)) }, idle)
  return { zip: Buffer.concat(blocks), ...packed }
}

function prove(plan: ObjectPlan, zip: Buffer, whole: string | null = null) {
  let at = 0
  const input = {
    bytes: zip.length,
    read(buffer: Uint8Array) {
      const got = zip.copy(buffer, 0, at)
      at += got
      return got
    },
  }
  return format.prove(plan, input, whole, idle)
}

const anyFiles = fc
  .uniqueArray(fc.record({ name: fc.stringMatching(/^[a-zé\u{1F52D}/]{1,30}$/u), bytes: fc.nat(3000) }), {
    selector: (file) => file.name,
    maxLength: 12,
  })
  .map((files) => files.map(({ name, bytes }) => ({ name, content: content(name, bytes) })))

describe('zipFormat()', () => {
  test('makes an object of exactly the planned size, which it proves', () => {
    fc.assert(
      fc.property(anyFiles, fc.json(), fc.constantFrom('adler32' as const, 'md5' as const), (files, manifest, sums) => {
        const plan = planOf(files, manifest, sums)
        const { zip, bytes, adler32: whole } = pack(plan, opener(files))
        expect([zip.length, bytes]).toEqual([plan.bytes, plan.bytes])
        expect(whole).toBe(hex32(adler32(zip)))
        expect(prove(plan, zip, whole)).toEqual({ adler32: whole })
        expect(zip.subarray(0, format.head(plan).length).equals(format.head(plan))).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('makes the same bytes of the same plan, however its sources are read', () => {
    const files = [
      { name: 'large', content: content('large', 2 * smallBytes + 12_345) },
      { name: 'just small', content: content('just small', smallBytes) },
      { name: 'just large', content: content('just large', smallBytes + 1) },
      { name: 'empty', content: Buffer.alloc(0) },
    ]
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    expect(pack(plan, opener(files, 70_001)).zip.equals(zip)).toBe(true)
    expect(prove(plan, zip)).not.toHaveProperty('difference')
    const offsets = format.offsets(Buffer.byteLength(plan.manifest), plan.members)
    for (const [index, offset] of offsets.entries()) {
      const { name } = files[index]!
      expect(zip.toString('utf8', offset + 30, offset + 30 + name.length)).toBe(name)
    }
  })

  test('packs members wherever the blocks of its output end', () => {
    const files = Array.from({ length: 30_000 }, (_, index) => ({
      name: String(index),
      content: Buffer.from(`${index}`.repeat(index % 7)),
    }))
    const contents = new Map(files.map((file) => [`/data/${file.name}`, file]))
    const plan = planOf(files)
    const { zip, adler32: whole } = pack(plan, (path) => opener([contents.get(path)!])(path))
    expect(zip.length).toBeGreaterThan(2 * smallBytes)
    expect(prove(plan, zip, whole)).toEqual({ adler32: whole })
  })

  test('finds and names whatever differs: one bit of any byte', () => {
    const files = [
      { name: 'a', content: content('a', 700) },
      { name: 'b/c', content: content('b', smallBytes + 500) },
      { name: 'd', content: Buffer.alloc(0) },
    ]
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    fc.assert(
      fc.property(fc.nat(zip.length - 1), fc.nat(7), fc.boolean(), (byte, bit, nearEnd) => {
        const at = nearEnd ? zip.length - 1 - (byte % 400) : byte
        const bad = Buffer.from(zip)
        bad[at]! ^= 1 << bit
        expect(prove(plan, bad)).toEqual({ difference: expect.stringMatching(/member "|manifest|end record/u) })
      }),
      { numRuns: 300 },
    )
    expect(prove(plan, zip, '00000001')).toEqual({ difference: expect.stringContaining('adler32') })
  })

  test('names the structure that differs', () => {
    const files = [
      { name: 'a', content: content('a', 200) },
      { name: 'b', content: content('b', 200) },
    ]
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    const [a, b] = format.offsets(Buffer.byteLength(plan.manifest), plan.members)
    const directory = zip.indexOf('PK\u0001\u0002')
    for (const [at, what] of [
      [7, 'local header of member ".tape-rse/manifest.json"'],
      [a! - 1, 'data of member ".tape-rse/manifest.json"'],
      [a! + 50, 'data of member "a"'],
      [b! + 12, 'local header of member "b"'],
      [directory + 20, 'directory entry of member ".tape-rse/manifest.json"'],
      [zip.length - 23, 'directory entry of member "b"'],
      [zip.length - 1, 'end record'],
    ] as const) {
      const bad = Buffer.from(zip)
      bad[at]! ^= 1
      expect(prove(plan, bad)).toEqual({ difference: expect.stringContaining(what) })
    }
  })

  test('names the record behind a ZIP64 directory that differs', () => {
    const files = Array.from({ length: 0xffff }, (_, index) => ({ name: String(index), content: Buffer.alloc(0) }))
    const contents = new Map(files.map((file) => [`/data/${file.name}`, file]))
    const plan = planOf(files)
    const { zip } = pack(plan, (path) => opener([contents.get(path)!])(path))
    for (const [fromEnd, what] of [
      [22 + 20 + 56, 'ZIP64 end record'],
      [22 + 20 + 1, 'ZIP64 end record'],
      [22 + 20, 'ZIP64 end record locator'],
      [22 + 1, 'ZIP64 end record locator'],
      [22, 'end record'],
      [1, 'end record'],
    ] as const) {
      const bad = Buffer.from(zip)
      bad[zip.length - fromEnd]! ^= 1
      expect(prove(plan, bad)).toEqual({ difference: what })
    }
  })

  test('names the header and not the data where both differ, as in a tail of zeros', () => {
    const files = [
      { name: 'a', content: content('a', 200) },
      { name: 'b', content: content('b', smallBytes + 200) },
    ]
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    const offsets = format.offsets(Buffer.byteLength(plan.manifest), plan.members)
    for (const [index, offset] of offsets.entries()) {
      const bad = Buffer.from(zip).fill(0, offset)
      expect(prove(plan, bad)).toEqual({ difference: `local header of member "${files[index]!.name}"` })
    }
  })

  test('says of an object that was cut where it ends, and of one that is too long that it goes on', () => {
    const files = [
      { name: 'a', content: content('a', 200) },
      { name: 'b', content: content('b', smallBytes + 200) },
    ]
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    const [a, b] = format.offsets(Buffer.byteLength(plan.manifest), plan.members)
    const manifestEntry = zip.indexOf('PK\u0001\u0002', b! + 30 + smallBytes, 'latin1')
    for (const [bytes, where] of [
      [0, 'local header of member ".tape-rse/manifest.json"'],
      [a! - 1, 'data of member ".tape-rse/manifest.json"'],
      [a!, 'local header of member "a"'],
      [b! - 1, 'data of member "a"'],
      [b! + 1000, 'data of member "b"'],
      [manifestEntry - 1, 'data descriptor of member "b"'],
      [manifestEntry, 'directory entry of member ".tape-rse/manifest.json"'],
      [zip.length - 23, 'directory entry of member "b"'],
      [zip.length - 1, 'end record'],
    ] as const) {
      const difference = `its size is ${bytes}, planned are ${zip.length}: it ends in the ${where}`
      expect(prove(plan, zip.subarray(0, bytes))).toEqual({ difference })
    }
    for (const more of [Buffer.alloc(1), zip, zip.subarray(-22)])
      expect(prove(plan, Buffer.concat([zip, more]))).toEqual({
        difference: `its size is ${zip.length + more.length}, planned are ${zip.length}: it goes on after its end record`,
      })
  })

  describe('unpack()', () => {
    /** Reads files out of a zip; which reads that took, and what came of each file. */
    function unpack(plan: ObjectPlan, zip: Buffer, wanted: readonly string[]) {
      const offsets = format.offsets(Buffer.byteLength(plan.manifest), plan.members)
      const files = plan.members
        .map((member, index) => ({ ...member, offset: offsets[index]! }))
        .filter(({ name }) => wanted.includes(name))
      const reads: number[] = []
      const input = {
        bytes: zip.length,
        readAt: (buffer: Uint8Array, at: number) => {
          const got = zip.copy(buffer, 0, at, at + buffer.length)
          reads.push(got)
          return got
        },
      }
      const got: Record<string, Buffer | string> = {}
      const receiverOf = ({ name }: { name: string }) => {
        const parts: Buffer[] = []
        return {
          replay: () => 0,
          restart: idle,
          write: (part: Buffer) => void parts.push(Buffer.from(part)),
          end: (difference: string | null) => void (got[name] = difference ?? Buffer.concat(parts)),
          fail: (error: unknown) => {
            throw error
          },
        }
      }
      format.unpack(files, plan.time, input, receiverOf, idle)
      return { reads, got }
    }
    const files = Array.from({ length: 1000 }, (_, index) => ({
      name: `d/${index}`,
      content: content(`${index}`, index === 500 ? smallBytes + 77 : index),
    }))
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    const expected = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, files.find((file) => file.name === name)!.content]))

    test('takes one read for one file of many, and one for neighbours', () => {
      const { reads, got } = unpack(plan, zip, ['d/700'])
      expect(got).toEqual(expected(['d/700']))
      expect(reads).toHaveLength(1)
      expect(unpack(plan, zip, ['d/10', 'd/11', 'd/12']).reads).toHaveLength(1)
      expect(unpack(plan, zip, ['d/10', 'd/20']).reads).toHaveLength(2)
    })

    test('gives any files, whichever; what is wrong with one is no other one’s fault', () => {
      const indexes = fc.uniqueArray(fc.nat({ max: 999 }), { minLength: 1, maxLength: 40 })
      fc.assert(
        fc.property(indexes, fc.nat({ max: zip.length - 1 }), fc.integer({ min: 1, max: 255 }), (chosen, at, mask) => {
          const names = chosen.map((index) => `d/${index}`)
          const bad = Buffer.from(zip)
          bad[at]! ^= mask
          const { got } = unpack(plan, bad, names)
          const wrong = names.filter((name) => typeof got[name] === 'string')
          expect(wrong.length).toBeLessThanOrEqual(1)
          const right = names.filter((name) => !wrong.includes(name))
          for (const name of right) expect(expected([name])[name]!.equals(got[name] as Buffer)).toBe(true)
        }),
        { numRuns: 60 },
      )
    })
  })

  test('finds an object whose reads end early', () => {
    const files = [{ name: 'a', content: content('a', 5000) }]
    const plan = planOf(files)
    const { zip } = pack(plan, opener(files))
    let left = 3000
    const input = {
      bytes: zip.length,
      read: (buffer: Uint8Array) => {
        const got = zip.copy(buffer, 0, 0, left)
        left = 0
        return got
      },
    }
    expect(format.prove(plan, input, null, idle)).toEqual({
      difference: expect.stringContaining('ends in the data of member "a"'),
    })
  })

  test.each([
    ['short', 'SOURCE_SIZE', (file: Buffer) => file.subarray(1)],
    ['long', 'SOURCE_SIZE', (file: Buffer) => Buffer.concat([file, file])],
    ['other', 'SOURCE_CHECKSUM', (file: Buffer) => Buffer.from(file).fill(0, 100, 101).fill(1, 101, 102)],
  ])('refuses a source that is %s than Rucio says, small or large', (_, code, spoil) => {
    for (const bytes of [2000, smallBytes + 2000]) {
      const good = [{ name: 'x', content: content('x', bytes) }]
      const bad = [{ name: 'x', content: spoil(good[0]!.content) }]
      for (const sums of ['adler32', 'md5'] as const) {
        expect(() => pack(planOf(good, '{}', sums), opener(bad))).toThrow(
          expect.objectContaining({ code, message: expect.stringContaining('/data/x') }),
        )
      }
    }
  })

  test('closes each source once, also after an error, and passes on what closing finds', () => {
    const files = [{ name: 'x', content: content('x', 10) }]
    let closed = 0
    const open = (fail: boolean) => (path: string) => ({
      bytes: 10,
      read: (buffer: Uint8Array) => {
        if (fail) throw new Error('EIO')
        return opener(files)(path).read(buffer.subarray(0, 10))
      },
      close: () => {
        closed++
        throw new Error('it changed')
      },
    })
    expect(() => pack(planOf(files), open(true))).toThrow('EIO')
    expect(closed).toBe(1)
  })

  test('beats at every block, and ends when the beat throws', () => {
    const files = [{ name: 'x', content: content('x', 5 * smallBytes) }]
    const plan = planOf(files)
    let moved = 0
    format.pack(plan, opener(files), { write: idle }, (bytes) => (moved += bytes))
    expect(moved).toBe(plan.bytes)
    const stop = () => {
      throw new Error('not wanted any more')
    }
    expect(() => format.pack(plan, opener(files), { write: idle }, stop)).toThrow('not wanted')
  })

  test('keeps a large manifest whole, and a name of any length', () => {
    const files = [{ name: 'n'.repeat(60_000), content: content('n', 10) }]
    const plan = planOf(files, 'm'.repeat(3 * smallBytes))
    const { zip, adler32: whole } = pack(plan, opener(files))
    expect(zip.length).toBe(plan.bytes)
    expect(prove(plan, zip, whole)).toEqual({ adler32: whole })
  })
})
