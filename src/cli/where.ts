import type { ArchivedFile, ArchivedObject, VaultPlace } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { isPublished, openNamed, placeOf, whyNotPublished } from './archived.ts'
import type { GlobalOptions, QuietTerminal, Run } from './command.ts'
import { bytesText, jsonText, table } from './format.ts'
import { recipe } from './recipe.ts'
import { didOf } from './selection.ts'

interface WhereOptions extends GlobalOptions {
  readonly did: string
  readonly recipe?: boolean
  readonly json?: boolean
}

/** An object, and the one file in it that was asked for, or all. */
interface Whereabouts {
  readonly object: ArchivedObject
  readonly path: string
  readonly file: ArchivedFile | null
}

/** `where DID|GLOB`: the objects of datasets; of files, also where they begin in their object. */
export const where: Run<WhereOptions, QuietTerminal> = async (options, terminal) => {
  didOf(options.did)
  const found = await whereabouts(options, terminal)
  if (found.length === 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find ${options.did}: the catalog knows no dataset and no file of that name`,
      'Check how it is spelled; case counts. `*` is any text, `?` one character.',
    )
  if (options.json === true) terminal.print(jsonText(found.map(asJson)))
  else if (options.recipe === true) terminal.print(recipes(found))
  else terminal.print(found[0]!.file === null ? objectTable(found) : fileTable(found))
  return 0
}

async function whereabouts(
  { did, ...options }: WhereOptions,
  terminal: QuietTerminal,
): Promise<readonly Whereabouts[]> {
  const catalog = await openNamed(options, terminal)
  try {
    const places = await catalog.places()
    const objects = await catalog.objects(did)
    if (objects.length > 0) return objects.map((object) => ({ object, path: pathOf(object, places), file: null }))
    const files = await catalog.filesNamed(did)
    return files.map(({ file, object }) => ({ object, path: pathOf(object, places), file }))
  } finally {
    catalog.close()
  }
}

const pathOf = ({ pipeline, location }: ArchivedObject, places: ReadonlyMap<string, VaultPlace>): string =>
  location === null ? '' : `${placeOf(places, pipeline).root}/${location}`

const stateOf = (object: ArchivedObject): string =>
  isPublished(object) ? (object.target === 'acknowledged' ? 'done' : 'proven') : whyNotPublished(object)

const right = 'right' as const

const objectTable = (found: readonly Whereabouts[]): string =>
  table(
    [
      { title: 'DATASET' },
      { title: 'GEN', align: right },
      { title: 'PART', align: right },
      { title: 'FILES', align: right },
      { title: 'SIZE', align: right },
      { title: 'STATE' },
      { title: 'OBJECT' },
    ],
    found.map(({ object, path }) => [
      formatDid(object.did),
      String(object.generation),
      `${object.part} of ${object.parts}`,
      String(object.files),
      bytesText(object.bytes),
      stateOf(object),
      path,
    ]),
  )

const fileTable = (found: readonly Whereabouts[]): string =>
  table(
    [
      { title: 'FILE' },
      { title: 'SIZE', align: right },
      { title: 'DATASET' },
      { title: 'GEN', align: right },
      { title: 'STATE' },
      { title: 'OBJECT' },
      { title: 'HEADER AT', align: right },
    ],
    found.map(({ object, path, file }) => [
      formatDid(file!.entry.did),
      bytesText(file!.entry.bytes),
      formatDid(object.did),
      String(object.generation),
      stateOf(object),
      path,
      String(file!.offset),
    ]),
  )

const recipes = (found: readonly Whereabouts[]): string =>
  found
    .filter(({ object }) => isPublished(object))
    .map(({ path, file }) => recipe(path, file === null ? null : file.entry))
    .join('\n\n')

const asJson = ({ object, path, file }: Whereabouts) => ({
  dataset: formatDid(object.did),
  ...{
    generation: object.generation,
    part: object.part,
    parts: object.parts,
    files: object.files,
    bytes: object.bytes,
  },
  ...{ pipeline: object.pipeline, object: path, state: stateOf(object), confirmedAt: object.confirmedAt },
  file: file === null ? null : fileJson(file),
})

/** A file in an object, for programs. */
export const fileJson = ({ entry: { did, bytes, adler32, md5, pfn }, offset }: ArchivedFile) => ({
  did: formatDid(did),
  ...{ bytes, adler32, md5, pfn, offset },
})
