import {
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { failure } from '../model/errors.ts'
import { syncDirectory } from '../io/sync-directory.ts'
import { errnoOf } from '../io/errno.ts'
import { vaultCall, vaultFailure } from './failures.ts'
import { markerName } from '../model/marker.ts'

const maxBytes = 4096

/** Id of the catalog that owns a root; null if there is no marker. Reading it may block while HPSS brings it from tape. */
export function readOwner(root: string): string | null {
  const path = join(root, markerName)
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw vaultFailure('open', path, error)
  }
  try {
    const buffer = Buffer.alloc(maxBytes)
    const read = vaultCall('read', path, () => readSync(fd, buffer, 0, maxBytes, 0))
    return ownerIn(buffer.toString('utf8', 0, read)) ?? unreadable(path)
  } finally {
    vaultCall('close', path, () => closeSync(fd))
  }
}

function ownerIn(text: string): string | null {
  try {
    const marker: unknown = JSON.parse(text)
    return typeof marker === 'object' && marker !== null && 'catalog' in marker && typeof marker.catalog === 'string'
      ? marker.catalog
      : null
  } catch {
    return null
  }
}

/** What a marker that nobody can read names as its owner: nobody we are. */
const unreadable = (path: string) => `(unknown: ${path} is not a marker)`

/**
 * Claims a root without marker, durably. Whoever comes second finds the first one's marker.
 * @throws TapeRseError VAULT_NOT_WRITABLE and the like
 */
export function writeOwner(root: string, owner: string): void {
  const path = join(root, markerName)
  const part = `${path}.part`
  const text = `${JSON.stringify({ format: 'tape-rse vault', version: 1, catalog: owner })}\n`
  try {
    unlinkSync(part)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw notWritable(root, error)
  }
  let fd: number
  try {
    fd = openSync(part, 'wx', 0o644)
  } catch (error) {
    throw notWritable(root, error)
  }
  try {
    vaultCall('write', part, () => writeSync(fd, text))
    vaultCall('sync', part, () => fsyncSync(fd))
  } finally {
    vaultCall('close', part, () => closeSync(fd))
  }
  giveName(part, path)
  vaultCall('sync', root, () => syncDirectory(root))
}

/** A link fails where a name is taken; a rename would replace it. Some mounts have no links: then the check comes first. */
function giveName(part: string, path: string): void {
  let named = true
  try {
    linkSync(part, path)
  } catch (error) {
    named = errnoOf(error) === 'EEXIST' || exists(path)
  }
  if (named) vaultCall('remove', part, () => unlinkSync(part))
  else vaultCall('rename', part, () => renameSync(part, path))
}

function exists(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw vaultFailure('stat', path, error)
  }
}

/** An error of writing to the root: the mount is read-only, or the agent's user may not. */
export const notWritable = (root: string, error: unknown): unknown => {
  const errno = errnoOf(error)
  if (errno !== 'EACCES' && errno !== 'EPERM' && errno !== 'EROFS') return vaultFailure('write to', root, error)
  return failure(
    'VAULT_NOT_WRITABLE',
    `Cannot write to ${root}: ${errno}`,
    'Mount it read-write, and give the agent’s user the right to write.',
    error,
  )
}
