import { sql, type RawBuilder, type Transaction, type UpdateResult } from 'kysely'
import { failure } from '../model/errors.ts'
import { dueFrom } from './due-from.ts'
import type { Tables } from './tables.ts'

/** What a row looks like that nothing stands in the way of. */
export const clear = {
  failures: 0,
  failed_at: null,
  failing_since: null,
  failed_bundle: null,
  not_before: null,
  held: 0,
  problems: null,
  reason: null,
}

/** A transition that changed no row did not leave the state that it names: a bug, never a race to be won. */
export function changed(result: Pick<UpdateResult, 'numUpdatedRows'> | { numDeletedRows: bigint }, what: string): void {
  const rows = 'numUpdatedRows' in result ? result.numUpdatedRows : result.numDeletedRows
  if (rows !== 1n) {
    throw failure(
      'CATALOG_FAILED',
      `Cannot ${what}: the catalog has it in another state`,
      'This is a bug. Please report it with the log around it.',
    )
  }
}

/** True of a target that may be tried now: nobody holds it back, and if it failed, its time has come. */
export const due = (now: Date): RawBuilder<boolean> => sql<boolean>`(
    NOT EXISTS (SELECT 1 FROM holds WHERE holds.scope = targets.scope AND holds.name = targets.name)
    AND (targets.failures = 0 OR ${sql.raw(dueFrom(now))} <= ${now.toISOString()}))`

/** The id after the highest one. Safe because a transaction that writes is alone from its beginning. */
export async function nextId(
  trx: Transaction<Tables>,
  table: 'targets' | 'bundles' | 'verifications' | 'recalls',
): Promise<number> {
  const { last } = await trx
    .selectFrom(table)
    .select((eb) => eb.fn.max<number | null>('id').as('last'))
    .executeTakeFirstOrThrow()
  return (last ?? 0) + 1
}

export function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}
