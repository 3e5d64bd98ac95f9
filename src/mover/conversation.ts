import type { ChildProcess } from 'node:child_process'
import { TapeRseError } from '../model/errors.ts'
import type { Answers, Commission, OrderKind } from '../model/order.ts'
import type { Reply, Request } from './protocol.ts'

/** What came of an order. */
export type Outcome =
  | { readonly kind: 'answer'; readonly answer: Answers[OrderKind] }
  | { readonly kind: 'error'; readonly error: TapeRseError }
  | { readonly kind: 'unstarted'; readonly error: Error }
  | { readonly kind: 'died'; readonly how: string }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'stalled' }

/** Sends one request and listens until the mover has answered, died, stalled, or is no longer wanted. */
export function converse(
  child: ChildProcess,
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
    const onError = (error: Error) =>
      settle(child.pid === undefined ? { kind: 'unstarted', error } : { kind: 'died', how: error.message })
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
      if (child.pid === undefined) return // it never began, and has no channel: the error that says why is on its way
      // The order is too long for one text.
      settle({ kind: 'died', how: error instanceof Error ? error.message : String(error) })
    }
  })
}

/** Whether the child ends within the time. */
export function exits(child: ChildProcess, ms: number): Promise<boolean> {
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
