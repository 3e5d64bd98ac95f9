import type { Reply } from './sandbox-answers.ts'
import type { Call } from './sandbox-request.ts'
import type { World } from './sandbox-world.ts'

export interface Route {
  readonly method: string
  /** Groups: the variable parts of the path. `.+` of a DID takes slashes; the route with the longest fixed end wins, as first. */
  readonly path: RegExp
  /** What the request must accept; null: it does not matter. */
  readonly accept: string | null
  /** Statuses by ExceptionClass; 500 for the others. They differ from route to route. */
  readonly statuses: Readonly<Record<string, number>>
  readonly answer: (call: Call, world: World) => Reply
}

/** 409 for each of these. */
export function conflicts(...classes: string[]): Record<string, number> {
  return Object.fromEntries(classes.map((exceptionClass) => [exceptionClass, 409]))
}

export function route(
  method: string,
  path: RegExp,
  accept: string | null,
  statuses: Record<string, number>,
  answer: Route['answer'],
): Route {
  return { method, path, accept, statuses, answer }
}
