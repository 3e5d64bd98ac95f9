import { CompiledQuery, sql, type Expression, type ExpressionBuilder, type SqlBool } from 'kysely'
import type { BundleId } from '../model/bundle.ts'
import type { Did } from '../model/did.ts'
import { bundlesOf } from './bundles.ts'
import type { Backup, Drain, Hold, KnownTarget, Page, TargetFilter } from './catalog.ts'
import type { Db } from './database.ts'
import { patternOf } from './glob.ts'
import type { Ask } from './ask.ts'
import { lookups } from './lookup.ts'
import { backupOf, drainOf, summaryOf } from './summary.ts'
import { entryOf, targetRow, type Tables, type TargetTable } from './tables.ts'

/** What people and machines ask the catalog. */
export function reportMethods(db: Db) {
  const holdsOf = () =>
    db
      .selectFrom('targets')
      .leftJoin('holds', (join) =>
        join.onRef('holds.scope', '=', 'targets.scope').onRef('holds.name', '=', 'targets.name'),
      )
      .selectAll('targets')
      .select(['holds.since as hold_since', 'holds.why as hold_why'])

  const ask: Ask = async <Row>(text: string, values: readonly (string | number)[] = []) =>
    (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows

  return {
    summary: (now: Date) => summaryOf(ask, now),
    ...lookups(ask),

    list: async (filter: TargetFilter, { sort, reverse, offset, limit }: Page): Promise<readonly KnownTarget[]> => {
      const direction = reverse ? 'desc' : 'asc'
      let query = holdsOf().where((eb) => matching(eb, filter))
      for (const column of orders[sort]) query = query.orderBy(`targets.${column}`, direction)
      const rows = await query.orderBy('targets.id', direction).limit(limit).offset(offset).execute()
      return rows.map(knownTarget)
    },

    count: async (filter: TargetFilter): Promise<number> => {
      const query = db.selectFrom('targets').select((eb) => eb.fn.countAll<number>().as('count'))
      return (await query.where((eb) => matching(eb, filter)).executeTakeFirstOrThrow()).count
    },

    find: async (did: Did) => {
      const rows = await holdsOf()
        .where('targets.scope', '=', did.scope)
        .where('targets.name', '=', did.name)
        .orderBy('targets.pipeline')
        .orderBy('targets.generation', 'desc')
        .execute()
      const found = []
      for (const row of rows) found.push({ row: knownTarget(row), bundles: await bundlesOf(db, row.id) })
      return found
    },

    entries: async (bundle: BundleId) => {
      const entries = db.selectFrom('entries').selectAll().where('bundle_id', '=', bundle)
      return (await entries.orderBy('position').execute()).map(entryOf)
    },

    holds: async (): Promise<readonly (Hold & { readonly did: Did })[]> => {
      const rows = await db.selectFrom('holds').selectAll().orderBy('scope').orderBy('name').execute()
      return rows.map(({ scope, name, since, why }) => ({ did: { scope, name }, since: new Date(since), why }))
    },

    drained: (): Promise<Drain | null> => drainOf(ask),
    lastBackup: (): Promise<Backup | null> => backupOf(ask),
  }
}

const orders = {
  turn: ['pipeline', 'turn'],
  name: ['scope', 'name', 'generation'],
  size: ['bytes'],
  requested: ['requested_at'],
  ended: ['ended_at'],
  next: ['not_before'],
} as const

type Targets = ExpressionBuilder<Tables, 'targets'>

function matching(eb: Targets, { pipeline, state, glob, reason }: TargetFilter): Expression<SqlBool> {
  const conditions: Expression<SqlBool>[] = []
  if (pipeline !== undefined) conditions.push(eb('targets.pipeline', '=', pipeline))
  if (reason !== undefined) conditions.push(eb('targets.reason', '=', reason))
  if (glob !== undefined)
    conditions.push(sql<SqlBool>`targets.scope || ':' || targets.name LIKE ${patternOf(glob)} ESCAPE '\\'`)
  if (state !== undefined) conditions.push(inState(eb, state))
  return eb.and(conditions)
}

function inState(eb: Targets, state: NonNullable<TargetFilter['state']>): Expression<SqlBool> {
  const live = eb('targets.state', 'in', ['requested', 'frozen'])
  switch (state) {
    case 'live':
      return live
    case 'waiting':
      return eb.and([eb('targets.waiting', 'is not', null), eb('targets.state', '=', 'requested')])
    case 'damaged':
      return damagedTarget
    case 'failed':
      return eb('targets.failures', '>', 0)
    case 'held':
      return eb.and([live, eb.or([eb('targets.held', '=', 1), heldByPerson])])
    case 'requested':
    case 'frozen':
    case 'acknowledged':
    case 'withdrawn':
    case 'superseded':
      return eb('targets.state', '=', state)
  }
}

/** True of a target with an object that was found damaged. */
const damagedTarget = sql<SqlBool>`EXISTS (
  SELECT 1 FROM bundles AS bad WHERE bad.target_id = targets.id AND bad.damage IS NOT NULL)`

/** True of a target whose DID a person holds back. */
const heldByPerson = sql<SqlBool>`EXISTS (
  SELECT 1 FROM holds AS person WHERE person.scope = targets.scope AND person.name = targets.name)`

type HeldRow = TargetTable & { readonly hold_since: string | null; readonly hold_why: string | null }

const knownTarget = (row: HeldRow): KnownTarget => ({
  ...targetRow(row),
  hold: row.hold_since === null ? null : { since: new Date(row.hold_since), why: row.hold_why },
})
