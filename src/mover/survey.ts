import { ERRORS, TapeRseError } from '../model/errors.ts'
import type { ReadingSettings, Survey, SurveyOrder } from '../model/order.ts'
import type { Beat, Format } from '../pack/format.ts'
import type { ReadingVault, ZipsAt } from '../vault/vault.ts'
import { objectMissing } from './fetch.ts'

/** What it looks with. */
interface Sight {
  readonly zipsAt: (path: string) => ZipsAt | null
  readonly readingVault: (settings: ReadingSettings) => ReadingVault
  readonly format: Format
}

/** Looks at what lies at a path, without a catalog: what the manifests say, and nothing more is read. */
export function survey({ path }: SurveyOrder, { zipsAt, readingVault, format }: Sight, beat: Beat): Survey {
  const found = zipsAt(path)
  if (found === null) throw objectMissing(path)
  const { root, names, isDirectory } = found
  const vault = readingVault({ root, mount: null })
  return { root, isDirectory, zips: names.map((location) => ({ location, ...look(location, vault, format, beat) })) }
}

function look(
  location: string,
  vault: ReadingVault,
  format: Format,
  beat: Beat,
): ReturnType<Format['manifest']> | { readonly unreadable: string } {
  beat(0)
  try {
    const reader = vault.open(location)
    if (reader === null) return { unreadable: 'it is not there any more' }
    try {
      return format.manifest(reader)
    } finally {
      reader.close()
    }
  } catch (error) {
    if (!(error instanceof TapeRseError) || !['retry', 'hold'].includes(ERRORS[error.code].disposition)) throw error
    return { unreadable: error.message }
  }
}
