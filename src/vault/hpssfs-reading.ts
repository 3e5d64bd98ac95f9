import { closeSync, constants, lstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { ReadingSettings, VaultEntry } from '../model/order.ts'
import { errnoOf } from '../io/errno.ts'
import { vaultCall, vaultFailure, whileStaging } from './failures.ts'
import { deviceOfRoot, fileAt, openReader } from './hpssfs.ts'
import { readOwner } from './marker.ts'
import { recallBy, residencies } from './residency.ts'
import type { ReadingVault, ZipsAt } from './vault.ts'

/** A POSIX mount of HPSS, read by somebody who may not write there. */
export function hpssfsReading(settings: ReadingSettings): ReadingVault {
  return {
    owner() {
      deviceOfRoot(settings)
      return readOwner(settings.root)
    },
    list(directory) {
      deviceOfRoot(settings)
      return entriesIn(settings.root, directory)
    },
    residency(probe, locations, beat) {
      deviceOfRoot(settings)
      return residencies(
        probe,
        locations.map((location) => join(settings.root, location)),
        beat,
      )
    },
    recall(command, locations) {
      deviceOfRoot(settings)
      recallBy(
        command,
        locations.map((location) => join(settings.root, location)),
      )
    },
    openWhole(location) {
      deviceOfRoot(settings)
      return openReader(join(settings.root, location))
    },
    open(location) {
      deviceOfRoot(settings)
      const path = join(settings.root, location)
      const bytes = fileAt(path)?.bytes
      if (bytes === undefined) return null
      const fd = vaultCall('open', path, () =>
        whileStaging(() => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)),
      )
      return {
        bytes,
        readAt: (buffer, at) =>
          vaultCall('read', path, () => whileStaging(() => readSync(fd, buffer, 0, buffer.length, at))),
        close: () => vaultCall('close', path, () => closeSync(fd)),
      }
    },
  }
}

/** One zip, or those right in a directory, but for what a writer has not finished. Links are followed as far as to them; null: nothing is there. */
export function zipsAt(path: string): ZipsAt | null {
  let real: string
  try {
    real = realpathSync(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null
    throw vaultFailure('open', path, error)
  }
  const isDirectory = vaultCall('stat', real, () => lstatSync(real)).isDirectory()
  if (!isDirectory) return { root: dirname(real), names: [basename(real)], isDirectory }
  const names = vaultCall('list', real, () => readdirSync(real)).filter((name) => /^[^.].*\.zip$/u.test(name))
  return { root: real, names: names.sort(), isDirectory }
}

function entriesIn(root: string, directory: string): readonly VaultEntry[] {
  const at = join(root, directory)
  let names: string[]
  try {
    names = readdirSync(at)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return []
    throw vaultFailure('list', at, error)
  }
  return names.sort().flatMap((name) => entryAt(root, join(directory, name)) ?? [])
}

function entryAt(root: string, path: string): VaultEntry | null {
  const at = join(root, path)
  const stat = vaultCall('stat', at, () => lstatSync(at, { throwIfNoEntry: false }))
  if (stat === undefined) return null // it has gone meanwhile
  return { path, kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other', bytes: stat.size }
}
