import { existsSync, realpathSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { failure } from '../model/errors.ts'

/**
 * Takes `<catalog>.lock`: an exclusive transaction on a SQLite file of its own, which the kernel releases when this process dies.
 * Returns the function that gives it back.
 * @throws TapeRseError CATALOG_LOCKED if another agent has it
 */
export function lockCatalog(catalog: string): () => void {
  // By its real path: two names of one catalog are one catalog.
  const file = `${existsSync(catalog) ? realpathSync(catalog) : catalog}.lock`
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
      'See that the agent may write the directory of the catalog.',
      error,
    )
  }
  const held = lock
  return () => held.close()
}
