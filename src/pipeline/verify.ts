import type { ArchivedObject, Catalog } from '../catalog/catalog.ts'
import { isDamage, type Verification } from '../model/bundle.ts'
import { formatDid } from '../model/did.ts'
import { problemsOf } from '../model/errors.ts'
import { anyMover, type Movers, type ReadingSettings, type Verified } from '../model/order.ts'
import { isOnTape, type ResidencyProbe } from '../model/residency.ts'
import { objectPlan } from './archive.ts'
import { isOfTargets } from './set-back.ts'

/** What reading back what was proven long ago takes. */
export interface Verifying {
  readonly catalog: Catalog
  readonly movers: Movers
  /** Where the objects of a pipeline are. */
  readonly vaultOf: (pipeline: string) => ReadingSettings
  /** How it is found out whether an object of a pipeline has to come from tape. */
  readonly probeOf: (pipeline: string) => ResidencyProbe
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
  const source = await sourceOf(v, object, claim.location, signal)
  const read = await answered(() =>
    v.movers.run<'verify'>({ kind: 'verify', ...order }, { not: null, moved }, signal).then(({ answer }) => answer),
  )
  const verification = { ...read, source, at: v.now(), bytes: claim.bytes }
  if (isDamage(verification)) await v.catalog.hold([object.did], holdText(object, verification), v.now()) // commit
  const recorded = await v.catalog.verified(object.id, object.confirmedAt!, verification) // commit
  return recorded ? verification : null
}

/** Where the bytes were before they were read. That it is not known keeps nothing from being read. */
async function sourceOf(
  v: Verifying,
  { id, pipeline, confirmedAt }: ArchivedObject,
  location: string,
  signal: AbortSignal,
): Promise<Verification['source']> {
  const probe = v.probeOf(pipeline)
  if (probe.kind === 'none') return null
  const order = { kind: 'residency', vault: v.vaultOf(pipeline), probe, locations: [location] } as const
  try {
    const [state] = (await v.movers.run<'residency'>(order, anyMover, signal)).answer.states
    if (isOnTape(state!)) await v.catalog.sawOnTape([{ id, confirmedAt: confirmedAt! }], v.now()) // commit
    return state === 'unknown' ? null : state === 'tape' ? 'tape' : 'disk'
  } catch (error) {
    if (!isOfTargets(error)) throw error
    return null
  }
}

/** What a mover answered; or why it could not read this one object. What ails the vault as a whole is thrown. */
async function answered(ask: () => Promise<Verified>): Promise<Omit<Verification, 'at' | 'bytes' | 'source'>> {
  try {
    const answer = await ask()
    return { ...answer, what: 'what' in answer ? answer.what : null }
  } catch (error) {
    if (!isOfTargets(error)) throw error
    return { outcome: 'unreadable', direct: false, seconds: 0, what: problemsOf(error)[0]!.message }
  }
}

export const holdText = (object: ArchivedObject, { at, what }: Verification): string =>
  `object ${object.part} of ${object.parts} of generation ${object.generation} was damaged when it was verified at ` +
  `${at.toISOString()}: ${what ?? 'it is not there'}. \`tape-rse repair ${formatDid(object.did)}\` writes it again`
