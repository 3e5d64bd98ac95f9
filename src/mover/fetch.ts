import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { errnoOf } from '../io/errno.ts'
import { destination, Unwritable, type Destination, type Draft } from '../io/destination.ts'
import { ERRORS, failure, TapeRseError } from '../model/errors.ts'
import type { Delivery, Fetched, FetchFailure, FetchOrder, ObjectFile } from '../model/order.ts'
import type { Beat, FileReceiver, Format } from '../pack/format.ts'
import type { ReadingVault } from '../vault/vault.ts'

/** Reads files out of an object, and delivers them. */
export function fetchFiles(order: FetchOrder, vault: ReadingVault, format: Format, beat: Beat): Fetched {
  const reader = vault.open(order.location)
  if (reader === null)
    throw failure(
      'OBJECT_MISSING',
      `Cannot read ${order.vault.root}/${order.location}: it is not there`,
      'See whether it is the right mount. Keep other copies, and tell the operators.',
    )
  const failed: FetchFailure[] = []
  const digests: Digest[] = []
  const fail = (name: string, outcome: FetchFailure['outcome'], what: string) => failed.push({ name, outcome, what })
  const delivery = deliveryOf(order.to, format, beat, digests, fail)
  try {
    const wanted = order.files.filter(delivery.wants)
    const before = failed.length
    format.unpack(wanted, order.time, reader, delivery.receiverOf, beat)
    const delivered = wanted.length - (failed.length - before)
    return { delivered, already: order.files.length - wanted.length - before, failed, digests }
  } finally {
    reader.close()
  }
}

type Digest = Fetched['digests'][number]
type Fail = (name: string, outcome: FetchFailure['outcome'], what: string) => void

interface Deliverer {
  /** Whether a file has to be read; if not, it is there already, or it was told why it cannot be delivered. */
  readonly wants: (file: ObjectFile) => boolean
  readonly receiverOf: (file: ObjectFile) => FileReceiver
}

function deliveryOf(to: Delivery, format: Format, beat: Beat, digests: Digest[], fail: Fail): Deliverer {
  switch (to.kind) {
    case 'directory': {
      const place = destination(to.path)
      return {
        wants: (file) => isWanted(file, place, to.overwrite, format, beat, fail),
        receiverOf: (file) => intoFile(file, place, to.overwrite, fail),
      }
    }
    case 'output':
      return {
        wants: () => true,
        receiverOf: ({ name }) =>
          passedOn(
            (bytes) => print(bytes),
            () => undefined,
            name,
            fail,
          ),
      }
    case 'digest':
      return {
        wants: () => true,
        receiverOf({ name }) {
          const hash = createHash(to.algorithm)
          return passedOn(
            (bytes) => hash.update(bytes),
            () => digests.push({ name, digest: hash.digest('hex') }),
            name,
            fail,
          )
        },
      }
  }
}

/** What keeps one file from being read, and not the others. */
function unreadable(error: unknown): TapeRseError {
  if (error instanceof TapeRseError && ERRORS[error.code].disposition === 'retry') return error
  throw error
}

function passedOn(write: (bytes: Buffer) => unknown, end: () => unknown, name: string, fail: Fail): FileReceiver {
  return {
    replay: () => 0,
    write,
    end(difference) {
      if (difference === null) end()
      else fail(name, 'mismatch', difference)
    },
    fail: (error) => {
      fail(name, 'unreadable', unreadable(error).message)
    },
  }
}

const blockBytes = 1024 * 1024

/** The content of a file by its checksums, so that what was kept of another is not taken for its beginning. */
const tagOf = ({ bytes, adler32, md5 }: ObjectFile): string => `${bytes} ${adler32 ?? ''} ${md5 ?? ''}`

function intoFile(file: ObjectFile, place: Destination, overwrite: boolean, fail: Fail): FileReceiver {
  let draft: Draft | null = null
  const leave = (keep: boolean) => draft?.leave(keep)
  const { name } = file
  const refused = (error: unknown) => {
    leave(true)
    if (error instanceof Unwritable) fail(name, 'unwritable', error.message)
    else fail(name, 'unreadable', unreadable(error).message)
  }
  return {
    replay(feed) {
      const begun = place.draft(name, tagOf(file))
      draft = begun
      const buffer = Buffer.alloc(Math.min(blockBytes, begun.kept))
      let at = 0
      while (at < Math.min(begun.kept, file.bytes)) {
        const got = begun.readKept(buffer.subarray(0, Math.min(buffer.length, file.bytes - at)), at)
        if (got === 0) break
        feed(buffer.subarray(0, got))
        at += got
      }
      return at
    },
    write: (bytes) => {
      draft!.write(bytes)
    },
    end(difference) {
      if (difference !== null) {
        leave(false)
        fail(name, 'mismatch', difference)
        return
      }
      try {
        draft!.publish(overwrite)
      } catch (error) {
        refused(error)
      }
    },
    fail: refused,
  }
}

/** Whether a file is still to be written. One that has the name already is read: it may be half of it, or another. */
function isWanted(
  file: ObjectFile,
  place: Destination,
  overwrite: boolean,
  format: Format,
  beat: Beat,
  fail: Fail,
): boolean {
  const { name } = file
  try {
    const found = place.find(name)
    if (found === 'nothing') return true
    if (found === 'other') throw new Unwritable('something that is not a file has its name')
    if (hasContent(file, place, format, beat)) return false
    if (overwrite) return true
    fail(name, 'exists', 'another file has its name')
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    fail(name, 'unwritable', error.message)
  }
  return false
}

function hasContent(file: ObjectFile, place: Destination, format: Format, beat: Beat): boolean {
  const there = place.read(file.name)
  try {
    if (there.bytes !== file.bytes) return false
    const sums = format.sums(file)
    const buffer = Buffer.alloc(Math.min(blockBytes, file.bytes))
    for (;;) {
      const got = there.read(buffer)
      if (got === 0) return sums.difference() === null
      sums.add(buffer.subarray(0, got))
      beat(0)
    }
  } finally {
    there.close()
  }
}

/** Writes to standard output. A pipe that is full is waited for: who reads it may be slow. */
function print(bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length;) {
    try {
      from += writeSync(1, bytes, from, bytes.length - from)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      else
        throw failure(
          'INTERRUPTED',
          `Cannot write to standard output: ${errno ?? String(error)}`,
          'Nothing to do.',
          error,
        )
    }
  }
}
