/** Does one piece of work; false when there was none. */
export type Work = () => Promise<boolean>

export interface LaneRules {
  /** An idle lane looks for work again when another lane has done something, and after so many milliseconds at the latest. */
  readonly napMs: number
  /** `end`: they end when all are idle at once. `wait`: they wait for work until they are stopped. */
  readonly whenIdle: 'end' | 'wait'
  /** Told each error of a lane at once. What it throws ends all lanes: none begins anything more. */
  readonly onError: (error: unknown) => void | Promise<void>
}

/**
 * Runs lanes side by side; each does one thing at a time. What one lane did may be work for another. Work in flight is always
 * awaited: whoever wants it interrupted has to do that.
 * @param stop from then on no lane begins anything
 * @returns the errors that ended it
 */
export async function runLanes(
  lanes: readonly Work[],
  { napMs, whenIdle, onError }: LaneRules,
  stop: AbortSignal,
): Promise<readonly unknown[]> {
  const errors: unknown[] = []
  let over = false
  let done = 0
  let idle = 0
  let sleepers: (() => void)[] = []
  const wakeAll = () => {
    const woken = sleepers
    sleepers = []
    for (const wake of woken) wake()
  }
  const nap = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, napMs)
      sleepers.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })

  /** Whether the lane has done something, or at least tried. */
  async function attempt(lane: Work): Promise<boolean> {
    try {
      return await lane()
    } catch (error) {
      try {
        await onError(error)
        return true
      } catch (worse) {
        errors.push(worse)
      }
      over = true
      wakeAll()
      return false
    }
  }

  const ended = () => over || stop.aborted

  async function run(lane: Work): Promise<void> {
    while (!ended()) {
      const seen = done
      if (await attempt(lane)) {
        done++
        wakeAll()
      } else if (seen === done && !ended()) {
        idle++
        if (whenIdle === 'end' && idle === lanes.length) {
          over = true
          wakeAll()
          return
        }
        await nap()
        idle--
      }
    }
  }

  stop.addEventListener('abort', wakeAll)
  try {
    await Promise.all(lanes.map(run))
  } finally {
    stop.removeEventListener('abort', wakeAll)
  }
  return errors
}
