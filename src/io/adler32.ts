import { adler32Module } from './adler32-module.ts'

/** Bytes of the longest run that is hashed at once, and of a block. */
export const blockBytes = 1024 * 1024

const modulus = 65_521

/** As much of WebAssembly as is used here: Node's types leave it to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  adler32(sum: number, at: number, length: number): number
}

const compiled = new WebAssembly.Module(Buffer.from(adler32Module, 'base64'))
const { memory, adler32: run } = new WebAssembly.Instance(compiled).exports as Exports
const whole = new Uint8Array(memory.buffer)

/** The first block is for bytes that lie elsewhere; it is never given away. */
let nextBlock = blockBytes

/**
 * A buffer that adler32() hashes in place, without a copy. It begins at a page, so that direct reads take it.
 * @throws RangeError when the few megabytes that there are for this are given away: allocate at start, not per file
 */
export function allocateBlock(bytes: number): Buffer {
  const size = Math.ceil(bytes / 4096) * 4096
  if (nextBlock + size > whole.length)
    throw new RangeError(`Cannot allocate ${bytes} bytes for blocks: ${whole.length - nextBlock} are left`)
  const block = Buffer.from(memory.buffer, nextBlock, bytes)
  nextBlock += size
  return block
}

/**
 * Adler-32 as RFC 1950 (section 8.2) has it, continued from `sum`; 1 is that of no bytes.
 * @returns an unsigned 32-bit number
 */
export function adler32(bytes: Uint8Array, sum = 1): number {
  if (bytes.buffer === memory.buffer) return run(sum, bytes.byteOffset, bytes.length) >>> 0
  let result = sum
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const part = bytes.subarray(from, from + blockBytes)
    whole.set(part)
    result = run(result, 0, part.length) >>> 0
  }
  return result
}

/** The Adler-32 of two runs of bytes, one after the other, from that of each and the length of the second. */
export function adler32Combine(first: number, second: number, secondBytes: number): number {
  const rest = secondBytes % modulus
  const a = ((first & 0xffff) + (second & 0xffff) + modulus - 1) % modulus
  const b = ((first >>> 16) + (second >>> 16) + rest * (first & 0xffff) + modulus - rest) % modulus
  return b * 0x10000 + a
}

/** As Rucio writes it: eight lower-case hex digits. */
export const hex32 = (sum: number): string => sum.toString(16).padStart(8, '0')
