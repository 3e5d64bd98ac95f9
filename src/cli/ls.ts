import { formatDid } from '../model/did.ts'
import { openNamed, pick, placeOf, type Picked } from './archived.ts'
import type { GlobalOptions, QuietTerminal, Run } from './command.ts'
import { bytesText, jsonText, table } from './format.ts'
import { generationOf } from './selection.ts'
import { fileJson } from './where.ts'

interface LsOptions extends GlobalOptions {
  readonly did: string
  readonly file?: readonly string[]
  readonly generation?: string
  readonly json?: boolean
}

/** `ls DID`: the files of a dataset as it was archived, and which object each is in. */
export const ls: Run<LsOptions, QuietTerminal> = async (options, terminal) => {
  const catalog = await openNamed(options, terminal)
  try {
    const { did, file: files = [] } = options
    const picked = await pick(catalog, { did, files, generation: generationOf(options) })
    if (options.json === true) {
      const places = await catalog.places()
      terminal.print(jsonText(picked.flatMap((each) => filesJson(each, placeOf(places, each.object.pipeline).root))))
    } else terminal.print(fileTable(picked))
    return 0
  } finally {
    catalog.close()
  }
}

const filesJson = ({ object, files }: Picked, root: string) =>
  files.map((file) => ({
    ...fileJson(file),
    ...{ part: object.part, object: object.location === null ? null : `${root}/${object.location}` },
  }))

const fileTable = (picked: readonly Picked[]): string =>
  table(
    [
      { title: 'FILE' },
      { title: 'SIZE', align: 'right' },
      { title: 'ADLER32' },
      { title: 'MD5' },
      { title: 'PART', align: 'right' },
    ],
    picked.flatMap(({ object, files }) =>
      files.map(({ entry: { did, bytes, adler32, md5 } }) => [
        formatDid(did),
        bytesText(bytes),
        adler32 ?? '',
        md5 ?? '',
        `${object.part} of ${object.parts}`,
      ]),
    ),
  )
