import type { ArchivedObject, Catalog } from '../catalog/catalog.ts'
import { isDamage, type Verification } from '../model/bundle.ts'
import { formatDid } from '../model/did.ts'
import { ERRORS, problemsOf, TapeRseError } from '../model/errors.ts'
import type { Movers, ReadingSettings, Verified } from '../model/order.ts'
import { objectPlan } from './archive.ts'

/** What reading back what was proven long ago takes. */
export interface Verifying {
  readonly catalog: Catalog
  readonly movers: Movers
  /** Where the objects of a pipeline are. */
  readonly vaultOf: (pipeline: string) => ReadingSettings
  /** Bytes a second of each object at the most; null: as fast as it goes. */
  readonly rate: number | null
  readonly now: () => Date
}

/**
 * Reads one object back, and writes down what came of it. A damaged one is left as it is, and its dataset is held back: nothing is told, and
 * nothing done about it, before a person has looked. null: it is not the object any more that was to be read.
 */
export async function verifyObject(
  v: Verifying,
  object: ArchivedObject,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Verification | null> {
  const claim = await v.catalog.confirmedObject(object.id)
  if (claim === null) return null
  const vault = v.vaultOf(object.pipeline)
  const order = { vault, location: claim.location, object: objectPlan(claim), adler32: claim.adler32!, rate: v.rate }
  const read = await answered(() =>
    v.movers.run<'verify'>({ kind: 'verify', ...order }, { not: null, moved }, signal).then(({ answer }) => answer),
  )
  const verification = { ...read, at: v.now(), bytes: claim.bytes }
  if (isDamage(verification)) await v.catalog.hold([object.did], holdText(object, verification), v.now()) // commit
  const recorded = await v.catalog.verified(object.id, object.confirmedAt!, verification) // commit
  return recorded ? verification : null
}

/** What a mover answered; or why it could not read this one object. What ails the vault as a whole is thrown. */
async function answered(ask: () => Promise<Verified>): Promise<Omit<Verification, 'at' | 'bytes'>> {
  try {
    const answer = await ask()
    return { ...answer, what: 'what' in answer ? answer.what : null }
  } catch (error) {
    const { code, message } = problemsOf(error)[0]!
    const ofObject = error instanceof TapeRseError && ['retry', 'hold'].includes(ERRORS[code].disposition)
    if (!ofObject) throw error
    return { outcome: 'unreadable', direct: false, seconds: 0, what: message }
  }
}

export const holdText = (object: ArchivedObject, { at, what }: Verification): string =>
  `object ${object.part} of ${object.parts} of generation ${object.generation} was damaged when it was verified at ` +
  `${at.toISOString()}: ${what ?? 'it is not there'}. \`tape-rse repair ${formatDid(object.did)}\` writes it again`
