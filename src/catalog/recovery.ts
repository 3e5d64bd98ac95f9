import { closedAtOf } from '../model/manifest.ts'
import type { BundleId } from '../model/bundle.ts'
import type { TargetId } from '../model/target.ts'
import type { Recovered } from './catalog.ts'
import type { Db } from './database.ts'
import { insertEntries } from './targets.ts'
import { clear, nextId } from './transitions.ts'

/** What is written down again of a vault whose catalog was lost. */
export function recoveryMethods(db: Db) {
  return {
    recover: (
      pipeline: string,
      { did, generation, content, bundles, superseded }: Recovered,
      at: Date,
    ): Promise<void> =>
      db.transaction().execute(async (trx) => {
        const id = (await nextId(trx, 'targets')) as TargetId
        const time = at.toISOString()
        await trx
          .insertInto('targets')
          .values({
            ...{ id, pipeline, scope: did.scope, name: did.name, generation, turn: id, waiting: null },
            ...{ state: superseded === null ? 'frozen' : 'superseded', ended_why: superseded },
            ...{ requested_at: time, frozen_at: time, rebuilt_at: time, ended_at: superseded === null ? null : time },
            closed_at: content.closedAt.toISOString(),
            length: content.entries.length,
            bytes: content.bytes,
            fingerprint: content.fingerprint,
            metadata: JSON.stringify(content.metadata),
            ...clear,
          })
          .execute()
        let bundle = (await nextId(trx, 'bundles')) as BundleId
        for (const { location, adler32, attempts, ...planned } of bundles) {
          await trx
            .insertInto('bundles')
            .values({
              ...{ id: bundle, target_id: id, pipeline, turn: id, part: planned.part, parts: planned.parts },
              ...{ state: 'written', location, bytes: planned.bytes, files: planned.entries.length },
              ...{
                manifest: planned.manifest,
                closed_at: closedAtOf(planned.manifest).toISOString(),
                adler32,
                written_at: time,
                mismatches: 0,
                moved: 0,
              },
              // Numbers of attempts are never used twice: there may be parts of earlier ones.
              ...{ attempts: attempts + 1, debris: attempts > 0 ? 1 : 0 },
            })
            .execute()
          await insertEntries(trx, bundle, planned)
          bundle = (bundle + 1) as BundleId
        }
      }),
  }
}
