import type { ArchivedFile } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { nameMatcher } from '../model/glob.ts'
import { parseManifest, type ManifestFacts } from '../model/manifest.ts'
import { anyMover, type Survey } from '../model/order.ts'
import type { Supervisor } from '../mover/supervisor.ts'
import { layoutOf } from '../pack/zip-layout.ts'
import { checkMemberNames } from '../pack/zip-names.ts'
import { refusing } from '../pack/zip-refusal.ts'
import { fetchOrder, type Batch, type Wanted } from './batch.ts'
import { isGlob } from './selection.ts'

interface WishAt {
  /** Absolute: of a zip, or of the directory of a dataset. */
  readonly path: string
  /** Names or globs of files; none: all. */
  readonly files: readonly string[]
  /** null: the newest. */
  readonly generation: number | null
}

/** An object, by its own manifest. */
interface Found {
  readonly location: string
  readonly facts: ManifestFacts
  readonly files: readonly Pick<ArchivedFile, 'entry' | 'offset'>[]
}

/**
 * What is to be read at a path, without a catalog. Objects of tape-rse say in their manifest what they hold, and so where; of other zips
 * the mover reads the directory.
 * @throws TapeRseError OBJECT_MISSING, USAGE, UNKNOWN_DID, ZIP_*
 */
export async function batchesAt(wish: WishAt, movers: Supervisor, signal: AbortSignal): Promise<Wanted> {
  const { answer } = await movers.run<'survey'>({ kind: 'survey', path: wish.path }, anyMover, signal)
  const { root, zips, isDirectory } = answer
  const found = zips.flatMap((zip) => ('manifest' in zip ? [objectOf(root, zip)] : []))
  if (found.length > 0) return ofObjects(newestOf(found, wish), root, { zips, isDirectory }, wish)
  const [only] = zips
  if (zips.length === 1 && only !== undefined && 'unreadable' in only)
    throw failure('VAULT_IO', only.unreadable, 'Call it again.')
  if (zips.length === 1 && only !== undefined) return ofOther(only, root, wish)
  throw failure(
    'OBJECT_MISSING',
    `Cannot get anything from ${wish.path}: ${zips.length === 0 ? 'there is no zip in it' : 'none of its zips is one of tape-rse'}`,
    'Name one zip, or the directory of a dataset.',
  )
}

/** A dataset in more objects than this is none. */
const maxParts = 100_000

function objectOf(root: string, { location, manifest }: { location: string; manifest: string }): Found {
  const facts = parseManifest(manifest)!
  const refuse = refusing(`${root}/${location}`)
  if (facts.parts > maxParts) throw refuse('ZIP_COUNT', `it says that it is one of ${facts.parts} objects`)
  const names = facts.entries.map(({ did, bytes }) => ({ name: did.name, bytes }))
  checkMemberNames(
    names.map(({ name }) => name),
    refuse,
  )
  const { offsets } = layoutOf(Buffer.byteLength(manifest), names)
  return { location, facts, files: facts.entries.map((entry, index) => ({ entry, offset: offsets[index + 1]! })) }
}

/** The objects of one generation of one dataset. */
function newestOf(found: readonly Found[], { path, generation }: WishAt): readonly Found[] {
  const datasets = [...new Set(found.map(({ facts }) => formatDid(facts.did)))]
  if (datasets.length > 1)
    throw failure(
      'USAGE',
      `Cannot tell which dataset of ${path}: it holds objects of ${datasets.slice(0, 5).join(', ')}${datasets.length > 5 ? ' and others' : ''}`,
      'Name one zip, or the directory of one dataset.',
    )
  const groups = [...Map.groupBy(found, ({ facts }) => `${facts.catalog} ${facts.generation}`).values()].filter(
    ([first]) => generation === null || first!.facts.generation === generation,
  )
  if (groups.length === 0)
    throw failure('UNKNOWN_DID', `Cannot find generation ${generation!} at ${path}: no object there is of it`, '')
  const generationOf = (group: readonly Found[]) => group[0]!.facts.generation
  return groups.sort((a, b) => generationOf(b) - generationOf(a) || b.length - a.length)[0]!
}

function ofObjects(
  objects: readonly Found[],
  root: string,
  { zips, isDirectory }: Pick<Survey, 'zips' | 'isDirectory'>,
  wish: WishAt,
): Wanted {
  const [{ facts }] = objects as [Found]
  const matches = nameMatcher(wish.files)
  const picked = objects
    .map((object) => ({
      ...object,
      files: object.files.filter(({ entry }) => wish.files.length === 0 || matches(entry.did.name)),
    }))
    .filter(({ files }) => files.length > 0)
    .sort((a, b) => a.facts.part - b.facts.part)
  const unknown = wish.files.filter((glob) => {
    const matchesIt = nameMatcher([glob])
    return !picked.some(({ files }) => files.some(({ entry }) => matchesIt(entry.did.name)))
  })
  const parts = new Set(objects.map(({ facts: { part } }) => part))
  const missing = !isDirectory
    ? []
    : Array.from({ length: facts.parts }, (_, index) => index + 1).filter((part) => !parts.has(part))
  if (unknown.length > 0 && missing.length === 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find ${unknown.join(', ')} at ${wish.path}: none of the files there has such a name`,
      '`unzip -l` shows them.',
    )
  const isComplete = wish.files.length > 0 && unknown.length === 0 && !wish.files.some(isGlob)
  return {
    batches: [
      ...picked.map(({ location, facts: { closedAt }, files }): Batch => {
        const names = files.map(({ entry }) => entry.did.name)
        const bytes = files.reduce((sum, { entry }) => sum + entry.bytes, 0)
        const place = { root, mount: null }
        return {
          object: location,
          names,
          bytes,
          known: null,
          order: (to) => fetchOrder({ object: { location, closedAt }, files }, place, to),
        }
      }),
      ...(isComplete
        ? []
        : missing.map((part): Batch => {
            const names = [`part ${part} of ${facts.parts}`]
            return { object: '', names, outcome: 'unreadable', why: 'no object there says that it is it' }
          })),
      ...(isComplete || (wish.generation !== null && missing.length === 0) ? [] : unusable(zips)),
    ],
    notes: [],
  }
}

/** Zips that cannot say what they are: one of them may be of a newer generation, or a part that is missing. */
const unusable = (zips: Survey['zips']): readonly Batch[] =>
  zips.flatMap((zip): Batch[] => {
    const { location } = zip
    if ('difference' in zip)
      return [
        {
          object: location,
          names: [location],
          outcome: 'mismatch',
          why: `what it holds is not known: ${zip.difference}`,
        },
      ]
    if ('unreadable' in zip)
      return [{ object: location, names: [location], outcome: 'unreadable', why: zip.unreadable }]
    return []
  })

/** A zip that another program made, or whose manifest is damaged. */
function ofOther(zip: Survey['zips'][number], root: string, { files: names }: WishAt): Wanted {
  const { location } = zip
  const what = 'foreign' in zip ? zip.foreign : 'difference' in zip ? zip.difference : ''
  return {
    batches: [
      {
        ...{ object: location, names: [names.length === 1 ? names[0]! : location], bytes: 0, known: null },
        order: (to) => ({ kind: 'extract', vault: { root, mount: null }, location, names, to }),
      },
    ],
    notes: [
      `No manifest of tape-rse says what ${location} has to hold (${what}): the CRCs of the zip were all there is to check by.`,
    ],
  }
}
