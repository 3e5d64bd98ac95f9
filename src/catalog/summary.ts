import { sql } from 'kysely'
import type { ErrorCode, Problem } from '../model/errors.ts'
import type { AgentRow, Drain, Move, PauseRow, PipelineSummary, PollRow, Summary } from './catalog.ts'
import type { Db } from './database.ts'
import { nextTry } from './transitions.ts'

const hourMs = 3_600_000

/** The counts of all pipelines: the one source of status, page and metrics. */
export async function summaryOf(db: Db, now: Date): Promise<Summary> {
  const targets = await targetCounts(db)
  const bundles = await bundleCounts(db)
  const oldest = await oldestRequests(db)
  const reasons = await reasonCounts(db, now)
  const people = await heldByPeople(db)
  const moving = await moves(db)
  const lately = await confirmedWithin(db, new Date(now.getTime() - hourMs), now)
  const polls = await pollRows(db)
  const pauses = await pauseRows(db)
  const names = new Set([...targets, ...polls, ...pauses].map((row) => row.pipeline))
  const pipelines = [...names].sort().map((pipeline): PipelineSummary => {
    const of = <T extends { readonly pipeline: string }>(rows: readonly T[]) =>
      rows.filter((row) => row.pipeline === pipeline)
    const without = <T extends { readonly pipeline: string }>(rows: readonly T[]) =>
      of(rows).map(({ pipeline: _, ...rest }) => rest)
    return {
      pipeline,
      targets: without(targets),
      bundles: without(bundles),
      moving: without(moving),
      confirmedLately: without(lately)[0] ?? { count: 0, bytes: 0 },
      failed: of(reasons).reduce((sum, { count }) => sum + count, 0),
      reasons: without(reasons),
      heldByPeople: of(people)[0]?.count ?? 0,
      oldestRequest: of(oldest)[0]?.at ?? null,
      polls: of(polls),
      pause: of(pauses)[0] ?? null,
    }
  })
  return {
    agent: await agentOf(db),
    credential: await credentialSeen(db),
    drain: await drainOf(db),
    stuck: await stuckOf(db),
    pipelines,
  }
}

async function targetCounts(db: Db) {
  const rows = await db
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
  return rows.map((row) => ({ ...row, held: row.held === 1, bytes: row.bytes ?? 0 }))
}

async function bundleCounts(db: Db) {
  const rows = await db
    .selectFrom('bundles')
    .innerJoin('targets', 'targets.id', 'bundles.target_id')
    .select((eb) => [
      'bundles.pipeline as pipeline',
      'bundles.state as state',
      sql<0 | 1>`CASE WHEN targets.state = 'frozen' AND targets.held = 0 THEN 1 ELSE 0 END`.as('live'),
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number>('bundles.bytes').as('bytes'),
    ])
    .groupBy(['bundles.pipeline', 'bundles.state', 'live'])
    .execute()
  return rows.map((row) => ({ ...row, live: row.live === 1 }))
}

async function oldestRequests(db: Db) {
  const rows = await db
    .selectFrom('targets')
    .select((eb) => ['pipeline', eb.fn.min('requested_at').as('at')])
    .where('state', 'in', ['requested', 'frozen'])
    .where('waiting', 'is', null)
    .groupBy('pipeline')
    .execute()
  return rows.map(({ pipeline, at }) => ({ pipeline, at: new Date(at) }))
}

async function reasonCounts(db: Db, now: Date) {
  const rows = await db
    .selectFrom('targets')
    .select((eb) => [
      'pipeline',
      'reason',
      'held',
      eb.fn.countAll<number>().as('count'),
      eb.fn.min('failing_since').as('since'),
      eb.fn.min<string | null>(nextTry(now)).as('next'),
    ])
    .where('failures', '>', 0)
    .groupBy(['pipeline', 'reason', 'held'])
    .orderBy('count', 'desc')
    .execute()
  return rows.map(({ pipeline, reason, held, count, since, next }) => ({
    pipeline,
    code: reason as ErrorCode,
    held: held === 1,
    count,
    since: new Date(since!),
    next: next === null ? null : new Date(next),
  }))
}

const heldByPeople = (db: Db) =>
  db
    .selectFrom('targets')
    .innerJoin('holds', (join) =>
      join.onRef('holds.scope', '=', 'targets.scope').onRef('holds.name', '=', 'targets.name'),
    )
    .select((eb) => ['pipeline', eb.fn.countAll<number>().as('count')])
    .where('state', 'in', ['requested', 'frozen'])
    .groupBy('pipeline')
    .execute()

async function moves(db: Db): Promise<readonly (Move & { readonly pipeline: string })[]> {
  const rows = await db
    .selectFrom('bundles')
    .innerJoin('targets', 'targets.id', 'bundles.target_id')
    .select([
      'bundles.pipeline',
      'targets.scope',
      'targets.name',
      'bundles.part',
      'bundles.parts',
      'bundles.state',
      'bundles.attempts',
      'bundles.bytes',
      'bundles.moved',
      'bundles.claimed_at',
      'bundles.moved_at',
    ])
    .where('bundles.claim', 'is not', null)
    .orderBy('bundles.claimed_at')
    .execute()
  return rows.map((row) => ({
    pipeline: row.pipeline,
    did: { scope: row.scope, name: row.name },
    part: row.part,
    parts: row.parts,
    doing: row.state === 'written' ? 'reading back' : 'writing',
    attempt: row.attempts,
    bytes: row.bytes,
    moved: row.moved,
    since: new Date(row.claimed_at!),
    movedAt: new Date(row.moved_at!),
  }))
}

const confirmedWithin = (db: Db, since: Date, until: Date) =>
  db
    .selectFrom('bundles')
    .select((eb) => ['pipeline', eb.fn.countAll<number>().as('count'), eb.fn.sum<number>('bytes').as('bytes')])
    .where('confirmed_at', '>', since.toISOString())
    .where('confirmed_at', '<=', until.toISOString())
    .groupBy('pipeline')
    .execute()

async function pollRows(db: Db): Promise<readonly PollRow[]> {
  const rows = await db.selectFrom('polls').selectAll().orderBy('scope').execute()
  return rows.map((row) => ({
    pipeline: row.pipeline,
    scope: row.scope,
    polledAt: new Date(row.polled_at),
    succeededAt: row.succeeded_at === null ? null : new Date(row.succeeded_at),
    found: row.found,
    problem: row.problem === null ? null : (JSON.parse(row.problem) as Problem),
  }))
}

async function pauseRows(db: Db): Promise<readonly PauseRow[]> {
  const rows = await db.selectFrom('pauses').selectAll().execute()
  return rows.map((row) => ({
    pipeline: row.pipeline,
    since: new Date(row.since),
    problem: JSON.parse(row.problem) as Problem,
  }))
}

async function agentOf(db: Db): Promise<AgentRow | null> {
  const row = await db.selectFrom('agents').selectAll().executeTakeFirst()
  if (row === undefined) return null
  const { version, host, pid, started_at, heard_at, ended_at } = row
  return {
    version,
    host,
    pid,
    startedAt: new Date(started_at),
    heardAt: new Date(heard_at),
    endedAt: ended_at === null ? null : new Date(ended_at),
  }
}

async function stuckOf(db: Db): Promise<Summary['stuck']> {
  const rows = await db.selectFrom('stuck_movers').selectAll().orderBy('since').orderBy('pid').execute()
  return rows.map(({ since, freed_by, ...row }) => ({ ...row, since: new Date(since), freedBy: freed_by }))
}

async function credentialSeen(db: Db): Promise<Summary['credential']> {
  const row = await db.selectFrom('credentials').selectAll().executeTakeFirst()
  if (row === undefined) return null
  return {
    kind: row.kind,
    file: row.file,
    from: row.good_from === null ? null : new Date(row.good_from),
    until: row.good_until === null ? null : new Date(row.good_until),
    issued: row.issued_at === null ? null : new Date(row.issued_at),
    problem: row.problem === null ? null : (JSON.parse(row.problem) as Problem),
    seenAt: new Date(row.seen_at),
  }
}

/** Whether the agent may begin new work. */
export async function drainOf(db: Db): Promise<Drain | null> {
  const row = await db.selectFrom('drains').selectAll().executeTakeFirst()
  return row === undefined ? null : { since: new Date(row.since), why: row.why }
}
