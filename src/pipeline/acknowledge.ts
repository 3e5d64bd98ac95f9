import type { BundleId } from '../model/bundle.ts'
import { formatDid } from '../model/did.ts'
import { failure, problemsOf } from '../model/errors.ts'
import { anyMover } from '../model/order.ts'
import { isOnTape, maxAtOnce, type Residency } from '../model/residency.ts'
import type { BundleRow, TargetRow } from '../catalog/catalog.ts'
import type { Frozen, Standing } from '../source/source.ts'
import type { Pipeline } from './pipeline.ts'
import { isOfTargets, setBack } from './set-back.ts'

interface Ready {
  readonly row: TargetRow
  readonly bundles: readonly BundleRow[]
}

/** Targets told at once: Rucio takes them in one transaction. */
const batch = 50
/** An update that another client's write undid is written again so often, then after a back-off. */
const rounds = 5

/**
 * Tells the source of the next targets whose bundles are all confirmed that they are archived.
 * @param gatherMs leave a batch that is not full to fill until its first target has waited so long
 */
export async function acknowledgeNext(p: Pipeline, gatherMs: number, signal: AbortSignal): Promise<boolean> {
  const now = p.now()
  const ready = await p.catalog.ready(p.name, batch, now)
  if (ready.length < batch && ready.every((target) => isYoung(target, gatherMs, now))) return false
  await acknowledgeEach(p, ready, signal)
  return true
}

/** Acknowledges all at once; if that fails, half and half, until the culprit stands alone with its error. */
async function acknowledgeEach(p: Pipeline, ready: readonly Ready[], signal: AbortSignal): Promise<void> {
  try {
    await acknowledge(p, ready, signal)
  } catch (error) {
    if (!isOfTargets(error)) throw error
    if (ready.length === 1) {
      await setBack(p, ready[0]!.row, null, error)
      return
    }
    // Some of them may be settled, and some ended.
    const left = new Set((await p.catalog.ready(p.name, batch, p.now())).map(({ row }) => row.id))
    const open = ready.filter(({ row }) => left.has(row.id))
    const half = Math.ceil(open.length / 2)
    for (const part of [open.slice(0, half), open.slice(half)])
      if (part.length > 0) await acknowledgeEach(p, part, signal)
  }
}

/** Whether a target was confirmed just now. By a clock that was set back meanwhile, none was. */
function isYoung({ bundles }: Ready, ms: number, now: Date): boolean {
  const age = now.getTime() - Math.max(...bundles.map((bundle) => bundle.confirmedAt!.getTime()))
  return age >= 0 && age < ms
}

async function acknowledge(p: Pipeline, ready: readonly Ready[], signal: AbortSignal): Promise<void> {
  await settle(p, await lookAskTell(p, ready, false, signal), signal)
}

/**
 * Looks at the objects, then asks, then tells: so nothing lies between asking and telling.
 * @param before whether they had been told before
 * @returns those whose tag says `done` now, as far as is known
 */
async function lookAskTell(
  p: Pipeline,
  ready: readonly Ready[],
  before: boolean,
  signal: AbortSignal,
): Promise<readonly Ready[]> {
  const there = await onTape(p, await withObjects(p, ready, signal), signal)
  const asked = await stands(p, there, before, signal)
  const at = (standing: Asked['standing']) =>
    asked.filter((each) => each.standing === standing).map(({ target }) => target)
  return [...at('done'), ...(await tell(p, at('requested'), signal))]
}

/** Has every object looked at once more. A bundle whose object is gone, has another size, or was found damaged is written again. */
async function withObjects(p: Pipeline, ready: readonly Ready[], signal: AbortSignal): Promise<readonly Ready[]> {
  if (ready.length === 0) return []
  const bundles = ready.flatMap((target) => target.bundles)
  const locations = bundles.map((bundle) => bundle.location!)
  const { answer } = await p.movers.run<'stat'>({ kind: 'stat', vault: p.vault, locations }, anyMover, signal)
  const gone = new Set(
    bundles
      .filter((bundle, index) => bundle.damage !== null || answer.bytes[index] !== bundle.bytes)
      .map((bundle) => bundle.id),
  )
  if (gone.size === 0) return ready
  await p.catalog.unconfirm([...gone]) // commit
  for (const { row, bundles: own } of ready) {
    for (const { location } of own.filter(({ id }) => gone.has(id)))
      p.log.error(
        `${formatDid(row.did)}: an object is gone, damaged, or has another size, though it was confirmed; it is packed again`,
        { did: row.did, object: location },
      )
  }
  return ready.filter((target) => !target.bundles.some((bundle) => gone.has(bundle.id)))
}

/**
 * Finds out which objects are on tape, and writes that down. Where they have to be, a target is told only when all of its are; until then
 * it is looked at again now and then: HPSS moves files to tape when it pleases.
 */
async function onTape(p: Pipeline, ready: readonly Ready[], signal: AbortSignal): Promise<readonly Ready[]> {
  if (p.onTape === 'ignore' || p.tape.probe.kind === 'none') return ready
  const pending = ready.flatMap(({ bundles }) => bundles.filter(({ onTapeAt }) => onTapeAt === null))
  if (pending.length === 0) return ready
  const seen = await seenOnTape(p, pending, signal)
  if (p.onTape === 'when-known') return lookAgain(p, ready, signal)
  const isThere = ({ id, onTapeAt }: BundleRow) => onTapeAt !== null || seen.has(id)
  const told: Ready[] = []
  for (const target of ready) {
    const waiting = target.bundles.filter((bundle) => !isThere(bundle))
    if (waiting.length === 0) told.push(target)
    else await setBack(p, target.row, null, notOnTape(target.row, waiting))
  }
  return lookAgain(p, told, signal)
}

/** To ask about tape may have taken minutes: what was seen of the objects before, and known of them, may not be so any more. */
async function lookAgain(p: Pipeline, targets: readonly Ready[], signal: AbortSignal): Promise<readonly Ready[]> {
  if (targets.length === 0) return []
  const ids = new Set(targets.map(({ row }) => row.id))
  const now = await p.catalog.ready(p.name, batch, p.now()) // one that is not among these any more is looked at the next time
  return withObjects(
    p,
    now.filter(({ row }) => ids.has(row.id)),
    signal,
  )
}

/** Where it need not be known, what keeps it from being known keeps nothing else back. */
async function seenOnTape(
  p: Pipeline,
  bundles: readonly BundleRow[],
  signal: AbortSignal,
): Promise<ReadonlySet<BundleId>> {
  const seen = new Set<BundleId>()
  for (let from = 0; from < bundles.length; from += maxAtOnce) {
    const some = bundles.slice(from, from + maxAtOnce)
    const order = { vault: p.vault, probe: p.tape.probe, locations: some.map(({ location }) => location!) }
    let states: readonly Residency[]
    try {
      states = (await p.movers.run<'residency'>({ kind: 'residency', ...order }, anyMover, signal)).answer.states
    } catch (error) {
      if (p.onTape === 'required' || !isOfTargets(error)) throw error
      p.log.warn(`whether objects are on tape is not known: ${problemsOf(error)[0]!.message}`)
      return seen
    }
    const there = some.filter((_, index) => isOnTape(states[index]!))
    if (there.length > 0)
      await p.catalog.sawOnTape(
        there.map(({ id, confirmedAt }) => ({ id, confirmedAt: confirmedAt! })),
        p.now(),
      ) // commit
    for (const { id } of there) seen.add(id)
  }
  return seen
}

const notOnTape = ({ did }: TargetRow, waiting: readonly BundleRow[]) =>
  failure(
    'NOT_ON_TAPE',
    `Cannot set ${formatDid(did)} to done: ${waiting.length === 1 ? `${waiting[0]!.location!} is` : `${waiting.length} of its objects are`} not on tape yet`,
    'Nothing to do: it is looked at again. If it stays so, ask those who run HPSS about migration.',
  )

interface Asked {
  readonly target: Ready
  readonly standing: 'requested' | 'done'
}

/** Asks the source where each target stands; ends those whose request is gone, or whose content changed. */
async function stands(
  p: Pipeline,
  targets: readonly Ready[],
  told: boolean,
  signal: AbortSignal,
): Promise<readonly Asked[]> {
  if (targets.length === 0) return []
  const standings = await p.source.standing(targets.map(frozenOf), told, signal)
  const asked: Asked[] = []
  for (const [index, target] of targets.entries()) {
    const standing = standings[index]!
    if (standing.standing === 'requested' || standing.standing === 'done')
      asked.push({ target, standing: standing.standing })
    else await end(p, target.row, standing, signal)
  }
  return asked
}

async function end(
  p: Pipeline,
  row: TargetRow,
  standing: Exclude<Standing, { standing: 'requested' | 'done' }>,
  signal: AbortSignal,
): Promise<void> {
  const did = formatDid(row.did)
  const ended = [{ id: row.id, why: standing.why }]
  if (standing.standing === 'withdrawn') {
    await p.catalog.withdraw(ended, p.now()) // commit
    p.log.warn(`${did} withdrawn: ${standing.why}; its objects stay`, { did: row.did })
    return
  }
  if (standing.told && row.rebuiltAt !== null) {
    // Nobody knows what it was told: it may have been reopened long after that, which is for people to see.
    await p.catalog.withdraw(ended, p.now()) // commit
    p.log.warn(`${did} says done, and is not what the vault has of it: ${standing.why}; its objects stay`, {
      did: row.did,
    })
    return
  }
  if (standing.told) {
    p.log.error(`${did} said done, but it changed while that was written (${standing.why}); need is written back`, {
      did: row.did,
    })
    const [telling] = await p.source.tellNeed([row.did], signal) // effect
    if (telling?.told === false) throw telling.error
    // A proxy may have answered for Rucio. Nobody asks any more about what is superseded: so it is seen first.
    const [now] = await p.source.standing([frozenOf({ row })], true, signal)
    if (now?.standing === 'changed' && now.told) throw updateLost(row, 'need')
  }
  await p.catalog.supersede(ended, p.now()) // commit
  p.log.warn(`${did} superseded: ${standing.why}; its objects stay`, { did: row.did })
}

/** Writes `done`; returns the targets for which that was accepted. */
async function tell(p: Pipeline, targets: readonly Ready[], signal: AbortSignal): Promise<readonly Ready[]> {
  if (targets.length === 0) return []
  const tellings = await p.source.tellDone(
    targets.map(({ row }) => row.did),
    signal,
  ) // effect
  const told: Ready[] = []
  for (const [index, target] of targets.entries()) {
    const telling = tellings[index]!
    if (telling.told) told.push(target)
    else await setBack(p, target.row, null, telling.error)
  }
  return told
}

/**
 * Asks again after telling: another client that wrote other metadata at the same moment may have undone ours, since Rucio has
 * no compare-and-set (docs/rucio.md, "Lost updates"), and the dataset may have been reopened in between. Who saw `done`, deleted the
 * objects and asked for new ones looks the same as a lost update: so the objects are looked at before it is told again.
 */
async function settle(p: Pipeline, told: readonly Ready[], signal: AbortSignal): Promise<void> {
  let open = told
  for (let round = 1; open.length > 0; round++) {
    const asked = await stands(p, open, true, signal)
    const settled = asked.filter(({ standing }) => standing === 'done').map(({ target }) => target)
    const lost = asked.filter(({ standing }) => standing === 'requested').map(({ target }) => target)
    if (settled.length > 0) {
      await p.catalog.acknowledge(
        settled.map(({ row }) => row.id),
        p.now(),
      ) // commit
      for (const { row, bundles } of settled)
        p.log.info(`${formatDid(row.did)} done`, {
          did: row.did,
          objects: bundles.length,
          files: row.length,
          bytes: row.bytes,
          seconds: Math.max(0, p.now().getTime() - row.requestedAt.getTime()) / 1000,
        })
    }
    if (round === rounds) {
      for (const { row } of lost) await setBack(p, row, null, updateLost(row, 'done'))
      return
    }
    if (lost.length > 0)
      p.log.warn(`${lost.length} updates of the tag were undone by another client's write; they are written again`)
    open = await lookAskTell(p, lost, true, signal)
  }
}

const updateLost = (row: TargetRow, wish: 'done' | 'need') =>
  failure(
    'ACKNOWLEDGE_LOST',
    `Cannot set ${formatDid(row.did)} to ${wish}: the tag did not keep it${wish === 'done' ? ` in ${rounds} tries` : ''}`,
    'Another client writes metadata of this dataset all the time. It is tried again.',
  )

const frozenOf = ({ row }: Pick<Ready, 'row'>): Frozen => ({
  did: row.did,
  closedAt: row.rebuiltAt === null ? row.closedAt! : null,
  length: row.length!,
  bytes: row.bytes!,
  fingerprint: row.fingerprint!,
})
