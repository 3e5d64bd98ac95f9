import type { BundleId } from '../model/bundle.ts'
import { noTape, type TapeAccess } from '../model/residency.ts'
import type { Ask } from './ask.ts'
import type { ArchivedFile, ArchivedObject, CatalogLookup, Recall, VaultPlace } from './catalog.ts'
import { didMatches, patternOf } from './glob.ts'
import {
  date,
  entryOf,
  type BundleTable,
  type EntryTable,
  type RecallTable,
  type Tables,
  type TargetTable,
} from './tables.ts'

const objectColumns = `bundles.id, bundles.pipeline, targets.scope, targets.name, targets.generation, targets.state AS target_state,
  bundles.part, bundles.parts, bundles.state, bundles.location, bundles.bytes, bundles.files, bundles.written_at, bundles.confirmed_at,
  bundles.removed_at, bundles.verified_at, bundles.damage, bundles.on_tape_at, bundles.closed_at,
  targets.rebuilt_at`

type ObjectRow = Pick<TargetTable, 'scope' | 'name' | 'generation' | 'rebuilt_at'> & {
  readonly target_state: TargetTable['state']
} & Pick<
    BundleTable,
    | 'id'
    | 'pipeline'
    | 'part'
    | 'parts'
    | 'state'
    | 'location'
    | 'bytes'
    | 'files'
    | 'written_at'
    | 'confirmed_at'
    | 'removed_at'
    | 'verified_at'
    | 'damage'
    | 'on_tape_at'
    | 'closed_at'
  >

/** What it takes to find a file again. */
export function lookups(ask: Ask): CatalogLookup {
  async function objectsWhere(condition: string, values: readonly (string | number)[]) {
    const rows = await ask<ObjectRow>(
      `SELECT ${objectColumns} FROM bundles JOIN targets ON targets.id = bundles.target_id
       WHERE ${condition} ORDER BY targets.scope, targets.name, bundles.pipeline, targets.generation DESC, bundles.part`,
      values,
    )
    return rows.map(objectOf)
  }
  return {
    objects: (glob) => {
      const { text, values } = didMatches('targets', glob)
      return objectsWhere(text, values)
    },

    unverified: async ({ glob, pipeline }, before) => {
      const did = glob === undefined ? { text: '1 = 1', values: [] } : didMatches('targets', glob)
      const since = 'coalesce(bundles.verified_at, bundles.confirmed_at)'
      const conditions = [
        "bundles.state = 'confirmed' AND bundles.removed_at IS NULL",
        ...(pipeline === undefined ? [] : ['bundles.pipeline = ?']),
        ...(before === null ? [] : [`${since} < ?`]),
      ]
      const rows = await ask<ObjectRow>(
        `SELECT ${objectColumns} FROM bundles JOIN targets ON targets.id = bundles.target_id
         WHERE ${did.text} AND ${conditions.join(' AND ')} ORDER BY ${since}, bundles.id`,
        [
          ...did.values,
          ...(pipeline === undefined ? [] : [pipeline]),
          ...(before === null ? [] : [before.toISOString()]),
        ],
      )
      return rows.map(objectOf)
    },

    verifications: async (bundle) => {
      const rows = await ask<Tables['verifications']>(
        'SELECT * FROM verifications WHERE bundle_id = ? ORDER BY id DESC',
        [bundle],
      )
      return rows.map(({ at, bytes, seconds, direct, source, outcome, what }) => {
        return { at: new Date(at), bytes, seconds, direct: direct === 1, source, outcome, what }
      })
    },

    filesOf: async (bundle, glob) => {
      const named = glob === undefined ? '' : "AND name LIKE ? ESCAPE '\\'"
      const values = [bundle, ...(glob === undefined ? [] : [patternOf(glob)])]
      const rows = await ask<EntryTable>(`SELECT * FROM entries WHERE bundle_id = ? ${named} ORDER BY position`, values)
      return rows.map(fileOf)
    },

    filesNamed: async (glob) => {
      const { text, values } = didMatches('entries', glob)
      const rows = await ask<EntryTable>(`SELECT * FROM entries WHERE ${text} ORDER BY scope, name`, values)
      const objects = new Map<BundleId, ArchivedObject>()
      for (const id of new Set(rows.map((row) => row.bundle_id)))
        for (const object of await objectsWhere('bundles.id = ?', [id])) objects.set(id, object)
      return rows.map((row) => ({ file: fileOf(row), object: objects.get(row.bundle_id)! }))
    },

    manifest: async (object) => {
      const [row] = await ask<Pick<BundleTable, 'manifest'>>('SELECT manifest FROM bundles WHERE id = ?', [object])
      return row!.manifest
    },

    places: async () => {
      const rows = await ask<Tables['pipelines']>('SELECT * FROM pipelines')
      return new Map(
        rows.map((row): [string, VaultPlace] => {
          const tape = row.tape === null ? noTape : (JSON.parse(row.tape) as TapeAccess)
          return [row.name, { root: row.vault_root, mount: row.vault_mount, tape }]
        }),
      )
    },

    recalls: async () => {
      const rows = await ask<RecallTable>('SELECT * FROM recalls WHERE ended_at IS NULL ORDER BY id')
      const recalls: Recall[] = []
      for (const { bundle_id, asked_at, asked_by } of rows) {
        const [object] = await objectsWhere('bundles.id = ?', [bundle_id])
        recalls.push({ object: object!, askedAt: new Date(asked_at), askedBy: asked_by })
      }
      return recalls
    },
  }
}

const objectOf = (row: ObjectRow): ArchivedObject => ({
  id: row.id,
  pipeline: row.pipeline,
  did: { scope: row.scope, name: row.name },
  generation: row.generation,
  target: row.target_state,
  part: row.part,
  parts: row.parts,
  state: row.state,
  location: row.location,
  bytes: row.bytes,
  files: row.files,
  closedAt: new Date(row.closed_at),
  writtenAt: date(row.written_at),
  confirmedAt: date(row.confirmed_at),
  verifiedAt: date(row.verified_at),
  damage: row.damage,
  onTapeAt: date(row.on_tape_at),
  removedAt: date(row.removed_at),
  rebuilt: row.rebuilt_at !== null && row.state === 'written',
})

const fileOf = (row: EntryTable): ArchivedFile => ({
  object: row.bundle_id,
  entry: entryOf(row),
  offset: row.member_offset,
})
