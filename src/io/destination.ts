import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { crc32 } from '@node-rs/crc32'
import { adler32, hex32 } from './adler32.ts'
import { errnoOf } from './errno.ts'

/** Something in a destination cannot be written; the message is a clause. */
export class Unwritable extends Error {}

/** What is under a name in a destination. */
export type Found = 'nothing' | 'file' | 'other'

/** A file that has no name yet. */
export interface Draft {
  /** Bytes that an earlier try left, and has not proven. */
  readonly kept: number
  /** Fills the buffer from what was kept. */
  readKept(buffer: Buffer, at: number): number
  write(bytes: Uint8Array): void
  /** Gives it its name. @throws Unwritable: something else has the name, and is not to be overwritten */
  publish(overwrite: boolean): void
  /** Closes it. What it has stays for the next try; or it is removed, if that is worth nothing. */
  leave(keep: boolean): void
}

/**
 * A directory that files are put into by relative, '/'-separated names. Nothing is written outside of it: no link below it is followed.
 * It is not promised that a file survives a power cut right after it got its name; who reads its content again finds out.
 */
export interface Destination {
  find(name: string): Found
  /** Opens a file that has its name, to read it. */
  read(name: string): { readonly bytes: number; read(buffer: Buffer): number; close(): void }
  /** @param tag names the content, so that what an earlier try left of another is not taken for its beginning */
  draft(name: string, tag: string): Draft
}

const nofollow = constants.O_NOFOLLOW

export function destination(root: string): Destination {
  /**
   * Directories that are there, and no links; and those that are not there. Who makes one meanwhile, with a file that is wanted in it, is
   * found out when that is to get its name.
   */
  const known = new Map<string, 'there' | 'absent'>()

  function pathOf(name: string): string {
    if (name.split('/').some((component) => component === '' || component === '.' || component === '..'))
      throw new Unwritable(`its name leads out of ${root}`)
    if (/\.tape-rse\.part$/u.test(name)) throw new Unwritable('its name is that of a file that is not finished')
    return join(root, name)
  }

  /** Whether the directory of a name is there; made, if it is to be. */
  function directoryOf(name: string, make: boolean): boolean {
    if (make && !known.has(root)) {
      makeRoot(root)
      known.set(root, 'there')
    }
    for (let slash = name.indexOf('/'); slash > 0; slash = name.indexOf('/', slash + 1)) {
      const path = `${root}/${name.slice(0, slash)}`
      const before = known.get(path)
      if (before === 'there') continue
      const what = before === 'absent' ? 'nothing' : at(path)
      if (what !== 'nothing' && what !== 'directory') throw new Unwritable(`${path} is not a directory`)
      if (what === 'nothing' && !make) {
        known.set(path, 'absent')
        return false
      }
      if (what === 'nothing') call('make', path, () => makeDirectory(path))
      known.set(path, 'there')
    }
    return true
  }

  return {
    find(name) {
      const path = pathOf(name)
      if (!directoryOf(name, false)) return 'nothing'
      const what = at(path)
      return what === 'directory' ? 'other' : what
    },
    read(name) {
      const path = pathOf(name)
      const fd = call('open', path, () => openSync(path, constants.O_RDONLY | nofollow))
      return {
        bytes: call('stat', path, () => fstatSync(fd).size),
        read: (buffer) => call('read', path, () => readSync(fd, buffer, 0, buffer.length, null)),
        close: () => {
          closeSync(fd)
        },
      }
    },
    draft(name, tag) {
      const path = pathOf(name)
      directoryOf(name, true)
      return openDraft(path, join(dirname(path), draftName(basename(path), tag)))
    },
  }
}

/** Short, however long the name is. Should two names ever have one, each finds that what the other left is not its own. */
const draftName = (name: string, tag: string): string =>
  `.${[name, tag].map((text) => hex32(crc32(text)) + hex32(adler32(Buffer.from(text)))).join('')}.tape-rse.part`

function openDraft(path: string, part: string): Draft {
  const { fd, kept } = call('create', part, () => createOrOpen(part))
  let end = 0
  let open = true
  const close = () => {
    if (open) closeSync(fd)
    open = false
  }
  return {
    kept,
    readKept(buffer, from) {
      const got = call('read', part, () => readSync(fd, buffer, 0, Math.min(buffer.length, kept - from), from))
      end = Math.max(end, from + got)
      return got
    },
    write(bytes) {
      for (let from = 0; from < bytes.length;) {
        const more = call('write', part, () => writeSync(fd, bytes, from, bytes.length - from, end))
        if (more === 0) throw new Unwritable(`cannot write ${part}: it takes no more bytes`)
        from += more
        end += more
      }
    },
    publish(overwrite) {
      if (kept > end) call('cut', part, () => ftruncateSync(fd, end))
      const { ino, dev } = call('stat', part, () => fstatSync(fd))
      const named = call('stat', part, () => lstatSync(part, { throwIfNoEntry: false }))
      if (named?.ino !== ino || named.dev !== dev)
        throw new Unwritable(`${part} is another's now: two of these commands write to one place`)
      call('close', part, close)
      if (overwrite) call('rename', part, () => renameSync(part, path))
      else giveName(part, path)
    },
    leave(keep) {
      try {
        close()
        if (!keep || end === 0) unlinkSync(part)
      } catch {
        // The next try finds what is left, and takes nothing of it on trust.
      }
    },
  }
}

/**
 * Begins a draft, or goes on with one that was left. What is no file, or has another name as well, was left between getting its name and
 * losing this one, or by somebody else: it is not written into.
 */
function createOrOpen(part: string): { readonly fd: number; readonly kept: number } {
  const flags = constants.O_RDWR | nofollow
  for (;;) {
    try {
      return { fd: openSync(part, flags | constants.O_CREAT | constants.O_EXCL, 0o666), kept: 0 }
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
    const left = lstatSync(part, { throwIfNoEntry: false })
    if (left === undefined) continue
    if (left.isDirectory()) throw new Unwritable(`${part} is a directory`)
    if (left.isFile() && left.nlink === 1) {
      const fd = openSync(part, flags | constants.O_NONBLOCK)
      const { nlink, size, ino } = fstatSync(fd)
      if (nlink === 1 && ino === left.ino) return { fd, kept: size }
      closeSync(fd)
    }
    unlinkSync(part)
  }
}

/** Errors by which a file system says that it has no links. */
const noLinks: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/** A link fails where a name is taken; a rename would replace what has it. */
function giveName(part: string, path: string): void {
  try {
    linkSync(part, path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST' && !call('stat', path, () => isSame(part, path)))
      throw new Unwritable(`${path} has appeared meanwhile`)
    if (errno !== 'EEXIST') {
      if (!noLinks.includes(errno ?? '')) throw new Unwritable(`cannot link ${path}: ${errno ?? String(error)}`)
      if (at(path) !== 'nothing') throw new Unwritable(`${path} has appeared meanwhile`)
      call('rename', part, () => renameSync(part, path))
      return
    }
  }
  call('remove', part, () => unlinkSync(part))
}

/** An answer may have been lost, and the call made again. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => lstatSync(path, { throwIfNoEntry: false }))
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev
}

/** The destination itself may be a link, and is made with what is above it. */
function makeRoot(root: string): void {
  const missing: string[] = []
  for (let path = root; at(path) === 'nothing'; path = dirname(path)) missing.push(path)
  for (const path of missing.reverse()) call('make', path, () => makeDirectory(path))
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' || at(path) !== 'directory') throw error
  }
}

function at(path: string): 'nothing' | 'file' | 'directory' | 'other' {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false }) // an exception for each name that is free takes longer than to write its file
    if (stat === undefined) return 'nothing'
    return stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other'
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return 'nothing'
    throw new Unwritable(errno === 'ENOTDIR' ? `${dirname(path)} is not a directory` : `cannot stat ${path}: ${errno}`)
  }
}

function call<T>(verb: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Unwritable) throw error
    throw new Unwritable(`cannot ${verb} ${path}: ${errnoOf(error) ?? String(error)}`, { cause: error })
  }
}
