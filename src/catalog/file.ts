import { existsSync, realpathSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { failure } from '../model/errors.ts'
import { hintOf, primaryCode } from './faults.ts'
import { migrationNames } from './tables.ts'

/** The file of a catalog, for all that open it: where it may be, whose it is, and which version wrote it. */

/** Where a catalog must not be, beside wherever it is: file systems on which SQLite's locks or its log cannot be relied on. */
const networkFilesystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9p'],
])

export interface OpenedFile {
  readonly sqlite: DatabaseSync
  /** Whether the tables are those of this version; for a reader they always are. */
  readonly current: boolean
  /** To be called after each read. @throws TapeRseError CATALOG_FAILED: what was read may be neither old nor new */
  readonly checkRead: () => void
}

/**
 * Opens the catalog's SQLite file, and makes it if it is not there, when `write`. It is left to the caller to make its tables.
 * @param file a path, or `:memory:`
 * @param anywhere the config allows a network file system
 * @throws TapeRseError CATALOG_UNUSABLE: on a network file system, not a catalog, written by a newer version; for a reader absent, or
 *   written by an older one
 */
export function openFile(file: string, write: boolean, anywhere: boolean): OpenedFile {
  if (file !== ':memory:') refusePlace(file, write, anywhere)
  return asUsable(file, () => {
    const { sqlite, checkRead } = write
      ? { sqlite: new DatabaseSync(file, { timeout: 10_000 }), checkRead: () => undefined }
      : openToRead(file)
    try {
      // PostgreSQL's LIKE knows small letters from capitals; SQLite's has to be told.
      sqlite.exec('PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = ON')
      refuseForeign(file, sqlite)
      if (write) sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      return { sqlite, current: isCurrent(file, sqlite, write), checkRead }
    } catch (error) {
      sqlite.close()
      throw error
    }
  })
}

/**
 * To read a catalog, SQLite has to make files beside it, if no agent has done so. Where it may not, and nothing was left to be written
 * into the catalog, the file alone is read: it is whole, for as long as nobody writes.
 */
function openToRead(file: string): Pick<OpenedFile, 'sqlite' | 'checkRead'> {
  const sqlite = new DatabaseSync(file, { readOnly: true, timeout: 10_000 })
  try {
    sqlite.prepare('SELECT 1 FROM sqlite_master').all()
    return { sqlite, checkRead: () => undefined }
  } catch (error) {
    sqlite.close()
    if (!mayNotWrite.includes(primaryCode(error)) || hasLog(file)) throw error
    const url = pathToFileURL(file)
    url.searchParams.set('immutable', '1')
    const checkRead = () => {
      if (hasLog(file))
        throw failure(
          'CATALOG_FAILED',
          `Cannot read the catalog ${file}: an agent began to write while it was read`,
          'Call this again.',
        )
    }
    return { sqlite: new DatabaseSync(url, { readOnly: true }), checkRead }
  }
}

/** SQLITE_READONLY and SQLITE_CANTOPEN (sqlite.org/rescode.html). */
const mayNotWrite: readonly number[] = [8, 14]

/** Whether a log is there that may hold what the file itself does not. */
const hasLog = (file: string): boolean => (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0

/** Does what opening the catalog takes. Whatever keeps it from that makes the catalog one that cannot be used. */
export function asUsable<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Error && 'hint' in error) throw error
    const what = error instanceof Error ? error.message : String(error)
    const hint = 'See that it is a catalog of tape-rse, and that the agent may read and write it and its directory.'
    throw unusable(file, what, hintOf(error) ?? hint, error)
  }
}

export const unusable = (file: string, what: string, hint: string, cause?: unknown) =>
  failure('CATALOG_UNUSABLE', `Cannot use the catalog ${file}: ${what}`, hint, cause)

function refusePlace(file: string, write: boolean, anywhere: boolean): void {
  const directory = dirname(file)
  if (!existsSync(directory)) {
    throw unusable(
      file,
      `the directory ${directory} does not exist`,
      'Make it, on a local disk, writable for the agent.',
    )
  }
  if (!write && !existsSync(file)) {
    throw unusable(file, 'it does not exist yet', 'It is made by the first `tape-rse run`. Is this the right config?')
  }
  const kind = networkFilesystems.get(statfsSync(realpathSync(directory)).type)
  if (kind !== undefined && !anywhere) {
    throw unusable(
      file,
      `it is on a network file system (${kind})`,
      'Move it to a local disk. If this file system keeps locks and syncs like one, set catalogOnNetworkFilesystem: true.',
    )
  }
}

/** A SQLite file with tables but without ours belongs to another program. */
function refuseForeign(file: string, sqlite: DatabaseSync): void {
  const tables = sqlite.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all() as { name: string }[]
  if (tables.length > 0 && !tables.some((table) => table.name === 'kysely_migration')) {
    throw unusable(file, 'it is a database of another program', 'Name another file in the config: catalog.')
  }
}

function isCurrent(file: string, sqlite: DatabaseSync, write: boolean): boolean {
  const known: readonly string[] = migrationNames
  const applied = appliedMigrations(sqlite)
  const newer = applied.filter((name) => !known.includes(name))
  if (newer.length > 0) {
    throw unusable(
      file,
      `a newer version of tape-rse wrote it (${newer.join(', ')})`,
      'Install that version again, or a later one.',
    )
  }
  if (applied.length === known.length) return true
  if (write) return false
  throw unusable(
    file,
    'an older version of tape-rse wrote it',
    'Run `tape-rse run --once`: it brings the catalog up to date.',
  )
}

function appliedMigrations(sqlite: DatabaseSync): readonly string[] {
  const tables = sqlite.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'kysely_migration'`)
  if (tables.get() === undefined) return []
  const rows = sqlite.prepare('SELECT name FROM kysely_migration').all() as unknown as readonly { name: string }[]
  return rows.map(({ name }) => name)
}
