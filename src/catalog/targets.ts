import { sql, type Transaction } from 'kysely'
import { closedAtOf } from '../model/manifest.ts'
import type { BundleId, PlannedBundle } from '../model/bundle.ts'
import { didKey, type Did } from '../model/did.ts'
import type { Problem } from '../model/errors.ts'
import type { Sighting, TargetId } from '../model/target.ts'
import { bundlesOf } from './bundles.ts'
import type { Catalog, Generation, Observed, Requested, Setback, TargetRow } from './catalog.ts'
import type { Db } from './database.ts'
import { longAgo } from './due-from.ts'
import { targetRow, type Tables, type TargetTable } from './tables.ts'
import { changed, chunks, clear, due, nextId } from './transitions.ts'

type Trx = Transaction<Tables>

/** Everything that happens to targets, from the first sight of a request to its end. */
export function targetMethods(db: Db) {
  return {
    observe: (pipeline: string, scope: string, sightings: readonly Sighting[], at: Date): Promise<Observed> =>
      db.transaction().execute(async (trx) => {
        const live = await trx
          .selectFrom('targets')
          .selectAll()
          .where('pipeline', '=', pipeline)
          .where('scope', '=', scope)
          .where('state', 'in', ['requested', 'frozen'])
          .execute()
        const rows = new Map(live.map((row) => [didKey(row), row]))
        const fresh: Sighting[] = []
        const superseded: TargetRow[] = []
        for (const sighting of sightings) {
          const row = rows.get(didKey(sighting.did))
          rows.delete(didKey(sighting.did))
          if (row === undefined) fresh.push(sighting)
          else if (row.state === 'requested') await refresh(trx, row, sighting)
          else {
            const why = changeOf(row, sighting)
            if (why === null) continue
            await end(trx, row.id, 'frozen', 'superseded', why, at)
            superseded.push(targetRow(row))
            fresh.push(sighting)
          }
        }
        await request(trx, pipeline, scope, fresh, at)
        const seen = {
          polled_at: at.toISOString(),
          succeeded_at: at.toISOString(),
          found: sightings.length,
          problem: null,
        }
        await trx
          .insertInto('polls')
          .values({ pipeline, scope, ...seen })
          .onConflict((conflict) => conflict.columns(['pipeline', 'scope']).doUpdateSet(seen))
          .execute()
        const unseen = await unlessConfirmed(trx, [...rows.values()])
        return { fresh: fresh.length - superseded.length, unseen: unseen.map(targetRow), superseded }
      }),

    missed: (pipeline: string, scope: string, problem: Problem, at: Date): Promise<boolean> =>
      db.transaction().execute(async (trx) => {
        const polls = trx.selectFrom('polls').select('problem').where('pipeline', '=', pipeline)
        const before = (await polls.where('scope', '=', scope).executeTakeFirst())?.problem ?? null
        const failed = { polled_at: at.toISOString(), problem: JSON.stringify(problem) }
        await trx
          .insertInto('polls')
          .values({ pipeline, scope, found: 0, ...failed })
          .onConflict((conflict) => conflict.columns(['pipeline', 'scope']).doUpdateSet(failed))
          .execute()
        return before === null || (JSON.parse(before) as Problem).code !== problem.code
      }),

    forgetOtherPolls: async (pipeline: string, scopes: readonly string[]): Promise<void> => {
      await db.deleteFrom('polls').where('pipeline', '=', pipeline).where('scope', 'not in', scopes).execute()
    },

    withdraw: (targets: Parameters<Catalog['withdraw']>[0], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { id, why } of targets) await end(trx, id, null, 'withdrawn', why, at)
      }),

    supersede: (targets: Parameters<Catalog['supersede']>[0], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { id, why } of targets) await end(trx, id, 'frozen', 'superseded', why, at)
      }),

    requested: async (pipeline: string, limit: number, now: Date): Promise<readonly Requested[]> => {
      const rows = await db
        .selectFrom('targets')
        .selectAll()
        .where('pipeline', '=', pipeline)
        .where('state', '=', 'requested')
        .where('waiting', 'is', null)
        .where(due(now))
        .orderBy('turn')
        .orderBy('id')
        .limit(limit)
        .execute()
      const requests: Requested[] = []
      for (const row of rows)
        requests.push({ row: targetRow(row), earlier: row.generation === 1 ? [] : await earlierGenerations(db, row) })
      return requests
    },

    endBackOffs: async (pipeline: string): Promise<void> => {
      await db
        .updateTable('targets')
        .set({ not_before: longAgo })
        .where('pipeline', '=', pipeline)
        .where('state', 'in', ['requested', 'frozen'])
        .where('not_before', 'is not', null)
        .execute()
    },

    freeze: (targets: Parameters<Catalog['freeze']>[0], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { id, content, bundles } of targets) {
          changed(
            await trx
              .updateTable('targets')
              .set({
                state: 'frozen',
                closed_at: content.closedAt.toISOString(),
                length: content.entries.length,
                bytes: content.bytes,
                fingerprint: content.fingerprint,
                metadata: JSON.stringify(content.metadata),
                frozen_at: at.toISOString(),
                ...clear,
              })
              .where('id', '=', id)
              .where('state', '=', 'requested')
              .executeTakeFirst(),
            `freeze target ${id}`,
          )
          await insertBundles(trx, id, bundles)
        }
      }),

    revive: (requestId: TargetId, earlier: TargetId, closedAt: Date, at: Date): Promise<boolean> =>
      db.transaction().execute(async (trx) => {
        const removed = trx.selectFrom('bundles').select('id').where('target_id', '=', earlier)
        if ((await removed.where('removed_at', 'is not', null).limit(1).executeTakeFirst()) !== undefined) return false
        changed(
          await trx
            .deleteFrom('targets')
            .where('id', '=', requestId)
            .where('state', '=', 'requested')
            .executeTakeFirst(),
          `drop request ${requestId}`,
        )
        changed(
          await trx
            .updateTable('targets')
            .set({
              state: 'frozen',
              closed_at: closedAt.toISOString(),
              rebuilt_at: null,
              frozen_at: at.toISOString(),
              ended_at: null,
              ended_why: null,
              waiting: null,
              ...clear,
            })
            .where('id', '=', earlier)
            .where('state', 'in', ['acknowledged', 'withdrawn', 'superseded'])
            .executeTakeFirst(),
          `revive target ${earlier}`,
        )
        return true
      }),

    setBack: async (id: TargetId, setback: Setback): Promise<void> => {
      await db
        .updateTable('targets')
        .set({
          failures: sql`failures + 1`,
          failed_at: setback.at.toISOString(),
          failing_since: sql`coalesce(failing_since, ${setback.at.toISOString()})`,
          reason: setback.problems[0]?.code ?? null,
          failed_bundle: setback.bundle,
          not_before: setback.notBefore?.toISOString() ?? null,
          held: setback.held ? 1 : 0,
          problems: JSON.stringify(setback.problems),
        })
        .where('id', '=', id)
        .where('state', 'in', ['requested', 'frozen'])
        // What waits for a person goes on waiting, whatever else fails meanwhile.
        .$if(setback.notBefore !== null, (update) =>
          update.where((eb) => eb.or([eb('held', '=', 0), eb('not_before', 'is not', null)])),
        )
        .execute()
    },

    retry: (targets: readonly TargetId[]): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const ids of chunks(targets, 500)) {
          const update = trx.updateTable('targets').set(clear).where('id', 'in', ids)
          await update.where('state', 'in', ['requested', 'frozen']).execute()
        }
      }),

    removing: (id: TargetId, at: Date): Promise<boolean> =>
      db.transaction().execute(async (trx) => {
        const ended = trx.selectFrom('targets').select('id').where('id', '=', id).where('ended_at', 'is not', null)
        if ((await ended.executeTakeFirst()) === undefined) return false
        const objects = trx.updateTable('bundles').set({ removed_at: at.toISOString() }).where('target_id', '=', id)
        await objects.where('state', '=', 'confirmed').where('removed_at', 'is', null).execute()
        return true
      }),

    acknowledge: (targets: readonly TargetId[], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const id of targets) await end(trx, id, 'frozen', 'acknowledged', null, at)
      }),
  }
}

/**
 * Leaves out frozen targets all of whose bundles are confirmed, and those that were read back from the vault: they may be unseen because
 * they have been told done.
 */
async function unlessConfirmed(trx: Trx, rows: readonly TargetTable[]): Promise<readonly TargetTable[]> {
  const left: TargetTable[] = []
  for (const row of rows.filter(({ rebuilt_at }) => rebuilt_at === null)) {
    const open = trx
      .selectFrom('bundles')
      .select('id')
      .where('target_id', '=', row.id)
      .where('state', '!=', 'confirmed')
    if (row.state === 'requested' || (await open.limit(1).executeTakeFirst()) !== undefined) left.push(row)
  }
  return left
}

/** New requests of one scope: each stands one turn behind the scope's last, and none before the work that is due now. */
async function request(
  trx: Trx,
  pipeline: string,
  scope: string,
  sightings: readonly Sighting[],
  at: Date,
): Promise<void> {
  if (sightings.length === 0) return
  const live = trx.selectFrom('targets').where('pipeline', '=', pipeline).where('state', 'in', ['requested', 'frozen'])
  const { last } = await live
    .select((eb) => eb.fn.max<number | null>('turn').as('last'))
    .where('scope', '=', scope)
    .executeTakeFirstOrThrow()
  const { first } = await live.select((eb) => eb.fn.min<number | null>('turn').as('first')).executeTakeFirstOrThrow()
  let turn = Math.max(last ?? 0, (first ?? 1) - 1)
  let id = await nextId(trx, 'targets')
  for (const group of chunks(sightings, 200)) {
    const rows: TargetTable[] = []
    for (const sighting of group)
      rows.push(
        newTarget(id++ as TargetId, pipeline, sighting, await nextGeneration(trx, pipeline, sighting.did), ++turn, at),
      )
    await trx.insertInto('targets').values(rows).execute()
  }
}

const newTarget = (
  id: TargetId,
  pipeline: string,
  sighting: Sighting,
  generation: number,
  turn: number,
  at: Date,
): TargetTable => ({
  id,
  pipeline,
  scope: sighting.did.scope,
  name: sighting.did.name,
  generation,
  state: 'requested',
  waiting: sighting.waiting,
  turn,
  requested_at: at.toISOString(),
  closed_at: sighting.closedAt?.toISOString() ?? null,
  length: sighting.length,
  bytes: sighting.bytes,
  fingerprint: null,
  metadata: null,
  frozen_at: null,
  ended_at: null,
  ended_why: null,
  rebuilt_at: null,
  ...clear,
})

/** What a later poll says of a request: another reason to wait, or another content. A change makes it due at once. */
async function refresh(trx: Trx, row: TargetTable, sighting: Sighting): Promise<void> {
  const now = {
    waiting: sighting.waiting,
    closed_at: sighting.closedAt?.toISOString() ?? null,
    length: sighting.length,
    bytes: sighting.bytes,
  }
  const same =
    row.waiting === now.waiting &&
    row.closed_at === now.closed_at &&
    row.length === now.length &&
    row.bytes === now.bytes
  if (same) return
  await trx
    .updateTable('targets')
    .set({ ...now, ...clear })
    .where('id', '=', row.id)
    .execute()
}

/** How a frozen target differs from what a poll shows; null if it does not. */
function changeOf(row: TargetTable, sighting: Sighting): string | null {
  if (sighting.waiting === 'open') return 'the dataset was reopened'
  if (sighting.waiting !== null) return `it is now ${sighting.waiting}`
  // What is read back from the vault knows when it was closed as it was written, not whether that was the last time.
  if (row.rebuilt_at === null && row.closed_at !== (sighting.closedAt?.toISOString() ?? null))
    return 'the dataset was reopened and closed again'
  if (row.length !== sighting.length) return `the dataset had ${row.length} files and has ${sighting.length} now`
  if (row.bytes !== sighting.bytes) return `the dataset had ${row.bytes} bytes and has ${sighting.bytes} now`
  return null
}

async function nextGeneration(trx: Trx, pipeline: string, did: Did): Promise<number> {
  const { last } = await trx
    .selectFrom('targets')
    .select((eb) => eb.fn.max<number | null>('generation').as('last'))
    .where('pipeline', '=', pipeline)
    .where('scope', '=', did.scope)
    .where('name', '=', did.name)
    .executeTakeFirstOrThrow()
  return (last ?? 0) + 1
}

/** The generations before `row` that were archived, or could be gone on with, newest first: what was superseded is neither. */
async function earlierGenerations(db: Db, row: TargetTable): Promise<readonly Generation[]> {
  const targets = await db
    .selectFrom('targets')
    .selectAll()
    .where('pipeline', '=', row.pipeline)
    .where('scope', '=', row.scope)
    .where('name', '=', row.name)
    .where('generation', '<', row.generation)
    .where('fingerprint', 'is not', null)
    .where('state', 'in', ['acknowledged', 'withdrawn'])
    .orderBy('generation', 'desc')
    .execute()
  const generations: Generation[] = []
  for (const target of targets) generations.push({ row: targetRow(target), bundles: await bundlesOf(db, target.id) })
  return generations
}

async function end(
  trx: Trx,
  id: TargetId,
  from: 'frozen' | null,
  to: 'acknowledged' | 'withdrawn' | 'superseded',
  why: string | null,
  at: Date,
): Promise<void> {
  changed(
    await trx
      .updateTable('targets')
      .set({ state: to, ended_at: at.toISOString(), ended_why: why, ...clear })
      .where('id', '=', id)
      .where('state', 'in', from === null ? ['requested', 'frozen'] : [from])
      .executeTakeFirst(),
    `mark target ${id} ${to}`,
  )
}

async function insertBundles(trx: Trx, target: TargetId, bundles: readonly PlannedBundle[]): Promise<void> {
  const { pipeline, turn } = await trx
    .selectFrom('targets')
    .select(['pipeline', 'turn'])
    .where('id', '=', target)
    .executeTakeFirstOrThrow()
  let id = (await nextId(trx, 'bundles')) as BundleId
  for (const bundle of bundles) {
    await trx
      .insertInto('bundles')
      .values({
        id,
        target_id: target,
        pipeline,
        turn,
        part: bundle.part,
        parts: bundle.parts,
        state: 'planned',
        bytes: bundle.bytes,
        files: bundle.entries.length,
        manifest: bundle.manifest,
        closed_at: closedAtOf(bundle.manifest).toISOString(),
        attempts: 0,
        debris: 0,
        mismatches: 0,
        moved: 0,
      })
      .execute()
    await insertEntries(trx, id, bundle)
    id = (id + 1) as BundleId
  }
}

export async function insertEntries(
  trx: Trx,
  bundle: BundleId,
  { entries, offsets }: Pick<PlannedBundle, 'entries' | 'offsets'>,
): Promise<void> {
  let position = 0
  for (const group of chunks(entries, 500)) {
    const rows = group.map((entry) => ({
      bundle_id: bundle,
      position,
      scope: entry.did.scope,
      name: entry.did.name,
      bytes: entry.bytes,
      adler32: entry.adler32,
      md5: entry.md5,
      pfn: entry.pfn,
      path: entry.path,
      member_offset: offsets[position++]!,
    }))
    await trx.insertInto('entries').values(rows).execute()
  }
}
