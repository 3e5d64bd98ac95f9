export interface Rereading<T> {
  /** Tells what is read from each other: a text that changes when they do. */
  readonly stamp: () => Promise<string>
  readonly read: () => Promise<T>
  /** How often, at most, the stamp is looked at, in milliseconds. */
  readonly everyMs: number
  /** Milliseconds of a clock that only goes on. */
  readonly clock: () => number
}

/**
 * What `read` says, read again when its stamp has changed: the same object as before unless it has. What cannot be read now is an
 * error now, and looked at again by the next call. With `look`, the stamp is looked at however soon that is.
 */
export function rereading<T>({ stamp, read, everyMs, clock }: Rereading<T>): (look?: 'look') => Promise<T> {
  let known: { readonly value: T; readonly stamp: string } | null = null
  let lookedAt = -Infinity
  let pending: Promise<T> | null = null

  async function fresh(): Promise<T> {
    try {
      const now = await stamp()
      if (known?.stamp !== now) known = { value: await read(), stamp: now }
      lookedAt = clock()
      return known.value
    } finally {
      pending = null
    }
  }
  return async (look) => {
    if (known !== null && look === undefined && clock() - lookedAt < everyMs) return known.value
    return (pending ??= fresh())
  }
}
