import { adler32Combine } from '../io/adler32.ts'
import type { Beat, Input } from './format.ts'

/** The bytes of an input, as they come, and the adler32 of those that were taken. */
export interface Stream {
  readonly adler32: number
  /** At most `most` of the bytes that follow; none at the end. They stay until the next call. */
  next(most: number): Buffer
  /** Takes what `next` gave, whose adler32 is `sum`. */
  took(sum: number, bytes: number): void
}

export function readAhead(buffer: Buffer, input: Input, beat: Beat): Stream {
  let from = 0
  let to = 0
  let sum = 1
  return {
    get adler32() {
      return sum
    },
    next(most) {
      if (from === to) {
        from = 0
        to = input.read(buffer)
        beat(to)
      }
      return buffer.subarray(from, Math.min(to, from + most))
    },
    took(own, bytes) {
      sum = adler32Combine(sum, own, bytes)
      from += bytes
    },
  }
}
