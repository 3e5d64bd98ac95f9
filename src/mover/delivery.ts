import { Buffer } from 'node:buffer'
import { createHash } from '../io/hash.ts'
import { writeSync } from 'node:fs'
import { destination, Unwritable, type Destination, type Draft } from '../io/destination.ts'
import { errnoOf } from '../io/errno.ts'
import { ERRORS, failure, TapeRseError } from '../model/errors.ts'
import type { Delivery, Fetched, FetchFailure } from '../model/order.ts'
import type { Beat, FileReceiver } from '../pack/format.ts'

/** What is delivered of an object: a file, as far as its name and size say which. */
export interface Deliverable {
  readonly name: string
  readonly bytes: number
}

/** How the content of files is known. */
export interface Identity<F extends Deliverable> {
  /** The checksums of a file, to be fed and asked once. */
  readonly sums: (file: F) => { readonly add: (bytes: Buffer) => unknown; readonly difference: () => string | null }
  /** Another text for another content, so that what was kept of another is not taken for its beginning. */
  readonly tag: (file: F) => string
}

export interface Deliverer<F extends Deliverable> {
  /** Whether a file has to be read; if not, it is there already, or it was told why it cannot be delivered. */
  readonly wants: (file: F) => boolean
  readonly receiverOf: (file: F) => FileReceiver
  /** How it went, of all files that were asked for. */
  readonly result: (asked: number) => Fetched
}

/** Gives files their names when all of their content was right. */
export function deliverer<F extends Deliverable>(to: Delivery, identity: Identity<F>, beat: Beat): Deliverer<F> {
  const failed: FetchFailure[] = []
  const digests: Digest[] = []
  const fail: Fail = (name, outcome, what) => failed.push({ name, outcome, what })
  let delivered = 0
  const counted = (receiver: FileReceiver): FileReceiver => ({
    ...receiver,
    end(difference) {
      const before = failed.length
      receiver.end(difference)
      if (failed.length === before) delivered++
    },
  })
  const { wants, receiverOf } = kindOf(to, identity, beat, digests, fail)
  return {
    wants,
    receiverOf: (file) => counted(receiverOf(file)),
    result: (asked) => ({ delivered, already: asked - delivered - failed.length, failed, digests }),
  }
}

type Digest = Fetched['digests'][number]
type Fail = (name: string, outcome: FetchFailure['outcome'], what: string) => void

function kindOf<F extends Deliverable>(
  to: Delivery,
  identity: Identity<F>,
  beat: Beat,
  digests: Digest[],
  fail: Fail,
): Omit<Deliverer<F>, 'result'> {
  switch (to.kind) {
    case 'directory': {
      const place = destination(to.path)
      return {
        wants: (file) => isWanted(file, place, to.overwrite, identity, beat, fail),
        receiverOf: (file) => intoFile(file, identity.tag(file), place, to.overwrite, fail),
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
    restart: () => undefined, // it had nothing
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

function intoFile(file: Deliverable, tag: string, place: Destination, overwrite: boolean, fail: Fail): FileReceiver {
  const { name } = file
  let draft: Draft | null = null
  const opened = () => (draft ??= place.draft(name, tag))
  const leave = (keep: boolean) => draft?.leave(keep)
  const refused = (error: unknown) => {
    leave(true)
    if (error instanceof Unwritable) fail(name, 'unwritable', error.message)
    else fail(name, 'unreadable', unreadable(error).message)
  }
  return {
    replay(feed) {
      const begun = opened()
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
      opened().write(bytes)
    },
    restart() {
      leave(false)
      draft = null
    },
    end(difference) {
      if (difference !== null) {
        leave(false)
        fail(name, 'mismatch', difference)
        return
      }
      try {
        opened().publish(overwrite)
      } catch (error) {
        refused(error)
      }
    },
    fail: refused,
  }
}

/** Whether a file is still to be written. One that has the name already is read: it may be half of it, or another. */
function isWanted<F extends Deliverable>(
  file: F,
  place: Destination,
  overwrite: boolean,
  identity: Identity<F>,
  beat: Beat,
  fail: Fail,
): boolean {
  const { name } = file
  try {
    const found = place.find(name)
    if (found === 'nothing') return true
    if (found === 'other') throw new Unwritable('something that is not a file has its name')
    if (hasContent(file, place, identity, beat)) return false
    if (overwrite) return true
    fail(name, 'exists', 'another file has its name')
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    fail(name, 'unwritable', error.message)
  }
  return false
}

function hasContent<F extends Deliverable>(file: F, place: Destination, identity: Identity<F>, beat: Beat): boolean {
  const there = place.read(file.name)
  try {
    if (there.bytes !== file.bytes) return false
    const sums = identity.sums(file)
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
