import type { BundleId, PlannedBundle } from '../model/bundle.ts'
import { formatDid, type Did } from '../model/did.ts'
import { problemsOf, type Problem } from '../model/errors.ts'
import { manifestName } from '../model/manifest.ts'
import { anyMover } from '../model/order.ts'
import type { Content, Sighting, TargetId } from '../model/target.ts'
import { planBundles, planWarnings } from '../plan/bundles.ts'
import { differenceText } from '../plan/difference.ts'
import { memberProblems } from '../plan/members.ts'
import { placeProblems } from '../plan/place.ts'
import type { BundleRow, Generation, Requested, TargetRow } from '../catalog/catalog.ts'
import { halving } from './halving.ts'
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
      const news = await p.catalog.missed(p.name, seen.scope, problem, p.now()) // commit
      p.log.log(news ? 'error' : 'debug', `scope ${seen.scope} could not be polled: ${problem.message}`, {
        code: problem.code,
        hint: problem.hint,
      })
      continue
    }
    const { fresh, unseen, superseded } = await p.catalog.observe(p.name, seen.scope, seen.sightings, p.now()) // commit
    const found = `scope ${seen.scope} polled: ${seen.sightings.length} requests, ${fresh} of them new`
    p.log.log(fresh > 0 ? 'info' : 'debug', found)
    for (const target of superseded)
      p.log.warn(`${formatDid(target.did)} superseded: it changed before it was archived`, {
        did: target.did,
      })
    await withdrawGone(p, unseen, signal)
  }
}

async function withdrawGone(p: Pipeline, unseen: readonly TargetRow[], signal: AbortSignal): Promise<void> {
  for (const target of unseen) {
    const gone = await p.source.missing(target.did, signal).catch((error: unknown) => {
      if (!isOfTargets(error)) throw error
      p.log.warn(`${formatDid(target.did)} could not be asked for: ${problemsOf(error)[0]!.message}`, {
        did: target.did,
      })
      return null
    })
    if (gone === null) continue
    await p.catalog.withdraw([{ id: target.id, why: gone.why }], p.now()) // commit
    p.log.warn(`${formatDid(target.did)} withdrawn: ${gone.why}`, { did: target.did })
  }
}

/** Freezes the next requests: what their content is, how it is split into objects, or everything that stands in the way. */
export const freezeNext: Step = async (p, signal) => {
  const requests = await p.catalog.requested(p.name, batch, p.now())
  if (requests.length === 0) return false
  const freezings = await halving(requests, (some) => p.source.freeze(some.map(asSighting), signal))
  const archived = await halving(requests, (some) => archivedObjects(p, some, signal))

  const frozen: { id: TargetId; did: Did; generation: number; content: Content; bundles: readonly PlannedBundle[] }[] =
    []
  for (const [index, request] of requests.entries()) {
    const [freezing, there] = [freezings[index]!, archived[index]!]
    if ('error' in freezing || 'error' in there) {
      await setBack(p, request.row, null, 'error' in freezing ? freezing.error : (there as { error: unknown }).error)
      continue
    }
    if ('problems' in freezing) {
      await recordSetBack(p, request.row, null, true, freezing.problems)
      continue
    }
    const { content } = freezing
    const decision = decide(request, content, there)
    if (decision.kind === 'revive') {
      const { earlier } = decision
      if (!(await p.catalog.revive(request.row.id, earlier.id, content.closedAt, p.now()))) continue // commit
      p.log.info(`${formatDid(request.row.did)} is archived already, as generation ${earlier.generation}`, {
        did: request.row.did,
      })
    } else if (decision.kind === 'hold') {
      await recordSetBack(p, request.row, null, true, [await reopened(p, request.row, content, decision)])
    } else {
      const planned = plan(p, request.row, content)
      if ('problems' in planned) await recordSetBack(p, request.row, null, true, planned.problems)
      else frozen.push({ ...request.row, content, bundles: planned.bundles })
    }
  }
  if (frozen.length > 0) await p.catalog.freeze(frozen, p.now()) // commit
  for (const { did, generation, content, bundles } of frozen)
    p.log.info(`${formatDid(did)} frozen`, {
      did,
      generation,
      files: content.entries.length,
      bytes: content.bytes,
      objects: bundles.length,
    })
  return true
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
  /** `archived`: the generation that Rucio was last told of; `objects`: what is there of it, and of those before it. */
  | { readonly kind: 'hold'; readonly archived: Generation; readonly objects: readonly BundleRow[] }

/**
 * What a request means for a DID that was frozen before. Never decided from the catalog alone: `there` are the bundles whose
 * object a mover has just seen in the vault, with its recorded size.
 *
 * - Acknowledged and unchanged, every object there: a lost update of the tag. It is acknowledged again.
 * - Acknowledged, and any object of an unchanged one gone, or every object of a changed one: somebody deleted the copy, as the
 *   procedure for re-archiving says. It is archived anew.
 * - Acknowledged and changed, but objects are still there: held.
 * - Withdrawn, closed at the same moment and unchanged: it goes on where it stopped.
 */
function decide({ earlier }: Requested, content: Content, there: ReadonlySet<BundleId>): Decision {
  const unchanged = ({ row }: Generation) => row.fingerprint === content.fingerprint
  const stopped = earlier.find(
    (each) =>
      each.row.state === 'withdrawn' &&
      unchanged(each) &&
      each.row.closedAt?.getTime() === content.closedAt.getTime() &&
      each.bundles.every(({ removedAt }) => removedAt === null),
  )
  if (stopped !== undefined) return { kind: 'revive', earlier: stopped.row }
  const acknowledged = earlier.filter(({ row }) => row.state === 'acknowledged')
  const [archived] = acknowledged
  if (archived === undefined) return { kind: 'archive' }
  if (unchanged(archived)) {
    const whole = archived.bundles.every(({ id }) => there.has(id))
    return whole ? { kind: 'revive', earlier: archived.row } : { kind: 'archive' }
  }
  const objects = acknowledged.flatMap(({ bundles }) => bundles.filter(({ id }) => there.has(id)))
  return objects.length === 0 ? { kind: 'archive' } : { kind: 'hold', archived, objects }
}

/** Says what changed since a dataset was archived, and both ways out. */
async function reopened(
  p: Pipeline,
  row: TargetRow,
  content: Content,
  { archived, objects }: Extract<Decision, { kind: 'hold' }>,
): Promise<Problem> {
  const before = (await Promise.all(archived.bundles.map(({ id }) => p.catalog.entries(id)))).flat()
  const did = formatDid(row.did)
  const locations = objects.map((object) => object.location)
  const shown = `${locations.slice(0, 5).join(', ')}${locations.length > 5 ? ` and ${locations.length - 5} more` : ''}`
  return {
    code: 'REOPENED',
    message:
      `Cannot archive ${did} again: it changed since it was archived as generation ${archived.row.generation}: ` +
      `${differenceText(before, content.entries)}; its old objects are still there (${shown})`,
    hint:
      `To archive what it is now: \`tape-rse remove ${did}\`, or delete the old objects by hand; the next poll takes it. ` +
      `To keep the old archive: set the tag back to done.`,
  }
}

/** Of each request: the bundles of its acknowledged generations whose objects are in the vault now, with their recorded size. */
async function archivedObjects(
  p: Pipeline,
  requests: readonly Requested[],
  signal: AbortSignal,
): Promise<readonly ReadonlySet<BundleId>[]> {
  const archived = requests.map(({ earlier }) =>
    earlier
      .filter(({ row }) => row.state === 'acknowledged')
      .flatMap(({ bundles }) => bundles.filter(({ removedAt, damage }) => removedAt === null && damage === null)),
  )
  const bundles = archived.flat()
  if (bundles.length === 0) return archived.map(() => new Set())
  const locations = bundles.map(({ location }) => location!)
  const { answer } = await p.movers.run<'stat'>({ kind: 'stat', vault: p.vault, locations }, anyMover, signal)
  const there = new Set(bundles.filter(({ bytes }, index) => answer.bytes[index] === bytes).map(({ id }) => id))
  return archived.map((own) => new Set(own.map(({ id }) => id).filter((id) => there.has(id))))
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
  for (const warning of planWarnings(row.did, bundles, p.limits)) p.log.warn(warning, { did: row.did })
  return { bundles }
}
