import { dispositionOf, interrupted, problemsOf, type ErrorCode } from './model/errors.ts'
import { anyMover } from './model/order.ts'
import { acknowledgeNext } from './pipeline/acknowledge.ts'
import { archiveNext } from './pipeline/archive.ts'
import { assignNext } from './pipeline/assign.ts'
import { cleanNext } from './pipeline/clean.ts'
import { confirmNext } from './pipeline/confirm.ts'
import { freezeNext, poll } from './pipeline/import.ts'
import type { Pipeline, Step } from './pipeline/pipeline.ts'
import { probeMs } from './plan/back-off.ts'
import { runLanes, type LaneRules, type Work } from './lanes.ts'

/** How long a batch of acknowledgements that is not full waits for more; an idle lane looks for work as often. */
export const gatherMs = 3000
/** A target that changed while it was archived is requested anew by the next poll; more rounds than this in one run are for the next. */
const rounds = 3

/**
 * A lane takes the first of its steps that has work: the work nearest to `done` comes first. One lane speaks to the source, the
 * others keep movers at work.
 */
const control = (napMs: number): readonly Step[] => [
  seldom((pipeline, signal) => acknowledgeNext(pipeline, napMs, signal), napMs / 3),
  assignNext,
  freezeNext,
  cleanNext,
]
const moving: readonly Step[] = [confirmNext, archiveNext]

/** Leaves a step that found nothing alone for a while: the more that waits, the more it costs to look. */
function seldom(step: Step, everyMs: number): Step {
  let next = -Infinity
  return async (pipeline, signal) => {
    if (pipeline.clock() < next) return false
    const did = await step(pipeline, signal)
    if (!did) next = pipeline.clock() + everyMs
    return did
  }
}

/** How an agent works, and how it ends. */
export interface Shift {
  /** Objects that each pipeline tries to move at once. */
  readonly movers: number
  /** From then on nothing new begins. */
  readonly stop: AbortSignal
  /** From then on what is being done is interrupted, too. */
  readonly signal: AbortSignal
  /** How long an idle lane naps, and acknowledgements gather, in milliseconds. Default: 3 s. */
  readonly napMs?: number
}

/**
 * Works until nothing can move: polls each pipeline, and drains its steps. A pipeline whose site is at fault is paused, which
 * the catalog records; the others go on.
 * @throws whatever stops the agent: an interruption, a broken catalog, a bug
 */
export async function runOnce(pipelines: readonly Pipeline[], shift: Shift): Promise<void> {
  await together(pipelines, shift, runPipelineOnce)
}

/** When to poll. */
export interface Timetable {
  readonly due: () => boolean
  /** A poll has begun. */
  readonly began: () => void
}

/** A pipeline that works until it is stopped. */
export interface Service {
  readonly pipeline: Pipeline
  readonly timetable: Timetable
  /** Keeps what speaks to the source apart from others that do it for the same pipeline: an agent whose config is being replaced. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * Works until it is stopped: polls each pipeline when it is time, and does what there is to do meanwhile. A pipeline whose site is
 * at fault is paused, which the catalog and one line of the log say, and probed until it can go on; the others go on.
 * @throws whatever stops the agent: an interruption, a broken catalog, a bug
 */
export async function serve(services: readonly Service[], shift: Shift): Promise<void> {
  await together(services, shift, serveOne)
}

/** One for each; what stops one stops all. */
async function together<T>(items: readonly T[], shift: Shift, run: (item: T, shift: Shift) => Promise<void>) {
  const broken = new AbortController()
  const signal = AbortSignal.any([shift.signal, broken.signal])
  const results = await Promise.allSettled(
    items.map(async (item) => {
      try {
        await run(item, { ...shift, signal })
      } catch (error) {
        broken.abort()
        throw error
      }
    }),
  )
  throwWorst(results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])))
}

/** Throws what stops the agent, else what pauses a pipeline; an interruption only if there is nothing else: we may have made it. */
function throwWorst(errors: readonly unknown[]): void {
  const rank = (error: unknown) => (isInterruption(error) ? 2 : dispositionOf(error) === 'stop' ? 0 : 1)
  if (errors.length > 0) throw [...errors].sort((a, b) => rank(a) - rank(b))[0]
}

const isInterruption = (error: unknown): boolean => problemsOf(error)[0]!.code === 'INTERRUPTED'

async function runPipelineOnce(p: Pipeline, shift: Shift): Promise<void> {
  if ((await p.catalog.drained()) !== null) {
    p.log.warn(`pipeline ${p.name} does nothing: the agent is drained`, { hint: '`tape-rse resume` lets it go on.' })
    return
  }
  try {
    await openVault(p, shift.signal)
    await p.catalog.endBackOffs(p.name) // commit
    let changed = true
    for (let round = 0; changed && round < rounds && !shift.stop.aborted; round++) {
      const before = await supersededCount(p)
      await poll(p, shift.signal)
      await p.catalog.unpause(p.name) // commit: vault and source have answered
      await drainSteps(p, shift)
      changed = (await supersededCount(p)) > before
    }
  } catch (error) {
    if (dispositionOf(error) === 'stop') throw error
    await pause(p, error)
    logPause(p, error)
  }
}

/** Has a mover check the vault, before anything relies on it; the first time, it is claimed for this catalog. */
async function openVault(p: Pipeline, signal: AbortSignal): Promise<void> {
  await p.catalog.rememberPlace(p.name, { ...p.vault, tape: p.tape }) // commit
  const known = await p.catalog.knowsVault(p.vault.root)
  await p.movers.run<'check'>({ kind: 'check', vault: p.vault, known }, anyMover, signal) // effect
  if (!known) await p.catalog.rememberVault(p.vault.root, p.now()) // commit
}

/** Faults that may be those of the source’s file system. */
const maybeSources: readonly ErrorCode[] = ['SOURCE_NOT_MOUNTED', 'SOURCE_HANGS', 'MOVER_STUCK']

/** Has a mover look whether the root of the source answers. */
const lookAtSource = (p: Pipeline, signal: AbortSignal) =>
  p.movers.run<'inspect'>({ kind: 'inspect', sourceRoot: p.sourceRoot, files: [] }, anyMover, signal)

const supersededCount = (p: Pipeline): Promise<number> => p.catalog.count({ pipeline: p.name, state: 'superseded' })

const pause = (p: Pipeline, error: unknown): Promise<void> => p.catalog.pause(p.name, problemsOf(error)[0]!, p.now()) // commit

function logPause(p: Pipeline, error: unknown): void {
  const { code, message, hint } = problemsOf(error)[0]!
  p.log.error(`pipeline ${p.name} paused: ${message}`, { code, hint })
}

/** Does all that can be done in one pipeline. After an error work in flight is finished if only the site is at fault. */
async function drainSteps(p: Pipeline, { movers, stop, signal, napMs = gatherMs }: Shift): Promise<void> {
  const broken = new AbortController()
  const both = AbortSignal.any([signal, broken.signal])
  const work =
    (steps: readonly Step[]): Work =>
    () =>
      firstWithWork(p, steps, both)
  const lanes = [work(control(napMs)), ...Array.from({ length: movers }, () => work(moving))]
  const onError: LaneRules['onError'] = (error) => {
    if (dispositionOf(error) === 'stop') broken.abort()
    throw error
  }
  do {
    throwWorst(await runLanes(lanes, { napMs, whenIdle: 'end', onError }, stop))
  } while (!stop.aborted && (await mayBegin(p)) && (await acknowledgeNext(p, 0, signal)))
}

async function firstWithWork(p: Pipeline, steps: readonly Step[], signal: AbortSignal): Promise<boolean> {
  for (const step of steps) {
    if (signal.aborted) throw interrupted()
    if (!(await mayBegin(p))) return false
    if (await step(p, signal)) return true
  }
  return false
}

const mayBegin = async (p: Pipeline): Promise<boolean> => (await p.catalog.drained()) === null

/** A gate that shuts sooner after it opened was not really open: vault and source answer, and something else of them fails. */
const steadyMs = 600_000

/**
 * Whether a pipeline may work: not before its vault and its source have answered, and not while one of them is at fault.
 * `said`: the fault that the log has told of. `failures`: since it was last open for a while.
 */
interface Gate {
  open: boolean
  /** By the pipeline's clock, as `probeAt`. */
  openedAt: number
  failures: number
  probeAt: number
  said: ErrorCode | null
}

async function serveOne({ pipeline: p, timetable, alone }: Service, shift: Shift): Promise<void> {
  const { movers, stop, signal, napMs = gatherMs } = shift
  const broken = new AbortController()
  const both = AbortSignal.any([signal, broken.signal])
  const gate: Gate = { open: false, openedAt: 0, failures: 0, probeAt: -Infinity, said: null }

  async function shut(error: unknown): Promise<void> {
    const { code } = problemsOf(error)[0]!
    await pause(p, error)
    const now = p.clock()
    gate.failures = gate.open && now - gate.openedAt >= steadyMs ? 1 : gate.failures + 1
    gate.open = false
    gate.probeAt = now + probeMs(gate.failures, p.random)
    if (gate.said !== code) logPause(p, error)
    gate.said = code
  }

  /** Looks whether vault and source answer, and polls. */
  async function look(): Promise<void> {
    if (stop.aborted) return
    timetable.began()
    await openVault(p, both)
    if (gate.said !== null && maybeSources.includes(gate.said)) await lookAtSource(p, both)
    await poll(p, both)
    if (gate.open) return
    // Only writing shows that there is room again: what the vault says of it can be wrong.
    if (gate.said === 'VAULT_FULL') await firstWithWork(p, moving, both)
    await p.catalog.unpause(p.name) // commit
    if (gate.said !== null) p.log.info(`pipeline ${p.name} goes on`)
    Object.assign(gate, { open: true, openedAt: p.clock(), said: null })
  }

  const keep: Work = async () => {
    if (gate.open ? !timetable.due() : p.clock() < gate.probeAt) return false
    if (!(await mayBegin(p))) return false
    await alone(look)
    return true
  }
  const work =
    (steps: readonly Step[]): Work =>
    async () =>
      gate.open && firstWithWork(p, steps, both)
  const lanes = [keep, () => alone(work(control(napMs))), ...Array.from({ length: movers }, () => work(moving))]

  const onError = async (error: unknown) => {
    try {
      if (dispositionOf(error) === 'stop') throw error
      // Lanes that fail together fail of one thing.
      if (gate.open || p.clock() >= gate.probeAt) await shut(error)
    } catch (worse) {
      broken.abort()
      throw worse
    }
  }
  throwWorst(await runLanes(lanes, { napMs, whenIdle: 'wait', onError }, stop))
}
