import type { Fault } from '../hpssfs/mount.ts'
import type { Making } from './people.ts'

/** A dataset, counted from the last that was made: half of what people do is done to what is new, and may be on its way just then. */
type Whom = number

/** Something that happens in a day. */
export type Act =
  | { readonly kind: 'make'; readonly scope: number; readonly making: Making }
  | { readonly kind: 'change' | 'leave open'; readonly whom: Whom; readonly sizes: readonly number[] }
  /** What is about to be done, if that comes to pass while somebody waits for it. */
  | { readonly kind: 'reopen at the last moment'; readonly sizes: readonly number[] }
  | { readonly kind: 'detach' | 'delete objects'; readonly whom: Whom; readonly which: number }
  | { readonly kind: 'finish' | 'untag' | 'ask again' | 'hold' | 'release' | 'remove'; readonly whom: Whom }
  | { readonly kind: 'retry' | 'kill agent' | 'kill movers' | 'kill both' | 'stop agent' | 'remount' | 'crash' }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'line'; readonly bad: number }

export interface Day {
  /** How the agent runs: until it is stopped, or one `run --once` after the other. */
  readonly agent: 'service' | 'once'
  readonly acts: readonly { readonly afterMs: number; readonly act: Act }[]
}

/** How often each act comes, compared with the others. */
const weights = {
  make: 14,
  change: 6,
  'leave open': 5,
  'reopen at the last moment': 4,
  finish: 4,
  detach: 3,
  untag: 2,
  'ask again': 3,
  'delete objects': 4,
  hold: 1,
  release: 1,
  retry: 1,
  remove: 1,
  'kill agent': 3,
  'kill movers': 3,
  'kill both': 2,
  'stop agent': 2,
  fault: 24,
  crash: 2,
  remount: 1,
  line: 3,
} as const satisfies Record<Act['kind'], number>

const operations = [
  ...['create', 'write', 'fsync', 'close', 'rename', 'mkdir', 'stat', 'open', 'read', 'fsyncdir', 'opendir'],
  ...['unlink', 'rmdir', 'statfs', '*'],
]
const errors = ['EIO', 'ENOSPC', 'EDQUOT', 'ESTALE', 'ENOTCONN', 'EACCES']

/** The same seed gives the same days, whatever comes of them. */
export function planner(random: () => number) {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!
  const sizes = (most: number) =>
    Array.from({ length: 1 + below(most) }, () => (below(9) === 0 ? 0 : 1 + below(30_000)))
  let made = 0

  function fault(): Fault {
    const count = 1 + below(3)
    const skip = below(12)
    switch (pick(['error', 'error', 'error', 'error', 'late', 'short', 'hang', 'flip', 'flip'])) {
      case 'late':
        return { op: pick(['write', 'fsync']), error: pick(['EIO', 'ENOSPC', 'EDQUOT']), defer: true, count, skip }
      case 'short':
        return { op: 'write', short: 1 + below(5000), count: 10 * count, skip }
      case 'hang':
        return { op: pick(operations), hang: 0.1 + 0.9 * random(), count, skip }
      case 'flip':
        return {
          op: pick(['read', 'write']),
          path: '*.zip*',
          flip: { offset: below(25_000), bit: below(8) },
          count: 1,
          skip: 0,
        }
      default:
        return { op: pick(operations), error: pick(errors), count, skip }
    }
  }

  function make(): Act {
    const name = below(4) === 0 ? `2026/${below(3)}/ds${made++}` : `ds${made++}`
    const closed = below(6) > 0
    return { kind: 'make', scope: below(2), making: { name, sizes: sizes(5), closed, asked: below(6) > 0 } }
  }

  function act(kind: Act['kind']): Act {
    const whom = below(2) === 0 ? below(4) : below(1000)
    switch (kind) {
      case 'make':
        return make()
      case 'change':
      case 'leave open':
        return { kind, whom, sizes: sizes(2) }
      case 'reopen at the last moment':
        return { kind, sizes: sizes(2) }
      case 'detach':
      case 'delete objects':
        return { kind, whom, which: below(1000) }
      case 'finish':
      case 'untag':
      case 'ask again':
      case 'hold':
      case 'release':
      case 'remove':
        return { kind, whom }
      case 'fault':
        return { kind, fault: fault() }
      case 'line':
        return { kind, bad: pick([0, 0.1, 0.2, 1 / 3]) }
      case 'retry':
      case 'kill agent':
      case 'kill movers':
      case 'kill both':
      case 'stop agent':
      case 'remount':
      case 'crash':
        return { kind }
    }
  }

  const bag = Object.entries(weights).flatMap(([kind, weight]) => Array<Act['kind']>(weight).fill(kind as Act['kind']))
  return {
    day(length: number): Day {
      const first = Array.from({ length: 4 }, () => ({ afterMs: 0, act: make() }))
      const others = Array.from({ length }, () => ({ afterMs: below(500), act: act(pick(bag)) }))
      const line = { afterMs: 0, act: act('line') }
      return { agent: pick(['service', 'once']), acts: [line, ...first, ...others] }
    },
  }
}
