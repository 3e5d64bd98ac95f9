import { sql, type Transaction } from 'kysely'
import { isDamage, type BundleId, type Proof, type Verification } from '../model/bundle.ts'
import type { TargetId } from '../model/target.ts'
import type { BundleRow, Catalog, Claim, Debris, RecallOutcome } from './catalog.ts'
import type { Db } from './database.ts'
import { bundleColumns, bundleRow, entryOf, targetRow, type BundleTable, type Tables } from './tables.ts'
import { changed, clear, due, nextId } from './transitions.ts'

type Trx = Transaction<Tables>

/** A command that asks for objects takes no longer than this. */
const unsentMs = 5 * 60_000

/** Everything that happens to bundles, from their location to their proof. */
export function bundleMethods(db: Db) {
  return {
    voidClaims: async (): Promise<void> => {
      await db.updateTable('bundles').set({ claim: null }).where('claim', 'is not', null).execute()
    },

    planned: async (pipeline: string, now: Date) => {
      const target = await db
        .selectFrom('bundles')
        .innerJoin('targets', 'targets.id', 'bundles.target_id')
        .selectAll('targets')
        .where('bundles.pipeline', '=', pipeline)
        .where('bundles.state', '=', 'planned')
        .where('targets.state', '=', 'frozen')
        .where(due(now))
        .orderBy('bundles.turn')
        .orderBy('bundles.id')
        .limit(1)
        .executeTakeFirst()
      if (target === undefined) return null
      const own = db.selectFrom('bundles').select(bundleColumns).where('target_id', '=', target.id)
      const bundles = await own.where('state', '=', 'planned').orderBy('part').execute()
      return { target: targetRow(target), bundles: bundles.map(bundleRow) }
    },

    assign: (bundles: Parameters<Catalog['assign']>[0]): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { id, location } of bundles) {
          const update = trx.updateTable('bundles').set({ state: 'assigned', location })
          changed(
            await update.where('id', '=', id).where('state', '=', 'planned').executeTakeFirst(),
            `assign bundle ${id}`,
          )
        }
      }),

    clashes: async (pipeline: string, target: TargetId, locations: readonly string[]) => {
      const others = db
        .selectFrom('bundles')
        .innerJoin('targets', 'targets.id', 'bundles.target_id')
        .select(['targets.scope', 'targets.name', 'bundles.location'])
        .where('bundles.pipeline', '=', pipeline)
        .where('targets.id', '!=', target)
        .limit(10)
      const found: { did: { scope: string; name: string }; location: string }[] = []
      for (const location of locations) {
        // Two questions: joined by OR, neither would be answered by the index of locations.
        for (const clashing of [
          others.where('bundles.location', 'in', [location, ...above(location)]),
          // Everything that begins with `location/`: '0' follows '/'.
          others.where('bundles.location', '>=', `${location}/`).where('bundles.location', '<', `${location}0`),
        ])
          for (const row of await clashing.execute())
            found.push({ did: { scope: row.scope, name: row.name }, location: row.location! })
      }
      return found
    },

    claim: (pipeline: string, state: 'assigned' | 'written', now: Date): Promise<Claim | null> =>
      db.transaction().execute(async (trx) => {
        const next = await trx
          .selectFrom('bundles')
          .innerJoin('targets', 'targets.id', 'bundles.target_id')
          .select('bundles.id')
          .where('bundles.pipeline', '=', pipeline)
          .where('bundles.state', '=', state)
          .where('bundles.claim', 'is', null)
          .where('targets.state', '=', 'frozen')
          .where(due(now))
          .orderBy('bundles.turn')
          .orderBy('bundles.id')
          .limit(1)
          .executeTakeFirst()
        if (next === undefined) return null
        const attempt = state === 'assigned' ? sql<number>`attempts + 1` : sql<number>`attempts`
        const bundle = await trx
          .updateTable('bundles')
          .set({
            attempts: attempt,
            claim: attempt,
            claimed_at: now.toISOString(),
            moved: 0,
            moved_at: now.toISOString(),
            ...(state === 'assigned' && { debris: 1 }),
          })
          .where('id', '=', next.id)
          .where('state', '=', state)
          .where('claim', 'is', null)
          .returningAll()
          .executeTakeFirstOrThrow()
        return claimOf(trx, bundle)
      }),

    release: async (claim: Claim): Promise<void> => {
      await db
        .updateTable('bundles')
        .set({ claim: null })
        .where('id', '=', claim.id)
        .where('claim', '=', claim.attempt)
        .execute()
    },

    moved: async (claim: Claim, bytes: number, since: Date, at: Date): Promise<void> => {
      await db
        .updateTable('bundles')
        .set({ moved: bytes, claimed_at: since.toISOString(), moved_at: at.toISOString() })
        .where('id', '=', claim.id)
        .where('claim', '=', claim.attempt)
        .execute()
    },

    written: (claim: Claim, adler32: string, packer: number, at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        const values = { state: 'written', adler32, packer, written_at: at.toISOString(), claim: null } as const
        await leave(trx, claim, 'assigned', values)
        await forget(trx, claim)
      }),

    confirmed: (claim: Claim, proof: Proof, at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        const values = {
          state: 'confirmed',
          confirmed_at: at.toISOString(),
          proof: JSON.stringify(proof),
          debris: 0,
          claim: null,
        } as const
        await leave(trx, claim, 'written', values)
        await forget(trx, claim)
      }),

    unwritten: (claim: Claim, mismatch: boolean): Promise<number> =>
      db.transaction().execute(async (trx) => {
        const mismatches = claim.mismatches + (mismatch ? 1 : 0)
        await leave(trx, claim, 'written', { ...unwrittenBundle, mismatches })
        return mismatches
      }),

    unconfirm: (bundles: readonly BundleId[]): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const id of bundles) {
          const update = trx.updateTable('bundles').set(unconfirmedBundle)
          changed(
            await update.where('id', '=', id).where('state', '=', 'confirmed').executeTakeFirst(),
            `write bundle ${id} again`,
          )
        }
      }),

    confirmedObject: async (id: BundleId): Promise<Claim | null> => {
      const bundle = await db.selectFrom('bundles').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
      return bundle.state === 'confirmed' && bundle.removed_at === null ? claimOf(db, bundle) : null
    },

    verified: (id: BundleId, confirmedAt: Date, verification: Verification): Promise<boolean> =>
      db.transaction().execute(async (trx) => {
        const { at, bytes, seconds, direct, source, outcome, what } = verification
        const found =
          outcome === 'good'
            ? { verified_at: at.toISOString(), damage: null }
            : isDamage(verification)
              ? { damage: what ?? 'it is not there' }
              : { id } // what could not be read says nothing of the object
        const { numUpdatedRows } = await trx
          .updateTable('bundles')
          .set(found)
          .where('id', '=', id)
          .where('state', '=', 'confirmed')
          .where('confirmed_at', '=', confirmedAt.toISOString())
          .where('removed_at', 'is', null)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) return false
        const row = { id: await nextId(trx, 'verifications'), bundle_id: id, at: at.toISOString(), bytes, seconds }
        await trx
          .insertInto('verifications')
          .values({ ...row, direct: direct ? 1 : 0, source, outcome, what })
          .execute()
        return true
      }),

    sawOnTape: (bundles: Parameters<Catalog['sawOnTape']>[0], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { id, confirmedAt } of bundles) {
          const update = trx.updateTable('bundles').set({ on_tape_at: at.toISOString() }).where('id', '=', id)
          await update
            .where('state', '=', 'confirmed')
            .where('confirmed_at', '=', confirmedAt.toISOString())
            .where('on_tape_at', 'is', null)
            .execute()
        }
      }),

    recall: (bundles: readonly BundleId[], by: string, at: Date, lapsed: Date): Promise<readonly BundleId[]> =>
      db.transaction().execute(async (trx) => {
        const asked: BundleId[] = []
        const unsent = new Date(at.getTime() - unsentMs).toISOString()
        for (const id of bundles) {
          const open = trx.updateTable('recalls').where('bundle_id', '=', id).where('ended_at', 'is', null)
          await open
            .set({ ended_at: at.toISOString(), outcome: 'lapsed' })
            // By a clock that was ahead it was asked for in the future: nobody knows how long ago that is.
            .where((eb) =>
              eb.or([
                eb('asked_at', '<', lapsed.toISOString()),
                eb('asked_at', '>', at.toISOString()),
                eb.and([eb('sent_at', 'is', null), eb('asked_at', '<', unsent)]),
              ]),
            )
            .execute()
          const others = trx
            .selectFrom('recalls')
            .select('id')
            .where('bundle_id', '=', id)
            .where('ended_at', 'is', null)
          if ((await others.executeTakeFirst()) !== undefined) continue
          const row = { id: await nextId(trx, 'recalls'), bundle_id: id, asked_at: at.toISOString(), asked_by: by }
          await trx
            .insertInto('recalls')
            .values({ ...row, sent_at: null, ended_at: null, outcome: null })
            .execute()
          asked.push(id)
        }
        return asked
      }),
    recallSent: (bundles: readonly BundleId[], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const id of bundles) {
          const update = trx.updateTable('recalls').set({ sent_at: at.toISOString() })
          await update.where('bundle_id', '=', id).where('ended_at', 'is', null).execute()
        }
      }),
    endRecalls: (bundles: readonly BundleId[], outcome: RecallOutcome, at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const id of bundles) {
          const update = trx.updateTable('recalls').set({ ended_at: at.toISOString(), outcome })
          await update.where('bundle_id', '=', id).where('ended_at', 'is', null).execute()
        }
      }),

    repair: (id: TargetId, bundles: readonly BundleId[], at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        const target = await trx.selectFrom('targets').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
        const { pipeline, scope, name, generation } = target
        await trx
          .deleteFrom('targets')
          .where('pipeline', '=', pipeline)
          .where('scope', '=', scope)
          .where('name', '=', name)
          .where('generation', '>', generation)
          .where('state', '=', 'requested')
          .execute()
        await trx.deleteFrom('holds').where('scope', '=', scope).where('name', '=', name).execute()
        changed(
          await trx
            .updateTable('targets')
            .set({ state: 'frozen', frozen_at: at.toISOString(), ended_at: null, ended_why: null, ...clear })
            .where('id', '=', id)
            .where('state', 'in', ['acknowledged', 'frozen'])
            .executeTakeFirst(),
          `take up ${scope}:${name} again`,
        )
        for (const bundle of bundles) {
          const update = trx.updateTable('bundles').set(unconfirmedBundle).where('id', '=', bundle)
          changed(await update.where('state', '=', 'confirmed').executeTakeFirst(), `write bundle ${bundle} again`)
        }
      }),

    debris: async (pipeline: string, limit: number): Promise<readonly Debris[]> => {
      const rows = await db
        .selectFrom('bundles')
        .innerJoin('targets', 'targets.id', 'bundles.target_id')
        .select(['bundles.id', 'bundles.target_id', 'bundles.location', 'bundles.attempts'])
        .where('bundles.pipeline', '=', pipeline)
        .where('bundles.debris', '=', 1)
        .where('bundles.claim', 'is', null)
        .where('targets.state', 'in', ['acknowledged', 'withdrawn', 'superseded'])
        .limit(limit)
        .execute()
      const targets = await targetsOf(db, rows)
      return rows.map((row) => ({
        id: row.id,
        target: targets.get(row.target_id)!,
        location: row.location!,
        attempts: row.attempts,
      }))
    },

    cleaned: (id: BundleId): Promise<void> =>
      db.transaction().execute(async (trx) => {
        await trx.updateTable('bundles').set({ debris: 0 }).where('id', '=', id).execute()
        await trx
          .updateTable('bundles')
          .set(unwrittenBundle)
          .where('id', '=', id)
          .where('state', '=', 'written')
          .execute()
      }),

    ready: async (pipeline: string, limit: number, now: Date) => {
      const rows = await db
        .selectFrom('targets')
        .selectAll()
        .where('pipeline', '=', pipeline)
        .where('state', '=', 'frozen')
        .where(due(now))
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('bundles')
                .select('bundles.id')
                .whereRef('bundles.target_id', '=', 'targets.id')
                .where('bundles.state', '!=', 'confirmed'),
            ),
          ),
        )
        .orderBy('turn')
        .orderBy('id')
        .limit(limit)
        .execute()
      const ids = rows.map((row) => row.id)
      const bundles =
        ids.length === 0
          ? []
          : await db.selectFrom('bundles').select(bundleColumns).where('target_id', 'in', ids).orderBy('part').execute()
      return rows.map((row) => ({
        row: targetRow(row),
        bundles: bundles.filter((b) => b.target_id === row.id).map(bundleRow),
      }))
    },
  }
}

export const bundlesOf = async (db: Db, target: TargetId): Promise<readonly BundleRow[]> => {
  const bundles = db.selectFrom('bundles').select(bundleColumns).where('target_id', '=', target)
  return (await bundles.orderBy('part').execute()).map(bundleRow)
}

const unwrittenBundle = { state: 'assigned', adler32: null, packer: null, written_at: null } as const
const unconfirmedBundle = {
  ...unwrittenBundle,
  confirmed_at: null,
  proof: null,
  verified_at: null,
  damage: null,
  on_tape_at: null,
}

/** A claim's transition: from the state it names, by the worker whose attempt it is. */
async function leave(
  trx: Trx,
  claim: Claim,
  from: 'assigned' | 'written',
  values: Partial<BundleTable>,
): Promise<void> {
  const update = trx.updateTable('bundles').set(values).where('id', '=', claim.id)
  changed(
    await update.where('state', '=', from).where('claim', '=', claim.attempt).executeTakeFirst(),
    `commit attempt ${claim.attempt} of bundle ${claim.id}`,
  )
}

/** A bundle that made progress no longer stands in its target's way. */
async function forget(trx: Trx, claim: Claim): Promise<void> {
  await trx
    .updateTable('targets')
    .set(clear)
    .where('id', '=', claim.target.id)
    .where('failed_bundle', '=', claim.id)
    .execute()
}

async function claimOf(trx: Db | Trx, bundle: BundleTable): Promise<Claim> {
  const target = await trx
    .selectFrom('targets')
    .selectAll()
    .where('id', '=', bundle.target_id)
    .executeTakeFirstOrThrow()
  const entries = await trx
    .selectFrom('entries')
    .selectAll()
    .where('bundle_id', '=', bundle.id)
    .orderBy('position')
    .execute()
  return {
    id: bundle.id,
    target: targetRow(target),
    part: bundle.part,
    parts: bundle.parts,
    location: bundle.location!,
    attempt: bundle.attempts,
    manifest: bundle.manifest,
    bytes: bundle.bytes,
    entries: entries.map(entryOf),
    adler32: bundle.adler32,
    packer: bundle.packer,
    mismatches: bundle.mismatches,
  }
}

async function targetsOf(db: Db, bundles: readonly { target_id: TargetId }[]) {
  const ids = [...new Set(bundles.map((bundle) => bundle.target_id))]
  const rows = ids.length === 0 ? [] : await db.selectFrom('targets').selectAll().where('id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.id, targetRow(row)]))
}

/** `a/b/c` → `a`, `a/b`. */
function above(path: string): string[] {
  const components = path.split('/').slice(0, -1)
  return components.map((_, index) => components.slice(0, index + 1).join('/'))
}
