import { untilAborted } from '../io/within.ts'
import { TapeRseError } from '../model/errors.ts'
import { interrupted } from './errors.ts'

/** Callers that come while one of them fetches share what that gets. If it gives up, the next one fetches. */
export function shared<T>(fetch: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let pending: Promise<T> | null = null
  return async (signal) => {
    for (;;) {
      try {
        return await untilAborted((pending ??= fetch(signal).finally(() => (pending = null))), signal)
      } catch (error) {
        if (signal.aborted) throw interrupted('sign in to Rucio')
        const others = error instanceof TapeRseError && error.code === 'INTERRUPTED'
        if (!others) throw error
      }
    }
  }
}
