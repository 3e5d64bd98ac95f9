import { realpathSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Kysely, SqliteAdapter, SqliteDialect, type SqliteDatabase } from 'kysely'
import { Migrator } from 'kysely/migration'
import { sameFiles } from '../io/same-files.ts'
import { TapeRseError } from '../model/errors.ts'
import { withFaults } from './faults.ts'
import { asUsable, openFile, unusable, type OpenedFile } from './file.ts'
import { migrations } from './migrations.ts'
import type { Tables } from './tables.ts'

export type Db = Kysely<Tables>

/** Called before each statement; what it throws keeps the statement from being run. */
export type Guard = () => void

/** The files of a catalog that is open. */
interface OpenFiles {
  /** @throws TapeRseError CATALOG_UNUSABLE: their names lead to others */
  readonly check: Guard
  /** Leaves nothing behind that another file could be taken to belong to. */
  readonly emptyLog: () => void
}

/** What kysely's dialect asks of a driver, said by Node's own SQLite. */
function driver(
  file: string,
  { sqlite, checkRead }: OpenedFile,
  guard: Guard,
  files: OpenFiles | null,
): SqliteDatabase {
  const call = <T>(work: () => T): T => {
    const result = withFaults(file, work)
    checkRead()
    return result
  }
  return {
    prepare(text) {
      if (text !== 'rollback') {
        guard()
        files?.check()
      }
      const statement: StatementSync = call(() => sqlite.prepare(spoken(text)))
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
      files?.emptyLog()
      sqlite.close()
    },
  }

  /** What SQLite is told when kysely says `text`. */
  function spoken(text: string): string {
    // A transaction that begins by reading could otherwise fail when it comes to write.
    if (text === 'begin') return 'begin immediate'
    // A full disk made SQLite roll back by itself: to do so again would fail, and hide why.
    return text === 'rollback' && !sqlite.isTransaction ? 'SELECT 1 WHERE FALSE' : text
  }
}

/**
 * Looks before each statement, which costs less than the statement, whether the path of the catalog and of its log still lead to what is
 * open: what is committed to another file is lost, and nothing shall be told to Rucio on the strength of it.
 */
function watchFiles(file: string, sqlite: DatabaseSync): OpenFiles {
  sqlite.prepare('SELECT name FROM sqlite_master').all() // from then on it has its log
  const changed = sameFiles([file, `${realpathSync(file)}-wal`])

  /**
   * Empties the log into the file that is open, whatever its name is now: SQLite would take a log that is left beside another file for
   * a part of that one. In the middle of a transaction it cannot; then closing does.
   */
  function emptyLog(): void {
    if (changed() === null) return
    try {
      sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // The log stays as it is.
    }
  }
  return {
    emptyLog,
    check() {
      const found = changed()
      if (found === null) return
      emptyLog()
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

/**
 * Opens the catalog's SQLite file, created and migrated when `write`.
 * @param file a path, or `:memory:`
 * @param anywhere the config allows a network file system
 * @param guard called before each statement; what it throws keeps the statement from being run
 * @throws TapeRseError CATALOG_UNUSABLE, as `openFile` does, or if it cannot be brought up to date
 */
export async function openDatabase(
  file: string,
  write: boolean,
  anywhere: boolean,
  guard: Guard = () => undefined,
): Promise<Db> {
  const opened = openFile(file, write, anywhere)
  const { sqlite, current } = opened
  const files = write && file !== ':memory:' ? asUsable(file, () => watchFiles(file, sqlite)) : null
  const db = new Kysely<Tables>({
    dialect: new TransactionalDialect({ database: driver(file, opened, guard, files) }),
  })
  if (current) return db
  try {
    await migrate(file, db)
  } catch (error) {
    await db.destroy()
    throw error
  }
  return db
}

async function migrate(file: string, db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } })
  const { error } = await migrator.migrateToLatest()
  if (error instanceof TapeRseError) throw error
  if (error !== undefined) throw unusable(file, 'it could not be brought up to date', 'See the cause.', error)
}
