import { adler32, adler32Combine } from '../io/adler32.ts'
import type { Beat, Output } from './format.ts'

/** Gathers small writes into blocks, in one buffer in which the next bytes can be made in place; sums what goes through. */
export interface Gather {
  /** Bytes so far, written or not. */
  readonly bytes: number
  /** Their adler32. */
  readonly adler32: number
  /** Free space of at least `least` bytes, after what was gathered. */
  room(least: number): Buffer
  /** Takes the first `length` bytes of the room, which is gone then; `sum` is their adler32 if it is known. */
  take(length: number, sum?: number): void
  append(bytes: Uint8Array): void
  flush(): void
}

export function gather(buffer: Buffer, flushFrom: number, output: Output, beat: Beat): Gather {
  let held = 0
  let total = 0
  let sum = 1

  function flush(): void {
    if (held > 0) output.write(buffer.subarray(0, held))
    beat(held)
    held = 0
  }
  function take(length: number, known = adler32(buffer.subarray(held, held + length))): void {
    sum = adler32Combine(sum, known, length)
    held += length
    total += length
    if (held >= flushFrom) flush()
  }
  function room(least: number): Buffer {
    if (buffer.length - held < least) flush()
    return buffer.subarray(held)
  }
  return {
    get bytes() {
      return total
    },
    get adler32() {
      return sum
    },
    room,
    take,
    flush,
    append(bytes) {
      for (let from = 0; from < bytes.length;) {
        const part = bytes.subarray(from, from + room(1).length)
        room(1).set(part)
        take(part.length)
        from += part.length
      }
    },
  }
}
