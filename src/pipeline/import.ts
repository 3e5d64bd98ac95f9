import type { PlannedBundle } from '../model/bundle.ts'
import { formatDid } from '../model/did.ts'
import { problemsOf, type Problem } from '../model/errors.ts'
import { manifestName } from '../model/manifest.ts'
import type { Content, Sighting, TargetId } from '../model/target.ts'
import { planBundles, planWarnings } from '../plan/bundles.ts'
import { memberProblems } from '../plan/members.ts'
import { placeProblems } from '../plan/place.ts'
import type { BundleRow, Requested, TargetRow } from '../catalog/catalog.ts'
import type { Freezing } from '../source/source.ts'
import type { Pipeline, Step } from './pipeline.ts'
import { isOfTargets, recordSetBack, setBack } from './set-back.ts'

/** Freezing costs a source about the same for one target as for many. */
const batch = 50

/**
 * Polls every scope, and records what is requested: new requests, why some wait, which frozen targets have changed. A request
 * that a poll no longer shows is withdrawn only when the source, asked for it alone, says so: a list that was cut looks the same.
 */
export async function poll(p: Pipeline, signal: AbortSignal): Promise<void> {
  const polls = await p.source.poll(signal)
  const scopes = polls.map(({ scope }) => scope)
  await p.catalog.forgetOtherPolls(p.name, scopes) // commit
  for (const seen of polls) {
    if ('error' in seen) {
      const problem = problemsOf(seen.error)[0]!
      await p.catalog.missed(p.name, seen.scope, problem, p.now()) // commit
      p.log.error(`scope ${seen.scope} could not be polled: ${problem.message}`, {
        code: problem.code,
        hint: problem.hint,
      })
      continue
    }
    const { fresh, unseen, superseded } = await p.catalog.observe(p.name, seen.scope, seen.sightings, p.now()) // commit
    p.log.info(`scope ${seen.scope} polled: ${seen.sightings.length} requests, ${fresh} of them new`)
    for (const target of superseded)
      p.log.warn(`${formatDid(target.did)} superseded: it changed before it was archived`)
    await withdrawGone(p, unseen, signal)
  }
}

async function withdrawGone(p: Pipeline, unseen: readonly TargetRow[], signal: AbortSignal): Promise<void> {
  for (const target of unseen) {
    const gone = await p.source.missing(target.did, signal).catch((error: unknown) => {
      if (!isOfTargets(error)) throw error
      p.log.warn(`${formatDid(target.did)} could not be asked for: ${problemsOf(error)[0]!.message}`)
      return null
    })
    if (gone === null) continue
    await p.catalog.withdraw([{ id: target.id, why: gone.why }], p.now()) // commit
    p.log.warn(`${formatDid(target.did)} withdrawn: ${gone.why}`)
  }
}

/** Freezes the next requests: what their content is, how it is split into objects, or everything that stands in the way. */
export const freezeNext: Step = async (p, signal) => {
  const requests = await p.catalog.requested(p.name, batch, p.due())
  if (requests.length === 0) return false
  const freezings = await freezeEach(p, requests, signal)
  const archived = await archivedObjects(p, requests, signal)

  const frozen: { id: TargetId; content: Content; bundles: readonly PlannedBundle[] }[] = []
  for (const [index, request] of requests.entries()) {
    const freezing = freezings[index]!
    if ('error' in freezing) {
      await setBack(p, request.row, null, freezing.error)
      continue
    }
    if ('problems' in freezing) {
      await recordSetBack(p, request.row, null, true, freezing.problems)
      continue
    }
    const { content } = freezing
    const decision = decide(request, content, archived.get(request.row.id) ?? [])
    if (decision.kind === 'revive') {
      await p.catalog.revive(request.row.id, decision.earlier.id, content.closedAt, p.now()) // commit
      p.log.info(`${formatDid(request.row.did)} is archived already, as generation ${decision.earlier.generation}`)
    } else if (decision.kind === 'hold') {
      await recordSetBack(p, request.row, null, true, [decision.problem])
    } else {
      const planned = plan(p, request.row, content)
      if ('problems' in planned) await recordSetBack(p, request.row, null, true, planned.problems)
      else frozen.push({ id: request.row.id, content, bundles: planned.bundles })
    }
  }
  if (frozen.length > 0) await p.catalog.freeze(frozen, p.now()) // commit
  return true
}

/** Freezes all at once; if an answer is refused or broken, half and half, until the culprit stands alone with its error. */
async function freezeEach(
  p: Pipeline,
  requests: readonly Requested[],
  signal: AbortSignal,
): Promise<readonly (Freezing | { readonly error: unknown })[]> {
  try {
    return await p.source.freeze(requests.map(asSighting), signal)
  } catch (error) {
    if (!isOfTargets(error)) throw error
    if (requests.length === 1) return [{ error }]
    const half = Math.ceil(requests.length / 2)
    const first = await freezeEach(p, requests.slice(0, half), signal)
    return [...first, ...(await freezeEach(p, requests.slice(half), signal))]
  }
}

const asSighting = ({ row }: Requested): Sighting => ({
  did: row.did,
  waiting: null,
  closedAt: row.closedAt,
  length: row.length,
  bytes: row.bytes,
})

type Decision =
  | { readonly kind: 'archive' }
  | { readonly kind: 'revive'; readonly earlier: TargetRow }
  | { readonly kind: 'hold'; readonly problem: Problem }

/**
 * What a request means for a DID that was frozen before. Never decided from the catalog alone: `objects` are those that a mover
 * has just seen in the vault, with their recorded size.
 *
 * - Acknowledged and unchanged, every object there: a lost update of the tag. It is acknowledged again.
 * - Acknowledged, and every object of a changed one or any object of an unchanged one gone: somebody deleted the copy, as the
 *   procedure for re-archiving says. It is archived anew.
 * - Acknowledged and changed, but objects are still there: held.
 * - Withdrawn, closed at the same moment and unchanged: it goes on where it stopped.
 */
function decide({ row, previous }: Requested, content: Content, objects: readonly BundleRow[]): Decision {
  if (previous === null) return { kind: 'archive' }
  const earlier = previous.row
  const unchanged = earlier.fingerprint === content.fingerprint
  if (earlier.state === 'withdrawn' && unchanged && earlier.closedAt?.getTime() === content.closedAt.getTime()) {
    return { kind: 'revive', earlier }
  }
  if (earlier.state !== 'acknowledged') return { kind: 'archive' }
  if (unchanged) return objects.length === previous.bundles.length ? { kind: 'revive', earlier } : { kind: 'archive' }
  if (objects.length === 0) return { kind: 'archive' }
  return {
    kind: 'hold',
    problem: {
      code: 'REOPENED',
      message:
        `Cannot archive ${formatDid(row.did)} again: it was archived as generation ${earlier.generation} with ${earlier.length} files ` +
        `(${earlier.bytes} bytes), has ${content.entries.length} files (${content.bytes} bytes) now, and its old objects are still there`,
      hint: `Delete the old objects by hand (${objects.map((object) => object.location).join(', ')}): the next poll archives the new content. Or set the tag back to done.`,
    },
  }
}

/** Of each request whose DID was acknowledged before: its objects that are in the vault now, with their recorded size. */
async function archivedObjects(
  p: Pipeline,
  requests: readonly Requested[],
  signal: AbortSignal,
): Promise<ReadonlyMap<TargetId, readonly BundleRow[]>> {
  const earlier = requests.flatMap(({ row, previous }) =>
    previous?.row.state === 'acknowledged' ? previous.bundles.map((bundle) => ({ id: row.id, bundle })) : [],
  )
  const found = new Map<TargetId, BundleRow[]>()
  if (earlier.length === 0) return found
  const locations = earlier.map(({ bundle }) => bundle.location!)
  const { answer } = await p.movers.run<'stat'>({ kind: 'stat', vault: p.vault, locations }, null, signal)
  for (const [index, { id, bundle }] of earlier.entries()) {
    if (answer.bytes[index] === bundle.bytes) found.set(id, [...(found.get(id) ?? []), bundle])
  }
  return found
}

/** Splits a target's content into objects; or everything that stands in the way, before a byte moves. */
function plan(
  p: Pipeline,
  row: TargetRow,
  content: Content,
): { bundles: readonly PlannedBundle[] } | { problems: readonly Problem[] } {
  const refused = memberProblems(content.entries, manifestName)
  const origin = { catalog: p.catalog.id, did: row.did, generation: row.generation, rse: p.rse }
  const bundles = refused.length > 0 ? [] : planBundles(origin, content, p.sizes, p.limits)
  const problems = [...placeProblems(row.did, row.generation, bundles.length, p.vault.root), ...refused]
  if (problems.length > 0) return { problems }
  for (const warning of planWarnings(row.did, bundles, p.limits)) p.log.warn(warning)
  return { bundles }
}
