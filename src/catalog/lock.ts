import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sameFiles } from '../io/same-files.ts'
import { failure } from '../model/errors.ts'

/** What keeps other agents from a catalog. */
export interface CatalogLock {
  /** @throws TapeRseError CATALOG_UNUSABLE once its file was removed or replaced: another agent may have another lock now */
  readonly check: () => void
  readonly release: () => void
}

/**
 * Takes `<catalog>.lock`: an exclusive transaction on a SQLite file of its own, which the kernel releases when this process dies.
 * @throws TapeRseError CATALOG_LOCKED if another agent has it
 */
export function lockCatalog(catalog: string): CatalogLock {
  // By its real path: two names of one catalog are one catalog.
  const file = `${realPath(catalog)}.lock`
  let lock: DatabaseSync | null = null
  try {
    lock = new DatabaseSync(file, { timeout: 0 })
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock?.close()
    if (/database is locked/u.test(String(error))) {
      throw failure(
        'CATALOG_LOCKED',
        `Cannot lock ${file}: another agent holds it`,
        `Only one agent works on a catalog. \`fuser ${file}\` shows which.`,
        error,
      )
    }
    const what = error instanceof Error ? error.message : String(error)
    throw failure(
      'CATALOG_UNUSABLE',
      `Cannot lock ${file}: ${what}`,
      'See that the agent may write the directory of the catalog, and that it is not mounted read-only.',
      error,
    )
  }
  const held = lock
  const changed = sameFiles([file])
  return {
    check() {
      const found = changed()
      if (found === null) return
      throw failure(
        'CATALOG_UNUSABLE',
        `Cannot go on with the catalog ${catalog}: its lock ${found.path} ${found.what}`,
        'Another agent may have begun meanwhile. See that only one runs; never remove the lock: the kernel gives it back when its agent ends.',
      )
    },
    release: () => held.close(),
  }
}

/** Where a file is, or would be made. */
function realPath(file: string): string {
  if (existsSync(file)) return realpathSync(file)
  const target = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(file) : null
  return target === null ? file : realPath(resolve(dirname(file), target))
}
