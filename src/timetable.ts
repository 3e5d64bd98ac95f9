import { createTask } from 'node-cron'
import type { Timetable } from './agent.ts'

/** When the config wants polls. Milliseconds; `timezone` is an IANA name, absent: that of the machine. */
export type Schedule = { readonly every: number } | { readonly cron: string; readonly timezone?: string | undefined }

export interface RunningTimetable extends Timetable {
  close(): void
}

/** What a timetable goes by. An interval is counted by the clock that only goes on; cron means the time of day. */
export interface TimetableClocks {
  readonly now: () => Date
  readonly clock: () => number
  readonly random: () => number
}

/** Agents that share a Rucio, and began together, shall not ask it all at the same second. */
const jitter = 0.1
const cronDelayMs = 20_000

/**
 * Runs a timetable. `delayMs`: most that chance adds to a time of cron. A poll that is still running when the next is due delays that
 * one: nothing overlaps, nothing is made up for.
 */
export function runTimetable(schedule: Schedule, clocks: TimetableClocks, delayMs = cronDelayMs): RunningTimetable {
  return 'every' in schedule ? interval(schedule.every, clocks) : cron(schedule, clocks, delayMs)
}

function interval(every: number, { clock, random }: TimetableClocks): RunningTimetable {
  let next = -Infinity
  return {
    due: () => clock() >= next,
    began: () => (next = clock() + every * (1 + jitter * random())),
    close: () => undefined,
  }
}

/**
 * Asks node-cron when, and looks at the time itself: its own timer would sleep for a day when the clock is set back by one, and tell of
 * every time that was missed when it is set forward.
 */
function cron(
  { cron: expression, timezone }: Extract<Schedule, { readonly cron: string }>,
  { now, random }: TimetableClocks,
  delayMs: number,
): RunningTimetable {
  const task = createTask(expression, () => undefined, timezone === undefined ? {} : { timezone })
  const following = () => task.getNextRuns(1)[0]!.getTime() + delayMs * random()
  let looked = now().getTime()
  let next = following()
  return {
    due() {
      const time = now().getTime()
      if (time < looked) next = following()
      looked = time
      return time >= next
    },
    began: () => (next = following()),
    close: () => void task.destroy(),
  }
}
