import { singly } from './within.ts'

export interface Rereading<T> {
  /** What `read` said, if it was looked at lately, or if nothing has changed. The same object as before unless something has. */
  current(): Promise<T>
  /** The same, looked at now. */
  renewed(): Promise<T>
}

/**
 * Reads again what has changed. What cannot be read now is an error now, and looked at again by the next call.
 * @param source `stamp` changes when what is read does; `everyMs`: how often it is looked at, at most; `clock`: milliseconds that only go on
 */
export function rereading<T>({
  stamp,
  read,
  everyMs,
  clock,
}: {
  readonly stamp: () => Promise<string>
  readonly read: () => Promise<T>
  readonly everyMs: number
  readonly clock: () => number
}): Rereading<T> {
  let known: { readonly value: T; readonly stamp: string } | null = null
  let lookedAt = -Infinity

  const renewed = singly(async () => {
    const now = await stamp()
    if (known?.stamp !== now) known = { value: await read(), stamp: now }
    lookedAt = clock()
    return known.value
  })
  return {
    current: () => (known !== null && clock() - lookedAt < everyMs ? Promise.resolve(known.value) : renewed()),
    renewed,
  }
}
