import type { ErrorCode, Problem } from '../model/errors.ts'
import type { AgentRow, Backup, Drain, Move, PauseRow, PipelineSummary, PollRow, Summary } from './catalog.ts'
import type { Ask } from './ask.ts'
import { literal, dueFrom } from './due-from.ts'
import { date, type BundleTable, type Tables, type TargetTable } from './tables.ts'

type Target<Column extends keyof TargetTable> = Pick<TargetTable, Column>
type Bundle<Column extends keyof BundleTable> = Pick<BundleTable, Column>
interface Counted {
  readonly count: number
}

const hourMs = 3_600_000

/** The counts of all pipelines: the one source of status, page and metrics. */
export async function summaryOf(ask: Ask, now: Date): Promise<Summary> {
  const targets = await targetCounts(ask)
  const bundles = await bundleCounts(ask)
  const reasons = await reasonCounts(ask, now)
  const people = await heldByPeople(ask)
  const moving = await moves(ask)
  const lately = await confirmedWithin(ask, new Date(now.getTime() - hourMs), now)
  const verified = await verifications(ask)
  const polls = await pollRows(ask)
  const pauses = await pauseRows(ask)
  const names = new Set([...targets, ...polls, ...pauses].map((row) => row.pipeline))
  const pipelines = [...names].sort().map((pipeline): PipelineSummary => {
    const of = <T extends { readonly pipeline: string }>(rows: readonly T[]) =>
      rows.filter((row) => row.pipeline === pipeline)
    const without = <T extends { readonly pipeline: string }>(rows: readonly T[]) =>
      of(rows).map(({ pipeline: _, ...rest }) => rest)
    return {
      pipeline,
      targets: without(targets).map(({ oldest: _, ...counted }) => counted),
      bundles: without(bundles),
      moving: without(moving),
      verification: without(verified)[0] ?? null,
      confirmedLately: without(lately)[0] ?? { count: 0, bytes: 0 },
      failed: of(reasons).reduce((sum, { count }) => sum + count, 0),
      reasons: without(reasons),
      heldByPeople: of(people)[0]?.count ?? 0,
      oldestRequest: oldestRequest(of(targets)),
      polls: of(polls),
      pause: of(pauses)[0] ?? null,
    }
  })
  return {
    agent: await agentOf(ask),
    credential: await credentialSeen(ask),
    drain: await drainOf(ask),
    backup: await backupOf(ask),
    stuck: await stuckOf(ask),
    pipelines,
  }
}

async function targetCounts(ask: Ask) {
  const rows = await ask<
    Target<'pipeline' | 'state' | 'waiting' | 'held' | 'bytes'> & Counted & { readonly oldest: string }
  >(
    `SELECT pipeline, state, waiting, held, count(*) AS count, sum(bytes) AS bytes, min(requested_at) AS oldest
     FROM targets GROUP BY pipeline, state, waiting, held`,
  )
  return rows.map((row) => ({ ...row, held: row.held === 1, bytes: row.bytes ?? 0 }))
}

async function bundleCounts(ask: Ask) {
  const rows = await ask<Bundle<'pipeline' | 'state' | 'bytes'> & Counted & { readonly live: 0 | 1 }>(
    `SELECT bundles.pipeline, bundles.state,
       CASE WHEN targets.state = 'frozen' AND targets.held = 0 THEN 1 ELSE 0 END AS live,
       count(*) AS count, sum(bundles.bytes) AS bytes
     FROM bundles JOIN targets ON targets.id = bundles.target_id
     GROUP BY bundles.pipeline, bundles.state, live`,
  )
  return rows.map((row) => ({ ...row, live: row.live === 1 }))
}

/** RFC 3339 texts sort as the times pass. */
function oldestRequest(counted: Awaited<ReturnType<typeof targetCounts>>): Date | null {
  const open = counted.filter(({ state, waiting }) => (state === 'requested' || state === 'frozen') && waiting === null)
  return date(open.map(({ oldest }) => oldest).sort()[0] ?? null)
}

async function reasonCounts(ask: Ask, now: Date) {
  const rows = await ask<
    Target<'pipeline' | 'reason' | 'held'> & Counted & { readonly since: string; readonly next: string | null }
  >(
    `SELECT pipeline, reason, held, count(*) AS count, min(failing_since) AS since, min(${dueFrom(now)}) AS next
     FROM targets WHERE failures > 0 GROUP BY pipeline, reason, held ORDER BY count DESC`,
  )
  return rows.map(({ pipeline, reason, held, count, since, next }) => ({
    pipeline,
    code: reason as ErrorCode,
    held: held === 1,
    count,
    since: new Date(since),
    // It sorts as a text, and what is due is due now.
    next: next !== null && next < now.toISOString() ? now : date(next),
  }))
}

const heldByPeople = (ask: Ask) =>
  ask<Target<'pipeline'> & Counted>(
    `SELECT pipeline, count(*) AS count
     FROM targets JOIN holds ON holds.scope = targets.scope AND holds.name = targets.name
     WHERE state IN ('requested', 'frozen') GROUP BY pipeline`,
  )

type Claimed = Target<'scope' | 'name'> &
  Bundle<'pipeline' | 'part' | 'parts' | 'state' | 'attempts' | 'bytes' | 'moved'> & {
    readonly claimed_at: string
    readonly moved_at: string
  }

async function moves(ask: Ask): Promise<readonly (Move & { readonly pipeline: string })[]> {
  const rows = await ask<Claimed>(
    `SELECT bundles.pipeline, targets.scope, targets.name, bundles.part, bundles.parts, bundles.state, bundles.attempts,
       bundles.bytes, bundles.moved, bundles.claimed_at, bundles.moved_at
     FROM bundles JOIN targets ON targets.id = bundles.target_id
     WHERE bundles.claim IS NOT NULL ORDER BY bundles.claimed_at`,
  )
  return rows.map((row) => ({
    pipeline: row.pipeline,
    did: { scope: row.scope, name: row.name },
    part: row.part,
    parts: row.parts,
    doing: row.state === 'written' ? 'reading back' : 'writing',
    attempt: row.attempts,
    bytes: row.bytes,
    moved: row.moved,
    since: new Date(row.claimed_at),
    movedAt: new Date(row.moved_at),
  }))
}

const confirmedWithin = (ask: Ask, since: Date, until: Date) =>
  ask<Bundle<'pipeline' | 'bytes'> & Counted>(
    `SELECT pipeline, count(*) AS count, sum(bytes) AS bytes
     FROM bundles WHERE confirmed_at > ${literal(since)} AND confirmed_at <= ${literal(until)} GROUP BY pipeline`,
  )

async function verifications(ask: Ask) {
  const rows = await ask<
    Bundle<'pipeline'> & {
      readonly objects: number
      readonly never: number
      readonly oldest: string
      readonly damaged: number
      readonly onTape: number
    }
  >(
    `SELECT pipeline, count(*) AS objects, sum(CASE WHEN verified_at IS NULL THEN 1 ELSE 0 END) AS never,
       min(coalesce(verified_at, confirmed_at)) AS oldest, sum(CASE WHEN damage IS NULL THEN 0 ELSE 1 END) AS damaged,
       sum(CASE WHEN on_tape_at IS NULL THEN 0 ELSE 1 END) AS onTape
     FROM bundles WHERE state = 'confirmed' AND removed_at IS NULL GROUP BY pipeline`,
  )
  return rows.map((row) => ({ ...row, oldest: new Date(row.oldest) }))
}

async function pollRows(ask: Ask): Promise<readonly PollRow[]> {
  const rows = await ask<Tables['polls']>('SELECT * FROM polls ORDER BY scope')
  return rows.map((row) => ({
    pipeline: row.pipeline,
    scope: row.scope,
    polledAt: new Date(row.polled_at),
    succeededAt: date(row.succeeded_at),
    found: row.found,
    problem: row.problem === null ? null : (JSON.parse(row.problem) as Problem),
  }))
}

async function pauseRows(ask: Ask): Promise<readonly PauseRow[]> {
  const rows = await ask<Tables['pauses']>('SELECT * FROM pauses')
  return rows.map((row) => ({
    pipeline: row.pipeline,
    since: new Date(row.since),
    problem: JSON.parse(row.problem) as Problem,
  }))
}

async function agentOf(ask: Ask): Promise<AgentRow | null> {
  const [row] = await ask<Tables['agents']>('SELECT * FROM agents')
  if (row === undefined) return null
  const { version, host, pid, started_at, heard_at, ended_at } = row
  return {
    version,
    host,
    pid,
    startedAt: new Date(started_at),
    heardAt: new Date(heard_at),
    endedAt: date(ended_at),
  }
}

async function stuckOf(ask: Ask): Promise<Summary['stuck']> {
  const rows = await ask<Tables['stuck_movers']>('SELECT * FROM stuck_movers ORDER BY since, pid')
  return rows.map(({ since, freed_by, ...row }) => ({ ...row, since: new Date(since), freedBy: freed_by }))
}

async function credentialSeen(ask: Ask): Promise<Summary['credential']> {
  const [row] = await ask<Tables['credentials']>('SELECT * FROM credentials')
  if (row === undefined) return null
  return {
    kind: row.kind,
    file: row.file,
    from: date(row.good_from),
    until: date(row.good_until),
    issued: date(row.issued_at),
    problem: row.problem === null ? null : (JSON.parse(row.problem) as Problem),
    seenAt: new Date(row.seen_at),
  }
}

export async function backupOf(ask: Ask): Promise<Backup | null> {
  const [row] = await ask<Tables['backups']>('SELECT * FROM backups')
  if (row === undefined) return null
  const { made_at, path, bytes, failed_at, problem } = row
  return {
    ...{ at: date(made_at), path, bytes, failedAt: date(failed_at) },
    problem: problem === null ? null : (JSON.parse(problem) as Problem),
  }
}

/** Whether the agent may begin new work. */
export async function drainOf(ask: Ask): Promise<Drain | null> {
  const [row] = await ask<Tables['drains']>('SELECT * FROM drains')
  return row === undefined ? null : { since: new Date(row.since), why: row.why }
}
