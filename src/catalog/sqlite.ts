import { existsSync } from 'node:fs'
import { sql } from 'kysely'
import { bundleMethods } from './bundles.ts'
import type { Catalog, CatalogReader } from './catalog.ts'
import { openDatabase, type Db, type Guard } from './database.ts'
import { recoveryMethods } from './recovery.ts'
import { reportMethods } from './reports.ts'
import { siteMethods } from './site.ts'
import { targetMethods } from './targets.ts'

/** What a new catalog is given: where to keep it, its name if it is new, and the clock. */
export interface CatalogOptions {
  /** A path, or `:memory:`. */
  readonly file: string
  readonly newId: () => string
  readonly now: () => Date
  readonly onNetworkFilesystem: boolean
  /** Called before each statement; what it throws keeps the statement from being run. */
  readonly guard?: Guard
}

/**
 * Opens the catalog to write to it, and makes it if it is not there. Only an agent holds its lock (lock.ts): commands write beside
 * it, each method being one transaction.
 * @throws TapeRseError CATALOG_UNUSABLE
 */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  return fromDatabase(await openDatabase(options.file, true, options.onNetworkFilesystem, options.guard), options)
}

async function fromDatabase(db: Db, options: CatalogOptions): Promise<Catalog> {
  const row = await db.selectFrom('catalog').select('id').executeTakeFirst()
  const id = row?.id ?? options.newId()
  if (row === undefined)
    await db.insertInto('catalog').values({ id, created_at: options.now().toISOString() }).execute()
  return {
    id,
    ...targetMethods(db),
    ...bundleMethods(db),
    ...reportMethods(db),
    ...recoveryMethods(db),
    ...siteMethods(db),
    close: () => db.destroy(),
  }
}

/**
 * Opens an existing catalog to read it, beside a running agent or without one.
 * @throws TapeRseError CATALOG_UNUSABLE
 */
export async function readCatalog(file: string): Promise<CatalogReader> {
  const db = await openDatabase(file, false, true)
  const { id } = await db.selectFrom('catalog').select('id').executeTakeFirstOrThrow()
  return { id, ...reportMethods(db), close: () => db.destroy() }
}

/**
 * A catalog in memory that begins with what the file holds, if there is one: for plans that nobody writes down.
 * @throws TapeRseError CATALOG_UNUSABLE
 */
export async function copyCatalog(options: CatalogOptions): Promise<Catalog> {
  if (!existsSync(options.file)) return openCatalog({ ...options, file: ':memory:' })
  await (await readCatalog(options.file)).close()
  const db = await openDatabase(':memory:', true, true)
  await sql`ATTACH ${options.file} AS origin`.execute(db)
  for (const table of [
    'catalog',
    'targets',
    'bundles',
    'entries',
    'polls',
    'pauses',
    'vaults',
    'holds',
    'drains',
    'pipelines',
  ]) {
    await sql`INSERT INTO main.${sql.id(table)} SELECT * FROM origin.${sql.id(table)}`.execute(db)
  }
  await sql`DETACH origin`.execute(db)
  return fromDatabase(db, options)
}
