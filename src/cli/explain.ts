import type { BundleRow, Hold, KnownTarget, PauseRow, PollRow } from '../catalog/catalog.ts'
import type { Did } from '../model/did.ts'
import { formatDid } from '../model/did.ts'
import type { Problem } from '../model/errors.ts'
import { nextTry } from '../plan/back-off.ts'
import type { Description } from '../source/rucio.ts'

/** One condition between a dataset and its archive. */
export interface Gate {
  readonly gate: string
  /** `unknown`: it could not be asked now. `later`: an earlier gate is in the way. */
  readonly state: 'passed' | 'waiting' | 'failed' | 'unknown' | 'later'
  readonly value: string
  readonly at: Date | null
  /** What to do about it; null if there is nothing to do. */
  readonly advice: string | null
  readonly problems: readonly Problem[]
}

/** Everything that is known of one DID in one pipeline. */
export interface Findings {
  readonly did: Did
  readonly now: Date
  readonly pipeline: {
    readonly name: string
    readonly tapeRse: string
    readonly diskRse: string
    readonly scopes: readonly string[]
  }
  /** The newest generation; null if the catalog has never seen the DID here. */
  readonly target: { readonly row: KnownTarget; readonly bundles: readonly BundleRow[] } | null
  /** A person holds it back. */
  readonly hold: Hold | null
  readonly poll: PollRow | null
  readonly pause: PauseRow | null
  /** null: Rucio knows no such DID. */
  readonly rucio: Description | null | { readonly error: Problem }
  /** What is wrong with the source files; null if they were not looked at. */
  readonly sources: readonly Problem[] | null
}

export interface Explanation {
  readonly did: string
  readonly pipeline: string
  /** The answer in a sentence. */
  readonly answer: string
  readonly gates: readonly Gate[]
}

const passed = (gate: string, value: string, at: Date | null = null): Gate => ({
  gate,
  state: 'passed',
  value,
  at,
  advice: null,
  problems: [],
})
const blocked = (
  gate: string,
  state: 'waiting' | 'failed' | 'unknown',
  value: string,
  advice: string | null,
  problems: readonly Problem[] = [],
  at: Date | null = null,
): Gate => ({ gate, state, value, at, advice, problems })

/** Answers "why is my dataset not archived?": each gate in order, the first that is not passed being the answer. Pure. */
export function explainGates(findings: Findings): Explanation {
  const done = findings.target?.row.state === 'acknowledged'
  const gates = [
    ...rucioGates(findings),
    ...(done ? [] : [...holdGates(findings), ...sourceGates(findings)]),
    ...catalogGates(findings),
  ]
  const first = gates.findIndex((gate) => gate.state === 'failed' || gate.state === 'waiting')
  const ordered = gates.map((gate, index): Gate => {
    const blockedBefore = first >= 0 && index > first && gate.state === 'waiting' && gate.problems.length === 0
    return blockedBefore ? { ...gate, state: 'later', advice: null } : gate
  })
  return {
    did: formatDid(findings.did),
    pipeline: findings.pipeline.name,
    answer: answerOf(findings, ordered[first] ?? null),
    gates: ordered,
  }
}

function answerOf({ did, target, pause }: Findings, gate: Gate | null): string {
  const name = formatDid(did)
  if (gate === null)
    return target === null
      ? `${name}: nothing is known to be in the way; the next poll takes it.`
      : `${name} is archived.`
  const advice = gate.advice === null ? '' : ` ${gate.advice}`
  if (gate.gate === 'intact') return `${name} is archived, and damaged: ${gate.value}.${advice}`
  const paused = pause === null ? '' : ` Its pipeline is paused: ${pause.problem.message}. ${pause.problem.hint}`
  return `${name} is not archived: ${gate.gate}: ${gate.value}.${advice}${paused}`
}

function rucioGates({ did, pipeline, rucio, poll, target }: Findings): readonly Gate[] {
  const name = formatDid(did)
  const scope = pipeline.scopes.includes(did.scope)
    ? pollGate(did.scope, poll)
    : blocked(
        'scope configured',
        'failed',
        `the agent does not look at scope ${did.scope}`,
        `Add it to source.scopes of pipeline ${pipeline.name}.`,
      )
  if (rucio === null && target?.row.state === 'acknowledged') {
    const advice = 'Its objects stay in the vault (docs/rucio.md, "The tag dies with the dataset").'
    return [blocked('exists', 'unknown', 'Rucio no longer knows it; it was archived before', advice)]
  }
  if (rucio === null) {
    return [
      blocked('exists', 'failed', 'Rucio knows no such DID', 'Check how scope and name are spelled; case counts.'),
      scope,
    ]
  }
  if ('error' in rucio) {
    return [blocked('exists', 'unknown', `Rucio could not be asked: ${rucio.error.message}`, rucio.error.hint), scope]
  }
  const need = `${pipeline.tapeRse}:need`
  const tag = rucio.tag ?? 'not set'
  const acknowledged = rucio.tag === `${pipeline.tapeRse}:done`
  return [
    passed('exists', 'yes'),
    rucio.type === 'DATASET'
      ? passed('is a dataset', 'yes')
      : blocked(
          'is a dataset',
          'failed',
          `it is a ${rucio.type.toLowerCase()}`,
          'Tag the datasets themselves: containers and files are not archived.',
        ),
    rucio.waiting === 'open'
      ? blocked('closed', 'failed', 'it is open', `Close it when it is complete: rucio did update --close ${name}`)
      : rucio.waiting === 'suppressed'
        ? blocked('closed', 'failed', 'it is suppressed in Rucio', 'Datasets that Rucio hides are not archived.')
        : passed('closed', 'yes', rucio.closedAt),
    rucio.tag === need || acknowledged
      ? passed('tagged', `arcBackup=${tag}`)
      : blocked(
          'tagged',
          'failed',
          `arcBackup is ${tag}`,
          `Ask for it: rucio did metadata set --key arcBackup --value ${need} ${name}`,
          [],
          target?.row.endedAt ?? null,
        ),
    scope,
  ]
}

function pollGate(scope: string, poll: PollRow | null): Gate {
  if (poll === null)
    return blocked('scope configured', 'waiting', `${scope} has not been polled yet`, 'Run `tape-rse run --once`.')
  if (poll.problem !== null)
    return blocked(
      'scope configured',
      'failed',
      'the last poll failed',
      poll.problem.hint,
      [poll.problem],
      poll.polledAt,
    )
  return passed('scope configured', `${scope}, ${poll.found} requests at the last poll`, poll.polledAt)
}

function holdGates({ did, hold }: Findings): readonly Gate[] {
  if (hold === null) return []
  const value = `a person holds it back${hold.why === null ? '' : `: ${hold.why}`}`
  return [blocked('not held', 'failed', value, `To let it go on: tape-rse release ${formatDid(did)}`, [], hold.since)]
}

function sourceGates({ pipeline, rucio, sources }: Findings): readonly Gate[] {
  if (rucio === null || 'error' in rucio || rucio.type !== 'DATASET') return []
  const available = rucio.replicas.get('AVAILABLE') ?? 0
  const value = `${available} of ${rucio.files} files have an AVAILABLE replica at ${pipeline.diskRse}`
  const replicas =
    rucio.problems.length === 0
      ? passed('replicas', value)
      : blocked('replicas', 'failed', value, rucio.problems[0]!.hint, rucio.problems)
  if (sources === null) return [replicas]
  const paths =
    sources.length === 0
      ? passed('paths readable', 'all')
      : blocked('paths readable', 'failed', `${sources.length} files have a problem`, sources[0]!.hint, sources)
  return [replicas, paths]
}

/** Nothing is said of what was never read back again. */
function intactGates(did: Did, bundles: readonly BundleRow[]): readonly Gate[] {
  const damaged = bundles.filter(({ damage }) => damage !== null)
  if (damaged.length > 0) {
    const value = `${damaged.length} of ${bundles.length} objects are damaged: ${damaged[0]!.location ?? ''}: ${damaged[0]!.damage!}`
    const advice = `Keep all other copies of its files. To have it written again: tape-rse repair ${formatDid(did)}`
    return [blocked('intact', 'failed', value, advice)]
  }
  const verified = bundles.flatMap(({ verifiedAt }) => verifiedAt ?? [])
  if (verified.length === 0) return []
  const latest = verified.reduce((last, at) => (at > last ? at : last))
  return [passed('intact', `${verified.length} of ${bundles.length} objects were read back since`, latest)]
}

function catalogGates({ target, pipeline, rucio, now }: Findings): readonly Gate[] {
  const tag = rucio !== null && 'tag' in rucio ? rucio.tag : null
  if (target === null && tag === `${pipeline.tapeRse}:done`) {
    const advice =
      'Another catalog archived it, or somebody set the tag by hand. Set it to need to have it archived here.'
    return [blocked('planned', 'failed', 'the tag says done, but this catalog does not know it', advice)]
  }
  if (target?.row.state === 'acknowledged' && tag === `${pipeline.tapeRse}:need`) {
    const value = `it was archived as generation ${target.row.generation}, and is tagged need again`
    return [
      blocked(
        'planned',
        'waiting',
        value,
        'The next run looks at its objects, and at what changed.',
        [],
        target.row.endedAt,
      ),
    ]
  }
  if (target === null) {
    return [blocked('planned', 'waiting', 'the agent has not seen it yet', 'The next poll finds it.')]
  }
  const { row, bundles } = target
  if (row.state === 'withdrawn' || row.state === 'superseded') {
    const value = `generation ${row.generation} is ${row.state}: ${row.endedWhy ?? 'no reason is known'}`
    return [
      blocked(
        'planned',
        'waiting',
        value,
        'If it is still wanted, close it and set the tag to need: the next poll takes it.',
        [],
        row.endedAt,
      ),
    ]
  }
  const count = (states: readonly string[]) => bundles.filter((bundle) => states.includes(bundle.state)).length
  const of = (done: number) => `${done} of ${bundles.length} objects`
  const written = count(['written', 'confirmed'])
  const confirmed = count(['confirmed'])
  const next = nextTry(row, now)
  const again = next === null ? '' : ` It is looked at again ${next > now ? `after ${next.toISOString()}` : 'now'}.`
  const stuck = (gate: string, value: string): Gate => {
    if (row.failures === 0) return blocked(gate, 'waiting', value, null)
    const advice = `${row.problems[0]!.hint}${row.held && row.notBefore === null ? ` Then: tape-rse retry ${formatDid(row.did)}` : again}`
    return blocked(
      gate,
      'failed',
      `${value}; ${row.held ? 'held' : 'failed'} (${row.failures} times)`,
      advice,
      row.problems,
      row.failedAt,
    )
  }
  const latest = (dates: readonly (Date | null)[]) =>
    dates.reduce((last, date) => (date !== null && (last === null || date > last) ? date : last), null)

  if (row.state === 'requested') return [stuck('planned', row.waiting === null ? 'no' : `it waits: ${row.waiting}`)]
  const gates = [
    passed(
      'planned',
      `${bundles.length} objects, ${row.length ?? 0} files, generation ${row.generation}`,
      row.frozenAt,
    ),
  ]
  gates.push(
    written === bundles.length
      ? passed('written', of(written), latest(bundles.map((b) => b.writtenAt)))
      : stuck('written', of(written)),
  )
  if (written < bundles.length)
    return [
      ...gates,
      blocked('confirmed', 'waiting', of(confirmed), null),
      blocked('acknowledged', 'waiting', 'no', null),
    ]
  gates.push(
    confirmed === bundles.length
      ? passed('confirmed', of(confirmed), latest(bundles.map((b) => b.confirmedAt)))
      : stuck('confirmed', of(confirmed)),
  )
  if (confirmed < bundles.length) return [...gates, blocked('acknowledged', 'waiting', 'no', null)]
  gates.push(...intactGates(row.did, bundles))
  gates.push(
    row.state === 'acknowledged'
      ? passed('acknowledged', `arcBackup=${pipeline.tapeRse}:done`, row.endedAt)
      : stuck('acknowledged', 'no'),
  )
  return gates
}
