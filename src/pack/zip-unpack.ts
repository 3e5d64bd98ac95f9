import type { Buffer } from 'node:buffer'
import type { ObjectFile } from '../model/order.ts'
import type { Beat, FileReceiver, Input, RangeInput } from './format.ts'
import { descriptorBytes, localBytes } from './zip-layout.ts'
import { Differs, proveMember } from './zip-member.ts'
import { stampOf } from './zip-records.ts'
import { readAhead, type Stream } from './zip-stream.ts'

/**
 * Reads files out of a zip of ours by what the catalog knows of them: nothing of the zip is believed, and nothing but these files is
 * read. Files that follow each other without a gap are read as one range.
 * @param buffer a block in which adler32() works without a copy
 */
export function unpackZip(
  files: readonly ObjectFile[],
  time: number,
  buffer: Buffer,
  input: RangeInput,
  receiverOf: (file: ObjectFile) => FileReceiver,
  beat: Beat,
): void {
  const stamp = stampOf(time)
  const sorted = [...files].sort((a, b) => a.offset - b.offset)
  const ends = runEnds(sorted)
  /** The stream that stands where the last file ended; null: there is none, or it cannot be known where it stands. */
  let stream: Stream | null = null
  let at = -1

  for (const [index, file] of sorted.entries()) {
    const from = (position: number) => readAhead(buffer, rangeOf(input, position, ends[index]!), beat)
    const receiver = receiverOf(file)
    /** Reads it, from the position on that the stream has; returns how much of it came from an earlier time, or what differs. */
    const read = (): { readonly kept: number; readonly difference: string | null } => {
      let kept = 0
      try {
        proveMember(file, stamp, stream!, receiver, (replayed) => {
          kept = replayed
          if (replayed > 0) stream = from(file.offset + localBytes(file) + replayed)
          return stream!
        })
        return { kept, difference: null }
      } catch (error) {
        if (!(error instanceof Differs)) throw error
        return { kept, difference: error.message }
      }
    }
    if (stream === null || at !== file.offset) stream = from(file.offset)
    at = endOf(file)
    try {
      let result = read()
      if (result.difference !== null && result.kept > 0) {
        // It may be what was kept that is wrong, and not the object: all of it is read before that is said.
        receiver.restart()
        stream = from(file.offset)
        result = read()
      }
      if (result.difference !== null) stream = null
      receiver.end(result.difference)
    } catch (error) {
      stream = null
      receiver.fail(error)
    }
  }
}

const endOf = (file: ObjectFile): number => file.offset + localBytes(file) + file.bytes + descriptorBytes(file.bytes)

/** Of each file: where the last one ends of those that follow it without a gap. */
function runEnds(files: readonly ObjectFile[]): Float64Array {
  const ends = new Float64Array(files.length)
  for (let index = files.length - 1; index >= 0; index--) {
    const end = endOf(files[index]!)
    ends[index] = files[index + 1]?.offset === end ? ends[index + 1]! : end
  }
  return ends
}

/** The bytes of an object from one position to another, as they come. */
function rangeOf(input: RangeInput, from: number, to: number): Input {
  let at = from
  return {
    bytes: to - from,
    read(buffer) {
      const got = input.readAt(buffer.subarray(0, Math.min(buffer.length, to - at)), at)
      at += got
      return got
    },
  }
}
