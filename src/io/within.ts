/**
 * What a promise gives, unless that takes longer than `ms` or the signal is aborted first: then it is no longer waited for, though it
 * may go on (a call to a file system that hangs cannot be ended).
 * @throws {Error} "no answer within 10 s"; the reason of the signal
 */
export async function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: given, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  const abort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  promise.then(resolve, reject)
  try {
    return await given
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

/** Calls that come while one is at work share it: one that hangs is not followed by others that hang, too. */
export function singly<T>(work: () => Promise<T>): () => Promise<T> {
  let pending: Promise<T> | null = null
  return () => (pending ??= work().finally(() => (pending = null)))
}
