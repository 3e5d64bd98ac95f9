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
    const begin: Stream = stream !== null && at === file.offset ? stream : from(file.offset)
    stream = begin
    at = endOf(file)
    try {
      proveMember(file, stamp, begin, receiver, (replayed) => {
        if (replayed > 0) stream = from(file.offset + localBytes(file) + replayed)
        return stream!
      })
    } catch (error) {
      stream = null
      if (error instanceof Differs) receiver.end(error.message)
      else receiver.fail(error)
      continue
    }
    receiver.end(null)
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
