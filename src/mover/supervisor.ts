import { spawn, type ChildProcess } from 'node:child_process'
import { failure, interrupted, TapeRseError } from '../model/errors.ts'
import type { Answers, Commission, MoverAnswer, Movers, OrderKind, OrderOf } from '../model/order.ts'
import type { Reply, Request } from './protocol.ts'

export interface SupervisorOptions {
  /** The script of the child process (worker.ts). */
  readonly script: string
  /** Orders that move data at once; the quick ones (check, stat, clean) have two movers more. */
  readonly movers: number
  /** A mover that reports no progress for so long is killed. */
  readonly stallMs: number
  /** How long a killed mover has to end before it counts as stuck. */
  readonly killMs: number
}

export interface Supervisor extends Movers {
  /** Changes how many orders move data at once. Movers that are at work finish what they are at. */
  resize(movers: number): void
  /** Ends all movers; one that hangs in the kernel is let go of. */
  close(): Promise<void>
}

interface Mover {
  readonly child: ChildProcess
  readonly pid: number
  /** What it is at: an order that moves data, or a quick one. */
  busy: 'moving' | 'quick' | null
  errors: string
}

interface Waiter {
  readonly wants: (mover: Mover) => boolean
  readonly kind: 'moving' | 'quick'
  readonly take: (mover: Mover) => void
}

/** A mover lives long and makes short-lived things: without these its heap grows to twice what it needs (bench/pack.ts). */
const frugal: readonly string[] = ['--max-semi-space-size=2', '--optimize-for-size']

/**
 * Keeps warm child processes and hands each order to one of them. A kill is a request, not a fact: a process that hangs in a
 * FUSE call may outlive SIGKILL for ever (docs/hpss.md), so nothing here waits for an exit without a limit.
 */
export function startSupervisor(options: SupervisorOptions): Supervisor {
  const pool = new Set<Mover>()
  const waiters: Waiter[] = []
  const stuck = new Map<string, number>()
  let nextId = 1
  let closed = false
  let size = options.movers

  function hire(): Mover {
    const node = ['--disable-warning=ExperimentalWarning', ...frugal]
    const child = spawn(process.execPath, [...node, options.script, String(process.pid)], {
      detached: true, // its own process group: a terminal's Ctrl-C reaches the control process alone
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: {},
    })
    const mover: Mover = { child, pid: child.pid ?? -1, busy: null, errors: '' }
    child.stderr?.on('data', (chunk: Buffer) => (mover.errors = (mover.errors + chunk.toString()).slice(-2000)))
    child.on('error', () => pool.delete(mover))
    child.once('exit', () => {
      pool.delete(mover)
      for (const [root, pid] of stuck) if (pid === mover.pid) stuck.delete(root)
      serveWaiters()
    })
    pool.add(mover)
    return mover
  }

  function serveWaiters(): void {
    for (const waiter of [...waiters]) {
      const mover = free(waiter)
      if (mover === null) continue
      waiters.splice(waiters.indexOf(waiter), 1)
      mover.busy = waiter.kind
      waiter.take(mover)
    }
  }

  function free({ wants, kind }: Waiter): Mover | null {
    const moving = [...pool].filter((mover) => mover.busy === 'moving').length
    if (kind === 'moving' && moving >= size) return null
    for (const mover of pool) if (mover.busy === null && wants(mover)) return mover
    return !closed && pool.size < size + 2 ? hire() : null
  }

  function acquire(kind: Waiter['kind'], wants: Waiter['wants'], signal: AbortSignal): Promise<Mover> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        wants,
        kind,
        take: (mover) => {
          signal.removeEventListener('abort', abort)
          resolve(mover)
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

  /** SIGKILL, and a few seconds for it to work; then the mover is let go of, and the vault's root counts as stuck. */
  async function dismiss(mover: Mover, root: string): Promise<'gone' | 'stuck'> {
    mover.child.kill('SIGKILL')
    if (await exits(mover.child, options.killMs)) return 'gone'
    pool.delete(mover)
    stuck.set(root, mover.pid)
    mover.child.stderr?.destroy()
    if (mover.child.connected) mover.child.disconnect()
    mover.child.unref()
    return 'stuck'
  }

  async function run<K extends OrderKind>(
    order: OrderOf<K>,
    { not, moved }: Commission,
    signal: AbortSignal,
  ): Promise<MoverAnswer<K>> {
    const root = rootOf(order)
    const hanging = stuck.get(root)
    if (hanging !== undefined) throw stuckError(order, hanging)
    const kind = order.kind === 'pack' || order.kind === 'prove' ? 'moving' : 'quick'
    const mover = await acquire(kind, (candidate) => candidate.pid !== not, signal)
    const id = nextId++
    const outcome = await converse(mover, { id, order }, options.stallMs, moved, signal)
    switch (outcome.kind) {
      case 'answer':
        release(mover)
        return { answer: outcome.answer as Answers[K], mover: mover.pid }
      case 'error':
        release(mover)
        throw outcome.error
      case 'died':
        throw died(order, mover, outcome.how)
      case 'aborted':
      case 'stalled':
        if ((await dismiss(mover, root)) === 'stuck') throw stuckError(order, mover.pid)
        throw outcome.kind === 'aborted'
          ? interrupted()
          : died(order, mover, `it made no progress for ${options.stallMs / 1000} s and was killed`)
    }
  }

  return {
    run,
    resize(movers) {
      size = movers
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
          if (mover.busy === null && mover.child.connected) mover.child.disconnect()
          else mover.child.kill('SIGKILL')
          if (!(await exits(mover.child, options.killMs))) await dismiss(mover, '')
        }),
      )
    },
  }
}

type Outcome =
  | { readonly kind: 'answer'; readonly answer: Answers[OrderKind] }
  | { readonly kind: 'error'; readonly error: TapeRseError }
  | { readonly kind: 'died'; readonly how: string }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'stalled' }

/** Sends one request and listens until the mover has answered, died, stalled, or is no longer wanted. */
function converse(
  { child }: Mover,
  request: Request,
  stallMs: number,
  moved: Commission['moved'],
  signal: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let stall = setTimeout(() => settle({ kind: 'stalled' }), stallMs)
    const settle = (outcome: Outcome) => {
      clearTimeout(stall)
      child.off('message', onMessage)
      child.off('exit', onExit)
      child.off('error', onError)
      signal.removeEventListener('abort', onAbort)
      resolve(outcome)
    }
    const onMessage = (message: unknown) => {
      const reply = message as Reply
      if (reply.id !== request.id) return
      if ('answer' in reply) settle({ kind: 'answer', answer: reply.answer })
      else if ('problems' in reply) settle({ kind: 'error', error: new TapeRseError(reply.problems) })
      else {
        clearTimeout(stall)
        stall = setTimeout(() => settle({ kind: 'stalled' }), stallMs)
        moved(reply.moved)
      }
    }
    const onExit = (code: number | null, killedBy: NodeJS.Signals | null) =>
      settle({
        kind: 'died',
        how: killedBy === null ? `it ended with exit code ${code ?? 'unknown'}` : `it was ended by ${killedBy}`,
      })
    const onError = (error: Error) => settle({ kind: 'died', how: error.message })
    const onAbort = () => settle({ kind: 'aborted' })

    child.on('message', onMessage)
    child.once('exit', onExit)
    child.once('error', onError)
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      child.send(request, (error) => {
        if (error !== null) settle({ kind: 'died', how: error.message })
      })
    } catch (error) {
      // It never began, for want of descriptors or memory, and has no channel; or the order is too long for one text.
      settle({ kind: 'died', how: error instanceof Error ? error.message : String(error) })
    }
  })
}

/** Whether the child ends within the time. */
function exits(child: ChildProcess, ms: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(true)
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.off('exit', gone)
      resolve(false)
    }, ms)
    const gone = () => {
      clearTimeout(timer)
      resolve(true)
    }
    child.once('exit', gone)
  })
}

/** The file system that an order may hang on. */
const rootOf = (order: OrderOf<OrderKind>): string => ('vault' in order ? order.vault.root : order.sourceRoot)

const about = (order: OrderOf<OrderKind>): string =>
  `${order.kind} ${'location' in order ? order.location : rootOf(order)}`

const died = (order: OrderOf<OrderKind>, mover: Mover, how: string) =>
  failure(
    'MOVER_DIED',
    `Cannot ${about(order)}: mover ${mover.pid} is gone: ${how}${mover.errors === '' ? '' : ` (${mover.errors.trim()})`}`,
    'It is tried again. If it happens each time, look for the out-of-memory killer in the system log.',
  )

const stuckError = (order: OrderOf<OrderKind>, pid: number) =>
  failure(
    'MOVER_STUCK',
    `Cannot ${about(order)}: mover ${pid} hangs in a call to ${rootOf(order)} and does not end, though it was killed`,
    `Free it: umount -f ${rootOf(order)} (then mount it again), or see docs/hpss.md, "A mount that hangs".`,
  )
