import { closeSync, fsyncSync, openSync } from 'node:fs'
import { errnoOf } from './errno.ts'

/** Answers of file systems that have no such thing as the sync of a directory. */
const tolerated: readonly string[] = ['ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOSYS']

/**
 * Makes the names in a directory durable. A file system that cannot is taken as it is (false is returned).
 * @throws the system's error for any other failure: EIO is one
 */
export function syncDirectory(path: string): boolean {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
    return true
  } catch (error) {
    if (tolerated.includes(errnoOf(error) ?? '')) return false
    throw error
  } finally {
    closeSync(fd)
  }
}
