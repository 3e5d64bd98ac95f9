import type { BundleId } from '../model/bundle.ts'
import { formatDid } from '../model/did.ts'
import { dispositionOf, problemsOf, type ErrorCode, type Problem } from '../model/errors.ts'
import { backOffMs } from '../plan/back-off.ts'
import type { Claim, TargetRow } from '../catalog/catalog.ts'
import type { Pipeline } from './pipeline.ts'

/** What no later look can mend by itself: a person has to say `retry`. */
const forAPerson: readonly ErrorCode[] = ['OBJECT_MISMATCH']

/**
 * The one place that decides what a failure means: a target's own fault sets that target back, to be looked at again; a fault of
 * the site, an interruption or a bug is thrown on, because no other target would fare better.
 */
export async function setBack(p: Pipeline, target: TargetRow, bundle: BundleId | null, error: unknown): Promise<void> {
  if (!isOfTargets(error)) throw error
  await recordSetBack(p, target, bundle, dispositionOf(error) === 'hold', problemsOf(error))
}

/** Whether an error is the fault of the targets that were worked on, and not of the site or of this program. */
export function isOfTargets(error: unknown): boolean {
  const disposition = dispositionOf(error)
  return disposition === 'retry' || disposition === 'hold'
}

export async function recordSetBack(
  p: Pipeline,
  target: TargetRow,
  bundle: BundleId | null,
  held: boolean,
  problems: readonly Problem[],
): Promise<void> {
  const at = p.now()
  const person = problems.some((problem) => forAPerson.includes(problem.code))
  const notBefore = person ? null : new Date(at.getTime() + backOffMs(target.failures + 1, p.random))
  await p.catalog.setBack(target.id, { held, problems, at, notBefore, bundle }) // commit
  const first = problems[0]!
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more problems)` : ''
  p.log.log(held ? 'error' : 'warn', `${formatDid(target.did)} ${held ? 'held' : 'failed'}: ${first.message}${more}`, {
    did: target.did,
    code: first.code,
    hint: first.hint,
    failures: target.failures + 1,
    again: notBefore?.toISOString() ?? null,
  })
}

/** People look at `status` every few seconds, and each look at a commit costs the disk of the catalog a sync. */
const tellEveryMs = 2000

/** Told how many bytes of a bundle have been moved so far. */
export type Moved = (bytes: number) => void

/**
 * Works on a claim. If that fails, its target is set back before the claim is given back: in between, nobody else shall take it.
 */
export async function withClaim(p: Pipeline, claim: Claim, work: (moved: Moved) => Promise<void>): Promise<void> {
  try {
    await work(progressOf(p, claim))
  } catch (error) {
    try {
      await setBack(p, claim.target, claim.id, error)
    } finally {
      await p.catalog.release(claim)
    }
  }
}

/** Writes progress down for whoever asks; nothing relies on it, so what fails here is left to the commit that follows. */
function progressOf(p: Pipeline, claim: Claim): Moved {
  const began = p.clock()
  let told = began
  return (bytes) => {
    const clock = p.clock()
    if (clock - told < tellEveryMs) return
    told = clock
    const at = p.now()
    p.catalog.moved(claim, bytes, new Date(at.getTime() - (clock - began)), at).catch(() => undefined)
  }
}
