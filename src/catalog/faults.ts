import { failure, type TapeRseError } from '../model/errors.ts'

const rights =
  'See that the agent may write it, its directory and what lies beside it (-wal, -shm), and that it is not mounted read-only.'
const disk = 'See that its disk has room (`df`, and the quota of the agent’s user), and is sound (`dmesg`).'
const others = 'Another program holds it for long: `fuser` on the file shows which.'
const content = 'See that it is a catalog of tape-rse. If it is, restore a backup: docs/operations.md, "The catalog".'

/** What to do about an error of SQLite, by its primary result code (sqlite.org/rescode.html). */
const hints: ReadonlyMap<number, string> = new Map([
  [3, rights],
  [5, others],
  [6, others],
  [8, rights],
  [10, disk],
  [11, content],
  [13, disk],
  [14, rights],
  [26, content],
])

/** What to do about an error of the driver; null if neither the disk nor its rights nor its users are to blame: it is a bug. */
export const hintOf = (error: unknown): string | null => hints.get(primaryCode(error)) ?? null

/** SQLite's primary result code; 0: the error is not one of SQLite. */
export function primaryCode(error: unknown): number {
  const known = typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number'
  return known ? (error as { errcode: number }).errcode & 0xff : 0
}

function faultOf(file: string, error: unknown): TapeRseError | null {
  const hint = hintOf(error)
  if (hint === null) return null
  return failure('CATALOG_FAILED', `Cannot use the catalog ${file}: ${(error as Error).message}`, hint, error)
}

/** Has SQLite do something; what its file is to blame for is told as that. */
export function withFaults<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw faultOf(file, error) ?? error
  }
}
