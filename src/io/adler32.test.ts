import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import wabt from 'wabt'
import { adler32Module } from './adler32-module.ts'
import { adler32, adler32Combine, allocateBlock, blockBytes, hex32 } from './adler32.ts'

/** zlib writes the Adler-32 of what it compressed behind it (RFC 1950). */
const byZlib = (bytes: Uint8Array) =>
  deflateSync(bytes, { level: 0 }).readUInt32BE(deflateSync(bytes, { level: 0 }).length - 4)

const anyBytes = fc.uint8Array({ maxLength: 40_000 })

describe('adler32()', () => {
  test('is what zlib computes, in one run or in several', () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(), (bytes, at) => {
        const cut = bytes.length === 0 ? 0 : at % bytes.length
        expect(adler32(bytes)).toBe(byZlib(bytes))
        expect(adler32(bytes.subarray(cut), adler32(bytes.subarray(0, cut)))).toBe(byZlib(bytes))
      }),
    )
  })

  test('does not overflow where every byte is 255, however the sums begin', () => {
    for (const length of [31, 32, 5535, 5536, 5537, 11_072, blockBytes + 17]) {
      const bytes = new Uint8Array(length).fill(255)
      expect(adler32(bytes)).toBe(byZlib(bytes))
      const all = new Uint8Array(length + 300_000).fill(255)
      expect(adler32(bytes, adler32(all.subarray(0, 300_000)))).toBe(byZlib(all))
    }
  })

  test('hashes a block in place, and leaves it as it is', () => {
    const block = allocateBlock(10_000)
    block.fill(7)
    expect(adler32(block.subarray(3, 9000))).toBe(byZlib(block.subarray(3, 9000)))
    expect(adler32(new Uint8Array(50_000).fill(9))).not.toBe(0)
    expect(block.every((byte) => byte === 7)).toBe(true)
  })
})

test('allocateBlock() gives blocks that begin at a page, until there is no more room', () => {
  expect(allocateBlock(5000).byteOffset % 4096).toBe(0)
  expect(allocateBlock(1).byteOffset % 4096).toBe(0)
  expect(() => allocateBlock(1e9)).toThrow(RangeError)
})

test('adler32Combine() is the sum of both runs', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (first, second) => {
      expect(adler32Combine(adler32(first), adler32(second), second.length)).toBe(
        byZlib(Buffer.concat([first, second])),
      )
    }),
  )
})

test('hex32() writes eight digits', () => {
  expect(hex32(0x0cc737eb)).toBe('0cc737eb')
})

test('the embedded module is adler32.wat', async () => {
  const source = readFileSync(new URL('./adler32.wat', import.meta.url), 'utf8')
  const compiled = (await wabt()).parseWat('adler32.wat', source, { simd: true }).toBinary({}).buffer
  expect(Buffer.from(compiled).toString('base64')).toBe(adler32Module)
})
