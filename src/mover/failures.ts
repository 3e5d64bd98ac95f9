import { exhaustionOf, failure, type TapeRseError } from '../model/errors.ts'
import type { OrderKind, OrderOf } from '../model/order.ts'
import type { StuckMover } from '../model/stuck.ts'
import type { Call } from './whereabouts.ts'

/** Where an order goes. */
export const rootsOf = (order: OrderOf<OrderKind>): readonly string[] => [
  ...('vault' in order ? [order.vault.root] : []),
  ...('sourceRoot' in order ? [order.sourceRoot] : []),
]

/** Whether an order only asks if the root of a source answers. */
export const isProbe = (order: OrderOf<OrderKind>): boolean => order.kind === 'inspect' && order.files.length === 0

/** What an order is at that has said nothing of it. */
export const unknownCall = (order: OrderOf<OrderKind>): Call => ({
  operation: order.kind,
  path: rootsOf(order).join(' or '),
  mount: null,
  root: null,
})

const about = (order: OrderOf<OrderKind>): string =>
  `${order.kind} ${'location' in order ? order.location : rootsOf(order).join(' and ')}`

export function unstarted(order: OrderOf<OrderKind>, error: unknown): TapeRseError {
  const exhausted = exhaustionOf(error)
  const what = exhausted?.what ?? (error instanceof Error ? error.message : String(error))
  return failure(
    'MACHINE_EXHAUSTED',
    `Cannot ${about(order)}: no mover could be started: ${what}`,
    `${exhausted?.hint ?? 'See the limits of the service: TasksMax, LimitNOFILE, MemoryMax.'} The work goes on by itself.`,
    error,
  )
}

export const died = (
  order: OrderOf<OrderKind>,
  mover: { readonly pid: number | null; readonly errors: string },
  how: string,
) =>
  failure(
    'MOVER_DIED',
    `Cannot ${about(order)}: mover ${mover.pid ?? '?'} is gone: ${how}${mover.errors === '' ? '' : ` (${mover.errors.trim()})`}`,
    'It is tried again. If it happens each time, look for the out-of-memory killer in the system log.',
  )

const hung = ({ operation, path }: Call, deadlineMs: number): string =>
  `a call (${operation} ${path}) took longer than ${deadlineMs / 1000} s, and its mover was killed`

export const stalledAt = (order: OrderOf<OrderKind>, call: Call, deadlineMs: number) =>
  failure(
    'MOVER_STALLED',
    `Cannot ${about(order)}: ${hung(call, deadlineMs)}`,
    'It is tried again. See why that path does not answer. If tapes take so long to be read, raise `deadlines`.',
  )

export const rootHangs = (order: OrderOf<OrderKind>, call: Call, deadlineMs: number) =>
  failure(
    order.kind === 'check' ? 'VAULT_HANGS' : 'SOURCE_HANGS',
    `Cannot ${about(order)}: ${hung(call, deadlineMs)}`,
    'See why that file system does not answer: the work goes on by itself.',
  )

export const stuckError = (order: OrderOf<OrderKind>, { pid, operation, path, since, freedBy }: StuckMover) =>
  failure(
    'MOVER_STUCK',
    `Cannot ${about(order)}: mover ${pid} hangs (${operation} ${path}), and has not ended since it was killed at ${since.toISOString()}`,
    freedBy === null
      ? `See why ${path} does not answer: the work goes on by itself.`
      : `To free it, as root: ${freedBy}; then mount that file system again. docs/hpss.md, "A mount that hangs", says more.`,
  )
