import { describe, expect, test } from '@jest/globals'
import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { deflateRawSync } from 'node:zlib'
import { TapeRseError } from '../model/errors.ts'
import { buildZip, type BuiltMember } from '../testing/zip-builder.ts'
import type { RangeInput, ZipMember } from './format.ts'
import { zipFormat } from './zip.ts'

const format = zipFormat()
const idle = () => undefined

const inputOf = (zip: Buffer): RangeInput => ({
  bytes: zip.length,
  readAt: (buffer, at) => zip.copy(buffer, 0, at, at + buffer.length),
})

interface Unpacked {
  readonly name: string
  readonly content: string
  readonly difference: string | null
}

/** All of a zip; contents as hex digits. */
async function unpack(zip: Buffer): Promise<readonly Unpacked[]> {
  const input = inputOf(zip)
  const members = format.directory(input, 'it', idle)
  const unpacked: Unpacked[] = []
  const receiverOf = ({ name, bytes }: ZipMember) => {
    const parts: Buffer[] = []
    let got = 0
    return {
      replay: () => 0,
      restart: () => undefined,
      write: (part: Buffer) => {
        got += part.length
        if (got > bytes) throw new Error('it was given more than the directory says')
        parts.push(Buffer.from(part))
      },
      end: (difference: string | null) =>
        void unpacked.push({ name, content: Buffer.concat(parts).toString('hex'), difference }),
      fail: (error: unknown) => {
        throw error
      },
    }
  }
  await format.extract(members, 'it', input, receiverOf, idle)
  return unpacked
}

const name = fc
  .array(fc.stringMatching(/^[a-zäß一 .-]{1,9}$/u), { minLength: 1, maxLength: 3 })
  .map((components) => components.map((component) => `n${component}`).join('/'))
const member: fc.Arbitrary<BuiltMember> = fc.record({
  name,
  content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  deflate: fc.boolean(),
  described: fc.boolean(),
  zip64: fc.boolean(),
  mode: fc.constantFrom(0, 0o100600),
})
/** No name is the directory of another. */
const members = fc.uniqueArray(member, {
  maxLength: 6,
  comparator: (a: string, b: string) => a === b || `${b}/`.startsWith(`${a}/`) || `${a}/`.startsWith(`${b}/`),
  selector: (each) => each.name as string,
})
const end = fc.record({ comment: fc.constantFrom(Buffer.alloc(0), Buffer.from('made by a test')) })

describe('any zip', () => {
  test('gives its files back, however its members are written', async () => {
    await fc.assert(
      fc.asyncProperty(members, end, async (files, ending) => {
        expect(await unpack(buildZip(files, ending))).toEqual(
          files.map((file) => ({
            name: file.name,
            content: (file.content as Buffer).toString('hex'),
            difference: null,
          })),
        )
      }),
      { numRuns: 300 },
    )
  })

  test('that is changed anywhere is refused, or gives the same content, or says of which it does not', async () => {
    const change = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      cut: fc.nat({ max: 40 }),
      put: fc.uint8Array({ maxLength: 8 }),
    })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(
        members,
        end,
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async (files, ending, changes) => {
          const zip = changes.reduce(
            (before, { at, cut, put }) => {
              const from = Math.floor(at * before.length)
              return Buffer.concat([before.subarray(0, from), put, before.subarray(from + cut)])
            },
            buildZip(files, ending),
          )
          let unpacked: readonly Unpacked[]
          try {
            unpacked = await unpack(zip)
          } catch (error) {
            expect(error).toBeInstanceOf(TapeRseError)
            expect((error as TapeRseError).code).toMatch(/^ZIP_/u)
            refused++
            return
          }
          const contents = new Set(files.map((file) => (file.content as Buffer).toString('hex')))
          for (const { difference, content } of unpacked)
            expect(difference !== null || contents.has(content)).toBe(true)
        },
      ),
      { numRuns: 2000 },
    )
    expect(refused).toBeGreaterThan(100)
  })

  test('random bytes are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => format.directory(inputOf(Buffer.from(bytes)), 'it', idle)).toThrow(TapeRseError)
      }),
    )
  })

  test('is read by three reads of its directory, whatever its size', () => {
    const zip = buildZip(Array.from({ length: 2000 }, (_, index) => ({ name: `f${index}`, content: 'x'.repeat(500) })))
    const reads: number[] = []
    const input: RangeInput = {
      ...inputOf(zip),
      readAt: (buffer, at) => {
        const got = zip.copy(buffer, 0, at, at + buffer.length)
        reads.push(got)
        return got
      },
    }
    expect(format.directory(input, 'it', idle)).toHaveLength(2000)
    expect(reads.length).toBeLessThanOrEqual(3)
  })

  test.each([[10], [3_000_000]])(
    'with %i bytes behind what is deflated says so, and gives what follows',
    async (behind) => {
      const packed = Buffer.concat([deflateRawSync('content'), Buffer.alloc(behind)])
      const zip = buildZip([
        { name: 'a', content: 'content', deflate: true, packed },
        { name: 'b', content: 'b' },
      ])
      expect(await unpack(zip)).toMatchObject([
        { name: 'a', difference: expect.stringContaining('ends before its packed bytes') as never },
        { name: 'b', difference: null },
      ])
    },
  )

  test('that would fill a disk from little is refused', () => {
    const packed = Buffer.alloc(2 * 1024 * 1024)
    const claim = { bytes: 1500 * 1024 * 1024 }
    const zip = buildZip([{ name: 'zeros', content: '', deflate: true, packed, local: claim, central: claim }])
    expect(() => format.directory(inputOf(zip), 'it', idle)).toThrow(expect.objectContaining({ code: 'ZIP_BOMB' }))
  })
})
