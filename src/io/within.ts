/**
 * What a promise gives, unless the signal is aborted first: then it is no longer waited for, though it may go on (a call to a file
 * system that hangs cannot be ended).
 * @throws {Error} the reason of the signal
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined) // that nobody waits for
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * The same, unless it takes longer than `ms`.
 * @throws {Error} "no answer within 10 s"; the reason of the signal
 */
export async function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${ms / 1000} s`)), ms)
  try {
    return await untilAborted(promise, AbortSignal.any([signal, late.signal]))
  } finally {
    clearTimeout(timer)
  }
}

/** Calls that come while one is at work share it: one that hangs is not followed by others that hang, too. */
export function singly<T>(work: () => Promise<T>): () => Promise<T> {
  let pending: Promise<T> | null = null
  return () => (pending ??= work().finally(() => (pending = null)))
}
