import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { failure, TapeRseError, type ErrorCode } from '../model/errors.ts'
import type { ReadingSettings, VaultSettings } from '../model/order.ts'
import { mountAt, readMounts } from '../io/mounts.ts'
import { syncDirectory } from '../io/sync-directory.ts'
import { errnoOf } from '../io/errno.ts'
import { foreignObject, ofPath, vaultCall, vaultFailure, whileStaging } from './failures.ts'
import { notWritable, readOwner, writeOwner } from './marker.ts'
import { markerName } from '../model/marker.ts'
import { asideOf, damagedOf, partOf, trialName } from './names.ts'
import type { ObjectReader, ObjectWriter, Vault } from './vault.ts'

/** Errors by which a mount says that it knows no rename. */
const cannotRename: readonly string[] = ['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EPERM']

/** Errors by which a mount says that it knows no direct reads. */
const noDirect: readonly string[] = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']

/**
 * A vault on a POSIX mount of HPSS (docs/hpss.md). Objects are written once, from start to end, and are readable for everybody, as
 * far as the umask lets them: people copy them from the mount by hand.
 */
export function hpssfsVault(settings: VaultSettings): Vault {
  const { root, publish } = settings
  const at = (location: string) => join(root, location)
  /** The device of the root when it was checked, and whether the marker on it was read. */
  let checked: bigint | null = null
  let owned: bigint | null = null

  function check(known: boolean): { freeBytes: number } {
    const device = deviceOfRoot(settings)
    if (owned !== device) {
      claim(known)
      owned = device
    } else if (sizeOf(join(root, markerName)) === null) throw markerMissing(root)
    try {
      accessSync(root, constants.W_OK | constants.X_OK)
    } catch (error) {
      throw notWritable(root, error)
    }
    checked = device
    return { freeBytes: freeBytes(root) }
  }

  function claim(known: boolean): void {
    let owner = readOwner(root)
    if (owner === null && known) throw markerMissing(root)
    if (owner === null) {
      writeOwner(root, settings.owner)
      owner = readOwner(root)
    }
    if (owner === settings.owner) {
      removeTrial()
      // Whoever wrote it may have been stopped before it was durable.
      if (!known) sync(root)
      return
    }
    throw failure(
      'VAULT_FOREIGN',
      `Cannot use ${root}: it belongs to catalog ${owner ?? 'nobody'}, this one is ${settings.owner}`,
      `Is this the right config? To take it over, see that no agent works with the other catalog, and remove ${join(root, markerName)}.`,
    )
  }

  /** The device of the root. One that changed since it was checked is checked again, with its marker. */
  function checkedDevice(): bigint {
    const device = checked
    if (device === null || deviceOfRoot(settings) !== device) {
      check(true)
      return checked!
    }
    return device
  }

  function create(location: string, attempt: number, bytes: number): ObjectWriter {
    const device = checkedDevice()
    const path = at(location)
    makeDirectories(root, dirname(location))
    for (let earlier = 1; earlier < attempt; earlier++) remove(partOf(path, earlier))
    if (sizeOf(path) !== null) throw foreignObject(path, 'something is there already')
    const free = freeBytes(root)
    if (free < bytes + settings.minFree) {
      throw failure(
        'VAULT_NO_ROOM',
        `Cannot write ${path}: it takes ${bytes} bytes, ${free} are free and ${settings.minFree} must stay so`,
        'Make room: the work goes on by itself.',
      )
    }
    return openWriter(publish === 'direct' ? path : partOf(path, attempt), device)
  }

  function publishPart(location: string, attempt: number, bytes: number): void {
    checkedDevice()
    const path = at(location)
    const part = publish === 'direct' ? null : fileAt(partOf(path, attempt))
    if (part !== null) {
      if (part.bytes !== bytes)
        throw failure(
          'VAULT_IO',
          `Cannot publish ${path}: its part has ${part.bytes} bytes, ${bytes} were proven`,
          'It is tried again.',
        )
      if (sizeOf(path) !== null) throw foreignObject(path, 'something is there already')
      rename(partOf(path, attempt), path, part.inode)
    } else syncFile(path) // whoever wrote it may have been killed before it was durable
    for (let directory = dirname(path); ; directory = dirname(directory)) {
      sync(directory)
      if (directory === root) break
    }
    const object = fileAt(path)
    if (object?.bytes !== bytes || (part !== null && object.inode !== part.inode)) {
      throw failure(
        'VAULT_IO',
        `Cannot publish ${path}: after the rename it is ${object === null ? 'not there' : 'another file'}`,
        'It is tried again.',
      )
    }
  }

  /** What a mover that was killed may have left. Nothing relies on it. */
  function removeTrial(): void {
    try {
      remove(join(root, trialName))
    } catch {
      // whoever tries next says so
    }
  }

  /** What comes of writing a byte: null, or the code of the error. Another mover may be trying, too. */
  function trial(): ErrorCode | null {
    const path = join(root, trialName)
    try {
      remove(path)
      const writer = openWriter(path, checkedDevice())
      try {
        writer.write(new Uint8Array(1))
        writer.finish()
      } finally {
        writer.abandon()
      }
      return null
    } catch (error) {
      if (error instanceof TapeRseError) return error.code
      throw error
    }
  }

  function blame(error: unknown): unknown {
    if (!(error instanceof TapeRseError)) return error
    const { code } = error
    if (code === 'VAULT_FULL') return trial() === code ? error : ofPath(error, 'VAULT_NO_ROOM')
    if (code !== 'VAULT_NOT_MOUNTED' && code !== 'VAULT_NOT_WRITABLE') return error
    try {
      check(true)
    } catch {
      return error
    }
    return code === 'VAULT_NOT_WRITABLE' && trial() === code ? error : ofPath(error, 'VAULT_IO')
  }

  return {
    check,
    blame,
    create,
    openPart: (location, attempt) => (
      checkedDevice(),
      publish === 'direct' ? null : openReader(partOf(at(location), attempt))
    ),
    open: (location) => (checkedDevice(), openReader(at(location))),
    publish: publishPart,
    stat: (location) => (checkedDevice(), fileAt(at(location))),
    setAside(location, attempt, what) {
      checkedDevice()
      const path = at(location)
      const bad = what === 'part' ? partOf(path, attempt) : path
      const aside = asideOf(path, attempt)
      try {
        renameSync(bad, aside)
        return aside
      } catch (error) {
        if (publish !== 'direct' || !cannotRename.includes(errnoOf(error) ?? ''))
          throw vaultFailure('rename', bad, error)
        remove(bad)
        return null
      }
    },
    keepAside(location, attempt) {
      checkedDevice()
      const path = at(location)
      const aside = damagedOf(path, attempt)
      if (fileAt(path) === null) {
        if (sizeOf(dirname(path)) !== null) sync(dirname(path)) // who moved it may have been stopped before that was durable
        return null
      }
      if (sizeOf(aside) !== null) throw foreignObject(aside, 'something is there already')
      vaultCall('rename', path, () => renameSync(path, aside))
      sync(dirname(path))
      return aside
    },
    clean(location, attempts) {
      checkedDevice()
      let removed = 0
      for (let attempt = 1; attempt <= attempts; attempt++) {
        for (const path of [partOf(at(location), attempt), asideOf(at(location), attempt)]) if (remove(path)) removed++
      }
      // Also if an earlier call removed them: else a crash of the mount brings them back, when nobody looks for them any more.
      if (sizeOf(dirname(at(location))) !== null) sync(dirname(at(location)))
      return removed
    },
    remove(location) {
      checkedDevice()
      const path = at(location)
      remove(path)
      if (sizeOf(dirname(path)) === null) return // an earlier call came as far as that
      sync(dirname(path))
      removeEmpty(root, dirname(location))
    },
    removeUnproven: (location) => {
      checkedDevice()
      remove(at(location))
    },
  }
}

/** @throws TapeRseError VAULT_NOT_MOUNTED */
export function deviceOfRoot({ root, mount }: ReadingSettings): bigint {
  const gone = (what: string) =>
    failure(
      'VAULT_NOT_MOUNTED',
      `Cannot use ${root}: ${what}`,
      'Mount it: the work goes on by itself. Where it is meant to be an ordinary directory: vault.mustBeMount: false.',
    )
  if (mount !== null && mountAt(readMounts(), mount) === null) throw gone(`nothing is mounted at ${mount}`)
  try {
    const stat = statSync(root, { bigint: true })
    if (!stat.isDirectory()) throw gone('it is not a directory')
    if (mount !== null && statSync(mount, { bigint: true }).dev !== stat.dev)
      throw gone(`it is not on what is mounted at ${mount}`)
    return stat.dev
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw gone('it does not exist')
    throw vaultFailure('stat', root, error)
  }
}

const sync = (directory: string): void => void vaultCall('sync', directory, () => syncDirectory(directory))

const markerMissing = (root: string) =>
  failure(
    'VAULT_MARKER_MISSING',
    `Cannot use ${root}: the marker ${markerName} that this catalog wrote there is gone`,
    'This may be the wrong mount. If it is the right one, restore the marker (docs/operations.md, "A vault changes hands").',
  )

/** Makes the directories of an object, one by one; what is there has to be a directory, not a link to one. */
function makeDirectories(root: string, directory: string): void {
  let path = root
  for (const component of directory.split('/')) {
    path = join(path, component)
    try {
      mkdirSync(path, 0o755)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw vaultFailure('make', path, error)
      if (!vaultCall('stat', path, () => lstatSync(path)).isDirectory())
        throw foreignObject(path, 'it is not a directory')
    }
  }
}

function freeBytes(root: string): number {
  const { bavail, bsize } = vaultCall('ask for the free space of', root, () => statfsSync(root))
  return bavail * bsize
}

/** What lies at a path, links not followed; null if nothing does. */
function sizeOf(path: string): number | null {
  try {
    return lstatSync(path).size
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null
    throw vaultFailure('stat', path, error)
  }
}

/** A regular file at a path; null if nothing is there. */
export function fileAt(path: string): { readonly bytes: number; readonly inode: bigint } | null {
  try {
    const stat = lstatSync(path, { bigint: true })
    if (!stat.isFile()) throw foreignObject(path, 'it is not a file')
    return { bytes: Number(stat.size), inode: stat.ino }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null
    throw vaultFailure('stat', path, error)
  }
}

/** Removes a file; false if it was not there. */
function remove(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return false
    throw vaultFailure('remove', path, error)
  }
}

/** Removes a directory below the scope's, and those above it, as far as they are empty. Nothing relies on it. */
function removeEmpty(root: string, directory: string): void {
  for (let at = directory; at.includes('/'); at = dirname(at)) {
    try {
      rmdirSync(join(root, at))
    } catch {
      return
    }
  }
}

/** Has a file made durable, whoever wrote it. */
function syncFile(path: string): void {
  const fd = vaultCall('open', path, () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW))
  try {
    vaultCall('sync', path, () => fsyncSync(fd))
  } finally {
    vaultCall('close', path, () => closeSync(fd))
  }
}

/** HPSS clients have seen renames that happened and yet answered with an error: the inode tells. */
function rename(from: string, to: string, inode: bigint): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (fileAt(to)?.inode === inode && sizeOf(from) === null) return
    if (!cannotRename.includes(errnoOf(error) ?? '')) throw vaultFailure('rename', from, error)
    throw failure(
      'VAULT_IO',
      `Cannot rename ${from}: ${errnoOf(error)!}`,
      'It is tried again. Where the mount cannot rename at all: vault.publish: direct.',
      error,
    )
  }
}

function openWriter(path: string, device: bigint): ObjectWriter {
  const fd = vaultCall('create', path, () =>
    openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644),
  )
  let open = true
  let written = 0
  const { dev, ino } = vaultCall('stat', path, () => fstatSync(fd, { bigint: true }))
  const close = () => {
    open = false
    closeSync(fd)
  }
  if (dev !== device) {
    vaultCall('close', path, close)
    if (fileAt(path)?.inode === ino) remove(path) // not what is there if the mount has come back
    throw failure(
      'VAULT_NOT_MOUNTED',
      `Cannot write ${path}: it is on another file system than the one that was checked`,
      'Mount the vault again: the work goes on by itself.',
    )
  }
  return {
    write(bytes) {
      for (let from = 0; from < bytes.length;) {
        const more = vaultCall('write', path, () => writeSync(fd, bytes, from, bytes.length - from))
        if (more === 0)
          throw failure('VAULT_IO', `Cannot write ${path}: the mount takes no more bytes`, 'It is tried again.')
        from += more
        written += more
      }
    },
    finish() {
      vaultCall('sync', path, () => fsyncSync(fd))
      vaultCall('close', path, close)
      const file = fileAt(path)
      if (file?.bytes !== written || file.inode !== ino) {
        throw failure(
          'VAULT_IO',
          `Cannot finish ${path}: it has ${file?.bytes ?? 'no'} bytes, ${written} were written`,
          'It is tried again.',
        )
      }
    },
    abandon() {
      try {
        if (open) close()
      } catch {
        // What it would tell is of no use: the file is removed.
      }
      try {
        // Woken up late, on a mount that cannot rename, what is there now may be a successor's.
        if (fileAt(path)?.inode === ino) unlinkSync(path)
      } catch {
        // The next attempt removes it before it begins, and says so if it cannot.
      }
    },
  }
}

export function openReader(path: string): ObjectReader | null {
  const bytes = fileAt(path)?.bytes
  if (bytes === undefined) return null
  let [fd, direct] = openDirect(path)
  let position = 0
  const read = (buffer: Uint8Array): number => {
    const got = whileStaging(() => readSync(fd, buffer, 0, buffer.length, position))
    position += got
    return got
  }
  return {
    bytes,
    get direct() {
      return direct
    },
    read(buffer) {
      if (direct) {
        // At the end, which is seldom at a multiple of a block, some mounts refuse a direct read instead of giving nothing.
        if (position >= bytes) return 0
        try {
          return read(buffer)
        } catch (error) {
          // Direct reads want aligned memory, lengths and positions; what cannot be had that way is read through the cache.
          if (errnoOf(error) !== 'EINVAL') throw vaultFailure('read', path, error)
          vaultCall('close', path, () => closeSync(fd))
          fd = vaultCall('open', path, () =>
            whileStaging(() => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)),
          )
          direct = false
        }
      }
      return vaultCall('read', path, () => read(buffer))
    },
    close: () => vaultCall('close', path, () => closeSync(fd)),
  }
}

function openDirect(path: string): [number, boolean] {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW
  try {
    return [whileStaging(() => openSync(path, flags | constants.O_DIRECT)), true]
  } catch (error) {
    if (!noDirect.includes(errnoOf(error) ?? '')) throw vaultFailure('open', path, error)
    return [vaultCall('open', path, () => whileStaging(() => openSync(path, flags))), false]
  }
}
