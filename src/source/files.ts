import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, realpathSync, type Stats } from 'node:fs'
import { errnoOf } from '../io/errno.ts'
import { failure, TapeRseError, type ErrorCode, type Problem } from '../model/errors.ts'
import type { SourceFile } from './source.ts'

/** A FIFO or a device would otherwise hang the open until somebody writes to it. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Opens source files below `root`: regular files only, and none whose real path leads out of it. A directory that is a link is
 * followed if what it leads to is below the root; a file that is a link never is, because it may be changed into another while
 * we look. `close()` checks that the file is still what was opened.
 *
 * Not guaranteed: a file rewritten within the clock's tick, with its times set back, looks unchanged. Its checksum tells.
 * @throws TapeRseError SOURCE_*, each naming the path
 */
export function openSource(root: string): (path: string) => SourceFile {
  const realRoot = realRootOf(root)
  return (path) => {
    const { fd, stat } = openChecked(path, realRoot)
    return {
      bytes: stat.size,
      read: (buffer) => {
        try {
          return readSync(fd, buffer, 0, buffer.length, null)
        } catch (error) {
          throw unreadable(path, error)
        }
      },
      close: () => {
        let now: Stats
        try {
          now = fstatSync(fd)
        } catch (error) {
          closeQuietly(fd)
          throw unreadable(path, error)
        }
        closeFile(path, fd)
        if (now.size === stat.size && now.mtimeMs === stat.mtimeMs && now.ctimeMs === stat.ctimeMs) return
        throw refusal(
          'SOURCE_CHANGED',
          path,
          'it changed while it was read',
          'Nothing may write to the files of a closed dataset. It is tried again.',
        )
      },
    }
  }
}

/** More than this are counted, not listed. */
const maxListed = 50

/** What is wrong with any of these files, as far as that shows without reading them. `looking` is told of each before. */
export function inspectSources(
  root: string,
  files: readonly { readonly path: string; readonly bytes: number }[],
  looking: (path: string) => void,
): readonly Problem[] {
  const realRoot = realRootOf(root)
  const problems: Problem[] = []
  for (const { path, bytes } of files) {
    looking(path)
    try {
      const { fd, stat } = openChecked(path, realRoot)
      closeFile(path, fd)
      if (stat.size !== bytes) {
        const what = `it has ${stat.size} bytes, Rucio says ${bytes}`
        throw refusal(
          'SOURCE_SIZE',
          path,
          what,
          'Restore the replica, or declare it bad in Rucio so that it is replaced.',
        )
      }
    } catch (error) {
      if (!(error instanceof TapeRseError)) throw error
      problems.push(...error.problems)
    }
  }
  if (problems.length <= maxListed) return problems
  const rest = `… and ${problems.length - maxListed} more files with a problem`
  return [...problems.slice(0, maxListed), { ...problems[0]!, message: rest }]
}

function realRootOf(root: string): string {
  try {
    const real = realpathSync(root)
    return real.endsWith('/') ? real : `${real}/`
  } catch (error) {
    throw failure(
      'SOURCE_NOT_MOUNTED',
      `Cannot read sources below ${root}: ${errnoOf(error) ?? String(error)}`,
      'Mount the shared file system, or correct source.root.',
      error,
    )
  }
}

function openChecked(path: string, realRoot: string): { readonly fd: number; readonly stat: Stats } {
  let fd: number
  try {
    fd = openSync(path, flags)
  } catch (error) {
    throw openFailure(path, error)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile())
      throw refusal(
        'SOURCE_NOT_REGULAR',
        path,
        `it is ${kindOf(stat)}, not a regular file`,
        'Put the file itself there.',
      )
    const real = readlinkSync(`/proc/self/fd/${fd}`)
    if (!real.startsWith(realRoot)) {
      throw refusal(
        'SOURCE_OUTSIDE_ROOT',
        path,
        `it really is ${real}, which is not below ${realRoot}`,
        'A link leads out of source.root: put the files below it, or correct source.root.',
      )
    }
    return { fd, stat }
  } catch (error) {
    closeQuietly(fd)
    throw error instanceof TapeRseError ? error : unreadable(path, error)
  }
}

function openFailure(path: string, error: unknown): TapeRseError {
  switch (errnoOf(error) ?? '') {
    case 'ENOENT':
    case 'ENOTDIR':
      return refusal(
        'SOURCE_MISSING',
        path,
        'there is no such file',
        'Restore the replica, or declare it bad in Rucio so that it is replaced.',
        error,
      )
    case 'ELOOP':
      return refusal('SOURCE_NOT_REGULAR', path, 'it is a symbolic link', 'Put the file itself there.', error)
    case 'ENXIO':
      return refusal('SOURCE_NOT_REGULAR', path, 'it is a socket or a device', 'Put the file itself there.', error)
    default:
      return unreadable(path, error)
  }
}

function closeFile(path: string, fd: number): void {
  try {
    closeSync(fd)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** After an error that says more. */
function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // it is closed all the same
  }
}

const unreadable = (path: string, error: unknown): TapeRseError =>
  refusal(
    'SOURCE_UNREADABLE',
    path,
    errnoOf(error) ?? String(error),
    'Give the user that the agent runs as the right to read it; for EIO, look after the disk.',
    error,
  )

const refusal = (code: ErrorCode, path: string, what: string, hint: string, cause?: unknown): TapeRseError =>
  failure(code, `Cannot read ${path}: ${what}`, hint, cause)

const kindOf = (stat: Stats): string => (stat.isDirectory() ? 'a directory' : stat.isFIFO() ? 'a FIFO' : 'a device')
