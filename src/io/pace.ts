/** What keeps to a pace needs of the world: a clock in milliseconds, and a way to wait. */
export interface Pacing {
  readonly clock: () => number
  readonly sleep: (ms: number) => void
}

/** Waits are so long at the most, so that who waits can say that it lives. */
const napMs = 200

/**
 * Keeps something to a number of bytes a second, on the whole: called with the bytes that were just moved, it waits until they may have
 * been.
 * @param alive called before each wait
 */
export function pace(bytesPerSecond: number, { clock, sleep }: Pacing, alive: () => void): (bytes: number) => void {
  const began = clock()
  let moved = 0
  return (bytes) => {
    moved += bytes
    for (;;) {
      const early = began + (1000 * moved) / bytesPerSecond - clock()
      if (early <= 0) return
      alive()
      sleep(Math.min(early, napMs))
    }
  }
}
