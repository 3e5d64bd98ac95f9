import type { Problem } from '../model/errors.ts'
import type { Answers, Order, OrderKind } from '../model/order.ts'

/** To a mover: one order at a time. */
export interface Request {
  readonly id: number
  readonly order: Order
}

/** From a mover, about the order of the same id. */
export type Reply =
  /** Bytes moved so far: it lives. */
  | { readonly id: number; readonly moved: number }
  | { readonly id: number; readonly answer: Answers[OrderKind] }
  | { readonly id: number; readonly problems: readonly [Problem, ...Problem[]] }
