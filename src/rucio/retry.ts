import { setTimeout as timer } from 'node:timers/promises'
import { interrupted, RucioError } from './errors.ts'

/** Tries of one request. A server of four workers that lost its database answers the first request of each with an error. */
const TRIES = 5
/** A server that asks to be left alone for longer is left to the caller, who has more to do than to wait. */
const MAX_AFTER_MS = 60_000

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>

/** @throws {Error} once `signal` is aborted */
export const sleep: Sleep = (ms, signal) => timer(ms, undefined, { signal })

/** What the retry rule needs of the world. `random` gives [0, 1). */
export interface Patience {
  readonly sleep: Sleep
  readonly random: () => number
}

/**
 * How long to wait after the n-th failure, in milliseconds: 250, doubling to 10,000, as Rucio's own client does
 * (client/baseclient.py), less up to half of it, so that clients that failed together do not return together.
 */
export const backOffMs = (failures: number, random: () => number): number =>
  Math.min(10_000, 250 * 2 ** (failures - 1)) * (1 - 0.5 * random())

/**
 * Repeats `attempt` while its error says that it may succeed in a moment, a few times. Every request we make may be repeated:
 * it reads, or it sets a value that it sets again.
 * @throws TapeRseError of the last try; INTERRUPTED once `signal` is aborted
 */
export async function persist<T>(
  what: string,
  attempt: () => Promise<T>,
  patience: Patience,
  signal: AbortSignal,
): Promise<T> {
  for (let failures = 0; ;) {
    if (signal.aborted) throw interrupted(what)
    try {
      return await attempt()
    } catch (error) {
      const wait = error instanceof RucioError ? waitFor(error, ++failures, patience.random) : null
      if (wait === null) throw error
      await patience.sleep(wait, signal).catch((cause: unknown) => {
        throw signal.aborted ? interrupted(what) : cause
      })
    }
  }
}

function waitFor(error: RucioError, failures: number, random: () => number): number | null {
  if (!error.again || failures >= TRIES) return null
  const afterMs = error.afterMs ?? 0
  return afterMs > MAX_AFTER_MS ? null : Math.max(afterMs, backOffMs(failures, random))
}
