import { existsSync, realpathSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { CompiledQuery, Kysely, SqliteAdapter, SqliteDialect, type SqliteDatabase } from 'kysely'
import { Migrator } from 'kysely/migration'
import { sameFiles } from '../io/same-files.ts'
import { failure, TapeRseError } from '../model/errors.ts'
import { faultOf, hintOf } from './faults.ts'
import { migrations } from './migrations.ts'
import type { Tables } from './tables.ts'

export type Db = Kysely<Tables>

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

/** Called before each statement; what it throws keeps the statement from being run. */
export type Guard = () => void

interface Same {
  readonly check: Guard
  readonly settle: () => void
}

/** What kysely's dialect asks of a driver, said by Node's own SQLite. */
function driver(file: string, sqlite: DatabaseSync, guard: Guard, same: Same | null): SqliteDatabase {
  const call = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw faultOf(file, error) ?? error
    }
  }
  return {
    prepare(text) {
      if (text === 'rollback') {
        // SQLite itself has rolled back what a full disk ended; what it said of that is to be told, not that.
        if (!sqlite.isTransaction) text = 'SELECT 1 WHERE FALSE'
      } else {
        guard()
        same?.check()
      }
      // A transaction that begins by reading could otherwise fail when it comes to write.
      const statement: StatementSync = call(() => sqlite.prepare(text === 'begin' ? 'begin immediate' : text))
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => call(() => statement.all(...(parameters as never[]))),
        run: (parameters) => {
          const { changes, lastInsertRowid } = call(() => statement.run(...(parameters as never[])))
          return { changes, lastInsertRowid }
        },
        iterate: (parameters) => statement.iterate(...(parameters as never[])) as IterableIterator<unknown>,
      }
    },
    close() {
      same?.settle()
      sqlite.close()
    },
  }
}

/**
 * Looks before each statement, which costs less than the statement, whether the path of the catalog and of its log still lead to what is
 * open: what is committed to another file is lost, and nothing shall be told to Rucio on the strength of it.
 */
function watchFiles(file: string, sqlite: DatabaseSync): Same {
  sqlite.prepare('SELECT name FROM sqlite_master').all() // from then on it has its log
  const changed = sameFiles([file, `${realpathSync(file)}-wal`])

  /**
   * Empties the log into the file that is open, whatever its name is now: SQLite would take a log that is left beside another file for
   * a part of that one. In the middle of a transaction it cannot; then closing does.
   */
  function settle(): void {
    if (changed() === null) return
    try {
      sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // The log stays as it is.
    }
  }
  return {
    settle,
    check() {
      const found = changed()
      if (found === null) return
      settle()
      throw unusable(
        file,
        `${found.path} ${found.what}, under a program that works with it`,
        'Put the right one there, or a backup, by docs/operations.md, "The catalog"; then start the agent again.',
      )
    },
  }
}

/** SQLite's tables are made in transactions like anything else, which kysely does not make use of: half a migration cannot be mended. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}
class TransactionalDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter()
  }
}

const unusable = (file: string, what: string, hint: string, cause?: unknown) =>
  failure('CATALOG_UNUSABLE', `Cannot use the catalog ${file}: ${what}`, hint, cause)

/**
 * Opens the catalog's SQLite file, created and migrated when `write`.
 * @param file a path, or `:memory:`
 * @param anywhere the config allows a network file system
 * @param guard called before each statement; what it throws keeps the statement from being run
 * @throws TapeRseError CATALOG_UNUSABLE: on a network file system, not a catalog, written by a newer version, absent for a reader
 */
export async function openDatabase(
  file: string,
  write: boolean,
  anywhere: boolean,
  guard: Guard = () => undefined,
): Promise<Db> {
  if (file !== ':memory:') refusePlace(file, write, anywhere)
  let sqlite: DatabaseSync
  let same: Same | null = null
  try {
    sqlite = new DatabaseSync(file, { readOnly: !write, timeout: 10_000 })
    // PostgreSQL's LIKE knows small letters from capitals; SQLite's has to be told.
    sqlite.exec('PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = ON')
    refuseForeign(file, sqlite)
    if (write) sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    if (write && file !== ':memory:') same = watchFiles(file, sqlite)
  } catch (error) {
    if (error instanceof Error && 'hint' in error) throw error
    const what = error instanceof Error ? error.message : String(error)
    const hint = 'See that it is a catalog of tape-rse, and that the agent may read and write it and its directory.'
    throw unusable(file, what, hintOf(error) ?? hint, error)
  }
  const db = new Kysely<Tables>({
    dialect: new TransactionalDialect({ database: driver(file, sqlite, guard, same) }),
  })
  try {
    await migrate(file, db, write)
  } catch (error) {
    await db.destroy()
    throw error
  }
  return db
}

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

async function migrate(file: string, db: Db, write: boolean): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } })
  const known = Object.keys(migrations)
  const applied = await appliedMigrations(db)
  const newer = applied.filter((name) => !known.includes(name))
  if (newer.length > 0) {
    throw unusable(
      file,
      `a newer version of tape-rse wrote it (${newer.join(', ')})`,
      'Install that version again, or a later one.',
    )
  }
  if (applied.length === known.length) return
  if (!write)
    throw unusable(
      file,
      'an older version of tape-rse wrote it',
      'Run `tape-rse run --once`: it brings the catalog up to date.',
    )
  const { error } = await migrator.migrateToLatest()
  if (error instanceof TapeRseError) throw error
  if (error !== undefined) throw unusable(file, 'it could not be brought up to date', 'See the cause.', error)
}

async function appliedMigrations(db: Db): Promise<readonly string[]> {
  const tables = await db.executeQuery<{ name: string }>(
    CompiledQuery.raw(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'kysely_migration'`),
  )
  if (tables.rows.length === 0) return []
  const rows = await db.executeQuery<{ name: string }>(CompiledQuery.raw('SELECT name FROM kysely_migration'))
  return rows.rows.map((row) => row.name)
}
