import type { BundleId } from '../model/bundle.ts'
import type { Did } from '../model/did.ts'
import type { Problem } from '../model/errors.ts'
import type { PauseRow, PipelineSummary, PollRow, Summary, TargetFilter } from './catalog.ts'
import type { Db } from './database.ts'
import { bundleColumns, bundleRow, entryOf, targetRow } from './tables.ts'

/** What people and machines ask the catalog. */
export function reportMethods(db: Db) {
  return {
    summary: async (): Promise<Summary> => {
      const targets = await db
        .selectFrom('targets')
        .select((eb) => [
          'pipeline',
          'state',
          'waiting',
          'held',
          eb.fn.countAll<number>().as('count'),
          eb.fn.sum<number | null>('bytes').as('bytes'),
        ])
        .groupBy(['pipeline', 'state', 'waiting', 'held'])
        .execute()
      const bundles = await db
        .selectFrom('bundles')
        .select((eb) => [
          'pipeline',
          'state',
          eb.fn.countAll<number>().as('count'),
          eb.fn.sum<number>('bytes').as('bytes'),
        ])
        .groupBy(['pipeline', 'state'])
        .execute()
      const oldest = await db
        .selectFrom('targets')
        .select((eb) => ['pipeline', eb.fn.min('requested_at').as('requested_at')])
        .where('state', 'in', ['requested', 'frozen'])
        .where('waiting', 'is', null)
        .groupBy('pipeline')
        .execute()
      const failed = await db
        .selectFrom('targets')
        .select((eb) => ['pipeline', eb.fn.countAll<number>().as('count')])
        .where('failures', '>', 0)
        .groupBy('pipeline')
        .execute()
      const polls = (await db.selectFrom('polls').selectAll().orderBy('scope').execute()).map((row): PollRow => ({
        pipeline: row.pipeline,
        scope: row.scope,
        polledAt: new Date(row.polled_at),
        succeededAt: row.succeeded_at === null ? null : new Date(row.succeeded_at),
        found: row.found,
        problem: row.problem === null ? null : (JSON.parse(row.problem) as Problem),
      }))
      const pauses = (await db.selectFrom('pauses').selectAll().execute()).map((row): PauseRow => ({
        pipeline: row.pipeline,
        since: new Date(row.since),
        problem: JSON.parse(row.problem) as Problem,
      }))
      const names = new Set([...targets, ...polls, ...pauses].map((row) => row.pipeline))
      const pipelines = [...names].sort().map((pipeline): PipelineSummary => {
        const own = <T extends { pipeline: string }>(rows: readonly T[]) =>
          rows.filter((row) => row.pipeline === pipeline)
        const first = own(oldest)[0]
        return {
          pipeline,
          targets: own(targets).map(({ state, waiting, held, count, bytes }) => ({
            state,
            waiting,
            held: held === 1,
            count,
            bytes: bytes ?? 0,
          })),
          bundles: own(bundles).map(({ state, count, bytes }) => ({ state, count, bytes })),
          failed: own(failed)[0]?.count ?? 0,
          oldestRequest: first === undefined ? null : new Date(first.requested_at),
          polls: own(polls),
          pause: own(pauses)[0] ?? null,
        }
      })
      return { pipelines }
    },

    list: async ({ pipeline, state, limit }: TargetFilter) => {
      let query = db.selectFrom('targets').selectAll().orderBy('pipeline').orderBy('turn').orderBy('id').limit(limit)
      if (pipeline !== null) query = query.where('pipeline', '=', pipeline)
      if (state === 'held') query = query.where('held', '=', 1)
      else if (state === 'waiting') query = query.where('waiting', 'is not', null).where('state', '=', 'requested')
      else if (state === 'live') query = query.where('state', 'in', ['requested', 'frozen'])
      else if (state !== null) query = query.where('state', '=', state)
      return (await query.execute()).map(targetRow)
    },

    find: async (did: Did) => {
      const rows = await db
        .selectFrom('targets')
        .selectAll()
        .where('scope', '=', did.scope)
        .where('name', '=', did.name)
        .orderBy('pipeline')
        .orderBy('generation', 'desc')
        .execute()
      const found = []
      for (const row of rows) {
        const bundles = await db
          .selectFrom('bundles')
          .select(bundleColumns)
          .where('target_id', '=', row.id)
          .orderBy('part')
          .execute()
        found.push({ row: targetRow(row), bundles: bundles.map(bundleRow) })
      }
      return found
    },

    entries: async (bundle: BundleId) => {
      const rows = await db
        .selectFrom('entries')
        .selectAll()
        .where('bundle_id', '=', bundle)
        .orderBy('position')
        .execute()
      return rows.map(entryOf)
    },
  }
}
