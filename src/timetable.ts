import { schedule as cronTask } from 'node-cron'
import type { Timetable } from './agent.ts'

/** When the config wants polls. Milliseconds; `timezone` is an IANA name, absent: that of the machine. */
export type Schedule = { readonly every: number } | { readonly cron: string; readonly timezone?: string | undefined }

export interface RunningTimetable extends Timetable {
  close(): void
}

/** Agents that share a Rucio, and began together, shall not ask it all at the same second. */
const jitter = 0.1
const cronDelayMs = 20_000

/**
 * Runs a timetable. `delayMs`: most that chance adds to a time of cron. A poll that is still running when the next is due delays that one: nothing overlaps, nothing is made up for.
 */
export function runTimetable(schedule: Schedule, random: () => number, delayMs = cronDelayMs): RunningTimetable {
  return 'every' in schedule ? interval(schedule.every, random) : cron(schedule, delayMs)
}

function interval(every: number, random: () => number): RunningTimetable {
  let next = 0
  return {
    due: (now) => now.getTime() >= next,
    began: (now) => (next = now.getTime() + every * (1 + jitter * random())),
    close: () => undefined,
  }
}

function cron(
  { cron: expression, timezone }: Extract<Schedule, { readonly cron: string }>,
  maxRandomDelay: number,
): RunningTimetable {
  let due = false
  const options = { noOverlap: true, maxRandomDelay, ...(timezone !== undefined && { timezone }) }
  const task = cronTask(expression, () => (due = true), options)
  return {
    due: () => due,
    began: () => (due = false),
    close: () => void task.destroy(),
  }
}
