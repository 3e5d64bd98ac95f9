import type { ArchivedFile, ArchivedObject, CatalogLookup, VaultPlace } from '../catalog/catalog.ts'
import { openQuickly, type QuickReader } from '../catalog/reader.ts'
import { catalogNamed } from '../config/catalog-key.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import type { GlobalOptions, QuietTerminal } from './command.ts'
import { didOf, isGlob } from './selection.ts'

/** What the reading commands ask of the catalog: what was archived, and where it is. */

/** Opens the catalog that the config names, whatever else is in the config, and without loading what only archiving needs. */
export async function openNamed({ config }: GlobalOptions, { env, cwd }: QuietTerminal): Promise<QuickReader> {
  const named = await catalogNamed(config, { env, cwd })
  if (named !== null) return openQuickly(named)
  const { configOf } = await import('./config.ts')
  return openQuickly((await configOf({ ...(config !== undefined && { config }) }, { env, cwd })).catalog)
}

/** Whether an object is in the vault, under its location, as far as the catalog knows. */
export const isPublished = ({ state, removedAt, rebuilt }: ArchivedObject): boolean =>
  (state === 'confirmed' || rebuilt) && removedAt === null

/** Files of one object. */
export interface Picked {
  readonly object: ArchivedObject
  readonly files: readonly ArchivedFile[]
}

export interface Wish {
  /** Of a dataset, or of one file. */
  readonly did: string
  /** Names or globs of files in it; none: all. */
  readonly files: readonly string[]
  /** null: the newest that is archived whole. */
  readonly generation: number | null
}

/**
 * What is wanted, by object, in the order in which the objects were written: that is how they lie on tape.
 * @throws TapeRseError UNKNOWN_DID: there is no such dataset or file, or no such file in it
 */
export async function pick(catalog: CatalogLookup, wish: Wish): Promise<readonly Picked[]> {
  const did = didOf(wish.did)
  if (isGlob(wish.did))
    throw failure(
      'USAGE',
      `Cannot take ${wish.did}: it is a glob, and one DID is wanted`,
      'See what it matches by `tape-rse list`. Files of one dataset: --file GLOB.',
    )
  const objects = await catalog.objects(formatDid(did))
  if (objects.length === 0) return pickFile(catalog, wish)
  const chosen = newestOf(objects, wish)
  const found = new Set<string>()
  const picked: Picked[] = []
  for (const object of chosen) {
    const files =
      wish.files.length === 0
        ? await catalog.filesOf(object.id)
        : await filesMatching(catalog, object, wish.files, (glob) => found.add(glob))
    if (files.length > 0) picked.push({ object, files })
  }
  const unknown = wish.files.filter((glob) => !found.has(glob))
  if (unknown.length > 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find ${unknown.join(', ')} in ${wish.did}: none of its files has such a name`,
      `\`tape-rse ls ${wish.did}\` shows them.`,
    )
  return picked.sort(byWriting)
}

async function filesMatching(
  catalog: CatalogLookup,
  object: ArchivedObject,
  globs: readonly string[],
  found: (glob: string) => void,
): Promise<readonly ArchivedFile[]> {
  const files = new Map<number, ArchivedFile>()
  for (const glob of globs) {
    for (const file of await catalog.filesOf(object.id, glob)) {
      found(glob)
      files.set(file.offset, file)
    }
  }
  return [...files.values()]
}

const byWriting = (a: Picked, b: Picked): number =>
  (a.object.writtenAt?.getTime() ?? 0) - (b.object.writtenAt?.getTime() ?? 0) || a.object.id - b.object.id

/** One file, without its dataset: out of the object that was proven last. */
async function pickFile(catalog: CatalogLookup, { did, files, generation }: Wish): Promise<readonly Picked[]> {
  const copies = await catalog.filesNamed(did)
  if (copies.length === 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find ${did}: the catalog knows no dataset and no file of that name`,
      'Check how it is spelled; case counts. `tape-rse where` takes globs.',
    )
  if (files.length > 0)
    throw failure('USAGE', `Cannot take files out of ${did}: it is a file`, 'Leave out --file, or name a dataset.')
  const proven = ({ object }: (typeof copies)[number]) =>
    isPublished(object) ? (object.confirmedAt?.getTime() ?? 0) : -1
  const wanted = copies.filter(({ object }) => generation === null || object.generation === generation)
  if (wanted.length === 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find ${did} in generation ${generation!}: it is in no object of that generation`,
      `\`tape-rse where ${did}\` shows where it is.`,
    )
  const [best] = [...wanted].sort((a, b) => proven(b) - proven(a))
  return [{ object: best!.object, files: [best!.file] }]
}

/** The objects of one generation in one pipeline: the newest that is archived whole, else the newest of which anything is. */
function newestOf(objects: readonly ArchivedObject[], { did, generation }: Wish): readonly ArchivedObject[] {
  const groups = [...Map.groupBy(objects, (object) => `${object.generation} ${object.pipeline}`).values()].filter(
    ([first]) => generation === null || first!.generation === generation,
  )
  if (groups.length === 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find generation ${generation!} of ${did}: the catalog knows no such generation`,
      `\`tape-rse where ${did}\` shows those that there are.`,
    )
  const worth = (group: readonly ArchivedObject[]) => (group.every(isPublished) ? 2 : group.some(isPublished) ? 1 : 0)
  return groups.sort((a, b) => worth(b) - worth(a) || b[0]!.generation - a[0]!.generation)[0]!
}

/**
 * Where the vault of a pipeline is.
 * @throws TapeRseError CATALOG_UNUSABLE: no agent has said so yet
 */
export function placeOf(places: ReadonlyMap<string, VaultPlace>, pipeline: string): VaultPlace {
  const place = places.get(pipeline)
  if (place !== undefined) return place
  throw failure(
    'CATALOG_UNUSABLE',
    `Cannot tell where the vault of pipeline ${pipeline} is: no agent has said so since the catalog was upgraded`,
    'Start the agent, or run `tape-rse run --once`.',
  )
}

/** Why an object cannot be read yet, or any more, as a clause. */
export function whyNotPublished({ state, removedAt, target }: ArchivedObject): string {
  if (removedAt !== null) return `it was removed at ${removedAt.toISOString()}`
  if (target !== 'frozen') return `its dataset was ${target} before it was archived`
  return state === 'written' ? 'it is written, and not proven yet' : 'it is not written yet'
}
