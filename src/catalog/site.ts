import type { Credential } from '../model/credential.ts'
import type { Did } from '../model/did.ts'
import type { Problem } from '../model/errors.ts'
import type { StuckMover } from '../model/stuck.ts'
import type { Catalog, VaultPlace } from './catalog.ts'
import type { Db } from './database.ts'

/** What is known of the site and of its people: pauses, vaults, holds, the drain, the agent, what it signs in with, and its stuck movers. */
export function siteMethods(db: Db) {
  return {
    pause: async (pipeline: string, problem: Problem, at: Date): Promise<void> => {
      const row = { pipeline, since: at.toISOString(), problem: JSON.stringify(problem) }
      await db
        .insertInto('pauses')
        .values(row)
        .onConflict((conflict) => conflict.column('pipeline').doUpdateSet({ problem: row.problem }))
        .execute()
    },
    unpause: async (pipeline: string): Promise<void> => {
      await db.deleteFrom('pauses').where('pipeline', '=', pipeline).execute()
    },

    rememberPlace: async (pipeline: string, { root, mount, tape }: VaultPlace): Promise<void> => {
      const row = { vault_root: root, vault_mount: mount, tape: JSON.stringify(tape) }
      await db
        .insertInto('pipelines')
        .values({ name: pipeline, ...row })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
        .execute()
    },
    knowsVault: async (root: string): Promise<boolean> =>
      (await db.selectFrom('vaults').select('root').where('root', '=', root).executeTakeFirst()) !== undefined,
    rememberVault: async (root: string, at: Date): Promise<void> => {
      await db
        .insertInto('vaults')
        .values({ root, claimed_at: at.toISOString() })
        .onConflict((conflict) => conflict.column('root').doNothing())
        .execute()
    },

    hold: (dids: readonly Did[], why: string | null, at: Date): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { scope, name } of dids) {
          const insert = trx.insertInto('holds').values({ scope, name, why, since: at.toISOString() })
          await insert.onConflict((conflict) => conflict.columns(['scope', 'name']).doNothing()).execute()
        }
      }),
    unhold: (dids: readonly Did[]): Promise<void> =>
      db.transaction().execute(async (trx) => {
        for (const { scope, name } of dids)
          await trx.deleteFrom('holds').where('scope', '=', scope).where('name', '=', name).execute()
      }),

    backedUp: async (made: Parameters<Catalog['backedUp']>[0]): Promise<void> => {
      const at = made.at.toISOString()
      const row =
        'path' in made
          ? { made_at: at, path: made.path, bytes: made.bytes, failed_at: null, problem: null }
          : { failed_at: at, problem: JSON.stringify(made.problem) }
      const insert = db.insertInto('backups').values({ id: 1, ...row })
      await insert.onConflict((conflict) => conflict.column('id').doUpdateSet(row)).execute()
    },
    drain: async (why: string | null, at: Date): Promise<void> => {
      const insert = db.insertInto('drains').values({ id: 1, since: at.toISOString(), why })
      await insert.onConflict((conflict) => conflict.column('id').doNothing()).execute()
    },
    resume: async (): Promise<void> => {
      await db.deleteFrom('drains').execute()
    },

    agentStarted: async (agent: Parameters<Catalog['agentStarted']>[0], at: Date): Promise<void> => {
      const time = at.toISOString()
      const row = { ...agent, started_at: time, heard_at: time, ended_at: null }
      await db
        .insertInto('agents')
        .values({ id: 1, ...row })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute()
    },
    agentLives: async (at: Date): Promise<void> => {
      await db.updateTable('agents').set({ heard_at: at.toISOString() }).execute()
    },
    sawCredential: async (credential: Credential | null, at: Date): Promise<void> => {
      if (credential === null) {
        await db.deleteFrom('credentials').execute()
        return
      }
      const { kind, file, from, until, issued, problem } = credential
      const row = {
        kind,
        file,
        good_from: from?.toISOString() ?? null,
        good_until: until?.toISOString() ?? null,
        issued_at: issued?.toISOString() ?? null,
        problem: problem === null ? null : JSON.stringify(problem),
        seen_at: at.toISOString(),
      }
      await db
        .insertInto('credentials')
        .values({ id: 1, ...row })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute()
    },
    sawStuck: (movers: readonly StuckMover[]): Promise<void> =>
      db.transaction().execute(async (trx) => {
        await trx.deleteFrom('stuck_movers').execute()
        for (const { pid, operation, path, since, freedBy } of movers) {
          const row = { pid, operation, path, since: since.toISOString(), freed_by: freedBy }
          await trx.insertInto('stuck_movers').values(row).execute()
        }
      }),
    agentEnded: async (at: Date): Promise<void> => {
      await db.updateTable('agents').set({ heard_at: at.toISOString(), ended_at: at.toISOString() }).execute()
    },
  }
}
