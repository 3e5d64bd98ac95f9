import { dispositionOf, interrupted, problemsOf } from './model/errors.ts'
import { acknowledgeNext } from './pipeline/acknowledge.ts'
import { archiveNext } from './pipeline/archive.ts'
import { assignNext } from './pipeline/assign.ts'
import { cleanNext } from './pipeline/clean.ts'
import { confirmNext } from './pipeline/confirm.ts'
import { freezeNext, poll } from './pipeline/import.ts'
import type { Pipeline, Step } from './pipeline/pipeline.ts'

/** How long a batch of acknowledgements that is not full waits for more. */
const gatherMs = 3000
/** A target that changed while it was archived is requested anew by the next poll; more rounds than this in one run are for the next. */
const rounds = 3

/** A lane does one thing at a time: the first of its steps that has work. The work nearest to `done` comes first. */
type Lane = readonly Step[]

/**
 * Works until nothing can move: polls each pipeline, and drains its steps. A pipeline whose site is at fault is paused, which
 * the catalog records; the others go on.
 * @param lanes movers that a pipeline keeps at work
 * @throws whatever stops the agent: an interruption, a broken catalog, a bug
 */
export async function runOnce(pipelines: readonly Pipeline[], lanes: number, signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const results = await Promise.allSettled(
    pipelines.map(async (pipeline) => {
      try {
        await runPipeline(pipeline, lanes, both)
      } catch (error) {
        stop.abort()
        throw error
      }
    }),
  )
  throwWorst(results)
}

/** Throws what stops the agent, else what pauses a pipeline; an interruption only if there is nothing else: we may have made it. */
function throwWorst(results: readonly PromiseSettledResult<unknown>[]): void {
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  const rank = (reason: unknown) => (isInterruption(reason) ? 2 : dispositionOf(reason) === 'stop' ? 0 : 1)
  if (reasons.length > 0) throw reasons.sort((a, b) => rank(a) - rank(b))[0]
}

async function runPipeline(p: Pipeline, lanes: number, signal: AbortSignal): Promise<void> {
  try {
    await openVault(p, signal)
    let changed = true
    for (let round = 0; changed && round < rounds; round++) {
      const before = await supersededCount(p)
      await poll(p, signal)
      await p.catalog.unpause(p.name) // commit: vault and source have answered
      await drain(p, lanes, signal)
      changed = (await supersededCount(p)) > before
    }
  } catch (error) {
    if (dispositionOf(error) === 'stop') throw error
    const problem = problemsOf(error)[0]!
    await p.catalog.pause(p.name, problem, p.now()) // commit
    p.log.error(`pipeline ${p.name} paused: ${problem.message}`, { code: problem.code, hint: problem.hint })
  }
}

/** Has a mover check the vault, before anything relies on it; the first time, it is claimed for this catalog. */
async function openVault(p: Pipeline, signal: AbortSignal): Promise<void> {
  const known = await p.catalog.knowsVault(p.vault.root)
  await p.movers.run<'check'>({ kind: 'check', vault: p.vault, known }, null, signal) // effect
  if (!known) await p.catalog.rememberVault(p.vault.root, p.now()) // commit
}

const supersededCount = async (p: Pipeline): Promise<number> =>
  (await p.catalog.summary()).pipelines
    .filter(({ pipeline }) => pipeline === p.name)
    .flatMap(({ targets }) => targets)
    .filter(({ state }) => state === 'superseded')
    .reduce((sum, { count }) => sum + count, 0)

/** Drains all steps of one pipeline: one lane speaks to the source, the others keep movers at work. */
export async function drain(p: Pipeline, lanes: number, signal: AbortSignal): Promise<void> {
  const acknowledge: Step = (pipeline, s) => acknowledgeNext(pipeline, gatherMs, s)
  const control: Lane = [acknowledge, freezeNext, assignNext, cleanNext]
  const moving: Lane = [confirmNext, archiveNext]
  do {
    await runLanes(p, [control, ...Array.from({ length: lanes }, () => moving)], signal)
  } while (await acknowledgeNext(p, 0, signal))
}

/**
 * Runs lanes side by side until all of them are idle at once: what one lane did may be work for another. After an error no lane
 * begins anything more. Work in flight is finished if only the site is at fault, and interrupted if the agent has to stop.
 */
async function runLanes(p: Pipeline, lanes: readonly Lane[], signal: AbortSignal): Promise<void> {
  const interrupt = new AbortController()
  const both = AbortSignal.any([signal, interrupt.signal])
  let over = false
  let done = 0
  let idle = 0
  let wake: (() => void)[] = []
  const wakeAll = () => {
    const waiting = wake
    wake = []
    for (const resolve of waiting) resolve()
  }

  /** Until another lane has done something; not longer than a batch of acknowledgements gathers. */
  const nap = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, gatherMs)
      wake.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })

  async function run(lane: Lane): Promise<void> {
    while (!over) {
      const seen = done
      if (await firstWithWork(p, lane, both)) {
        done++
        wakeAll()
      } else if (seen === done) {
        idle++
        if (idle === lanes.length) {
          over = true
          wakeAll()
          return
        }
        await nap()
        idle--
      }
    }
  }

  const results = await Promise.allSettled(
    lanes.map(async (lane) => {
      try {
        await run(lane)
      } catch (error) {
        over = true
        if (dispositionOf(error) === 'stop') interrupt.abort()
        wakeAll()
        throw error
      }
    }),
  )
  throwWorst(results)
}

const isInterruption = (error: unknown): boolean => problemsOf(error)[0]!.code === 'INTERRUPTED'

async function firstWithWork(p: Pipeline, lane: Lane, signal: AbortSignal): Promise<boolean> {
  for (const step of lane) {
    if (signal.aborted) throw interrupted()
    if (await step(p, signal)) return true
  }
  return false
}
