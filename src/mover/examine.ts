import { ERRORS, TapeRseError } from '../model/errors.ts'
import type { Examinations, ExamineOrder, ObjectExamination } from '../model/order.ts'
import type { Beat, Format } from '../pack/format.ts'
import type { ReadingVault } from '../vault/vault.ts'

/** Looks at objects that no catalog knows. One that cannot be read does not keep it from the others. */
export const examineObjects = (
  { locations, deep }: ExamineOrder,
  vault: ReadingVault,
  format: Format,
  beat: Beat,
): Examinations => ({
  owner: vault.owner(),
  objects: locations.map((location) => examined(location, deep, vault, format, beat)),
})

function examined(location: string, deep: boolean, vault: ReadingVault, format: Format, beat: Beat): ObjectExamination {
  beat(0)
  try {
    const reader = vault.open(location)
    if (reader === null) return { unreadable: 'it is not there any more' }
    try {
      const examination = format.examine(reader, deep, beat)
      if (!('manifest' in examination)) return examination
      const { adler32 } = examination
      if (adler32 !== null) return { ...examination, adler32 }
      // Only its content can tell what the whole has to have.
      return format.examine(reader, true, beat) as ObjectExamination
    } finally {
      reader.close()
    }
  } catch (error) {
    if (!(error instanceof TapeRseError) || !['retry', 'hold'].includes(ERRORS[error.code].disposition)) throw error
    return { unreadable: error.message }
  }
}
