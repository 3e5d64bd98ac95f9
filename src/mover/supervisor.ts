import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { readMounts } from '../io/mounts.ts'
import { isAlive } from '../io/processes.ts'
import { interrupted, TapeRseError } from '../model/errors.ts'
import {
  anyMover,
  type Answers,
  type Commission,
  type MoverAnswer,
  type Movers,
  type OrderKind,
  type OrderOf,
} from '../model/order.ts'
import type { StuckMover } from '../model/stuck.ts'
import { converse, exits } from './conversation.ts'
import { died, isProbe, rootHangs, rootsOf, stalledAt, stuckError, unknownCall, unstarted } from './failures.ts'
import { startMover } from './start.ts'
import { rootOn, stuckMovers, type Root } from './stuck.ts'
import { forget, lastCallOf, strays, makeWhereabouts, type Call } from './whereabouts.ts'

/** How long a mover that was killed has to end. */
export const killMs = 5_000

export interface SupervisorOptions {
  /** The script of the child process (worker.ts). */
  readonly script: string
  /** Orders that move data at once; those that look at names (all but pack and prove) have two movers more. */
  readonly movers: number
  readonly deadlines: Deadlines
  /** How long a killed mover has to end before it counts as stuck. */
  readonly killMs: number
  /** Directory in which movers say what they are at, for the case that they hang. null: they do not. */
  readonly whereabouts: string | null
  /** Where movers write that are told to deliver to standard output. Default: nowhere. */
  readonly output?: 'inherit'
  readonly now: () => Date
  /** Told of all stuck movers, when one comes or goes. */
  readonly onStuck: (stuck: readonly StuckMover[]) => void
}

/** A mover that reports no progress for so long, in milliseconds, is killed. */
export interface Deadlines {
  /** While it moves data: it may have to wait for a tape. */
  readonly move: number
  /** While it looks at names. */
  readonly look: number
}

export interface Supervisor extends Movers {
  /** Starts a mover, for an order that is to come soon; or takes one that was started by startMover() as its own. */
  warm(spare: ChildProcess | null): void
  /** Changes how many orders move data at once, and their deadlines. Movers that are at work finish what they are at. */
  adjust(movers: number, deadlines: Deadlines): void
  /** Ends the movers of agents that are gone. Those that do not end count as stuck. */
  endStrays(): Promise<{ readonly ended: number; readonly stuck: number }>
  /** Ends all movers; one that hangs in the kernel is let go of. */
  close(): Promise<void>
}

type Kind = keyof Deadlines

interface Mover {
  readonly child: ChildProcess
  /** null: it could not be started. */
  readonly pid: number | null
  /** What it is at: an order that moves data, or one that looks at names. */
  busy: Kind | null
  errors: string
}

interface Waiter {
  readonly wants: (mover: Mover) => boolean
  readonly kind: Kind
  readonly take: (mover: Mover) => void
  readonly fail: (error: unknown) => void
}

const moving: readonly OrderKind[] = ['pack', 'prove', 'fetch', 'extract', 'survey', 'examine', 'verify']

const hasEnded = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid === undefined || exitCode !== null || signalCode !== null

/**
 * Keeps warm child processes and hands each order to one of them. A kill is a request, not a fact: a process that hangs in a
 * FUSE call may outlive SIGKILL for ever (docs/hpss.md), so nothing here waits for an exit without a limit.
 */
export function startSupervisor(options: SupervisorOptions): Supervisor {
  const pool = new Set<Mover>()
  const waiters: Waiter[] = []
  const stuck = stuckMovers(options.now, options.onStuck)
  const whereabouts = options.whereabouts === null ? null : makeWhereabouts(options.whereabouts)
  let nextId = 1
  let closed = false
  let size = options.movers
  let deadlines = options.deadlines
  let mounts = readMounts()

  /** The roots of an order, as they are mounted now; or as they were, for want of open files to see that. */
  function rootsNow(order: OrderOf<OrderKind>): readonly Root[] {
    try {
      mounts = readMounts()
    } catch {
      // they seldom change
    }
    return rootsOf(order).map((path) => rootOn(mounts, path))
  }

  function hire(): Mover {
    return take(startMover(options.script, whereabouts, options.output ?? 'ignore'))
  }

  function take(child: ChildProcess): Mover {
    const mover: Mover = { child, pid: child.pid ?? null, busy: null, errors: '' }
    child.stderr?.on('data', (chunk: Buffer) => (mover.errors = (mover.errors + chunk.toString()).slice(-2000)))
    child.on('error', () => {
      if (child.pid === undefined) pool.delete(mover)
      serveWaiters()
    })
    child.once('exit', () => {
      pool.delete(mover)
      stuck.look()
      if (whereabouts !== null && mover.pid !== null) forget(whereabouts, mover.pid)
      serveWaiters()
    })
    pool.add(mover)
    return mover
  }

  function serveWaiters(): void {
    for (const waiter of [...waiters]) {
      try {
        const mover = freeOrHired(waiter)
        if (mover === null) continue
        waiters.splice(waiters.indexOf(waiter), 1)
        mover.busy = waiter.kind
        waiter.take(mover)
      } catch (error) {
        waiters.splice(waiters.indexOf(waiter), 1)
        waiter.fail(error)
      }
    }
  }

  function freeOrHired({ wants, kind }: Waiter): Mover | null {
    const moving = [...pool].filter((mover) => mover.busy === 'move').length
    if (kind === 'move' && moving >= size) return null
    for (const mover of pool) if (mover.busy === null && wants(mover)) return mover
    return !closed && pool.size < size + 2 ? hire() : null
  }

  function acquire(kind: Kind, wants: Waiter['wants'], signal: AbortSignal): Promise<Mover> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        wants,
        kind,
        take: (mover) => {
          signal.removeEventListener('abort', abort)
          resolve(mover)
        },
        fail: (error) => {
          signal.removeEventListener('abort', abort)
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      }
      const abort = () => {
        const at = waiters.indexOf(waiter)
        if (at >= 0) waiters.splice(at, 1)
        reject(interrupted())
      }
      if (signal.aborted) {
        abort()
        return
      }
      signal.addEventListener('abort', abort, { once: true })
      waiters.push(waiter)
      serveWaiters()
    })
  }

  function release(mover: Mover): void {
    mover.busy = null
    serveWaiters()
  }

  function letGoOf(mover: Mover): void {
    pool.delete(mover)
    mover.child.stderr?.destroy()
    if (mover.child.connected) mover.child.disconnect()
    mover.child.unref()
    serveWaiters()
  }

  /** SIGKILL, and a few seconds for it to work; then the mover is let go of, and counts as stuck. Null: it is gone. */
  async function dismiss(mover: Mover, call: Call, roots: readonly Root[]): Promise<StuckMover | null> {
    const { child } = mover
    child.kill('SIGKILL')
    if (await exits(child, options.killMs)) return null
    letGoOf(mover)
    return stuck.add(mover.pid!, () => child.exitCode === null && child.signalCode === null, call, roots)
  }

  async function run<K extends OrderKind>(
    order: OrderOf<K>,
    { not, moved }: Commission,
    signal: AbortSignal,
  ): Promise<MoverAnswer<K>> {
    const roots = rootsNow(order)
    const refuseStuck = () => {
      const hanging = stuck.on(roots)
      if (hanging !== null) throw stuckError(order, hanging)
    }
    refuseStuck()
    const kind: Kind = moving.includes(order.kind) ? 'move' : 'look'
    const mover = await acquire(kind, (candidate) => candidate.pid !== not, signal).catch((error: unknown) => {
      throw error instanceof TapeRseError ? error : unstarted(order, error)
    })
    try {
      refuseStuck() // while this one waited
    } catch (error) {
      release(mover)
      throw error
    }
    // Who removes an object reads its beginning: that may have to wait for a tape, too.
    const deadline = order.kind === 'remove' ? deadlines.move : deadlines[kind]
    const { pid } = mover
    const outcome = await converse(mover.child, { id: nextId++, order }, deadline, moved, signal)
    if (outcome.kind === 'answer' || outcome.kind === 'error') release(mover)
    if (outcome.kind === 'answer') return { answer: outcome.answer as Answers[K], mover: pid! }
    if (outcome.kind === 'error') throw outcome.error
    if (outcome.kind === 'unstarted') throw unstarted(order, outcome.error)
    if (outcome.kind === 'died') {
      mover.child.kill('SIGKILL') // it may live, and cannot be spoken to
      throw died(order, mover, outcome.how)
    }

    const call = (whereabouts === null ? null : lastCallOf(whereabouts, pid!)) ?? unknownCall(order)
    const hanging = await dismiss(mover, call, roots)
    if (hanging !== null) throw stuckError(order, hanging)
    if (outcome.kind === 'aborted') throw interrupted()
    throw await stalled(order, call, deadline, signal)
  }

  /** A call that hangs may be the fault of one file, or of its whole file system: the roots tell. */
  async function stalled(
    order: OrderOf<OrderKind>,
    call: Call,
    deadline: number,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      if (order.kind === 'check' || isProbe(order)) return rootHangs(order, call, deadline)
      if ('vault' in order && 'owner' in order.vault)
        await run<'check'>({ kind: 'check', vault: order.vault, known: true }, anyMover, signal)
      if ('sourceRoot' in order)
        await run<'inspect'>({ kind: 'inspect', sourceRoot: order.sourceRoot, files: [] }, anyMover, signal)
      return stalledAt(order, call, deadline)
    } catch (worse) {
      return worse
    }
  }

  async function endStrays(): Promise<{ readonly ended: number; readonly stuck: number }> {
    if (whereabouts === null) return { ended: 0, stuck: 0 }
    const found = strays(whereabouts)
    for (const stray of found.filter(isAlive)) killQuietly(stray.pid)
    const end = performance.now() + options.killMs
    while (found.some(isAlive) && performance.now() < end) await sleep(20)
    const left = found.filter(isAlive)
    for (const stray of left) stuck.add(stray.pid, () => isAlive(stray), stray, [])
    for (const stray of found) if (!left.includes(stray)) forget(whereabouts, stray.pid)
    return { ended: found.length - left.length, stuck: left.length }
  }

  return {
    run,
    warm(spare) {
      if (spare === null || hasEnded(spare)) hire()
      else take(spare)
    },
    endStrays,
    adjust(movers, newDeadlines) {
      size = movers
      deadlines = newDeadlines
      for (const mover of [...pool].slice(size + 2)) {
        if (mover.busy !== null || !mover.child.connected) continue
        pool.delete(mover)
        mover.child.disconnect() // an idle mover ends by itself
      }
      serveWaiters()
    },
    close: async () => {
      closed = true
      await Promise.all(
        [...pool].map(async (mover) => {
          mover.child.kill('SIGKILL') // to end by itself takes one longer, and an idle one has nothing to end
          if (!(await exits(mover.child, options.killMs))) letGoOf(mover)
        }),
      )
    },
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended, or is another user's: then it counts as stuck
  }
}
