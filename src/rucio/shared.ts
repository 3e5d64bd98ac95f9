import { TapeRseError } from '../model/errors.ts'

/** Callers that come while one of them fetches share what that gets. If it gives up, the next one fetches. */
export function shared<T>(fetch: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let pending: Promise<T> | null = null
  return async (signal) => {
    for (;;) {
      try {
        return await (pending ??= fetch(signal).finally(() => (pending = null)))
      } catch (error) {
        const others = error instanceof TapeRseError && error.code === 'INTERRUPTED' && !signal.aborted
        if (!others) throw error
      }
    }
  }
}
