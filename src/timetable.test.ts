import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { runTimetable } from './timetable.ts'

describe('runTimetable()', () => {
  describe('every so often', () => {
    const every = (random = 0) => {
      const time = { clock: 7 }
      const now = () => new Date(0)
      return { time, timetable: runTimetable({ every: 1000 }, { now, clock: () => time.clock, random: () => random }) }
    }

    test.each([
      [0, 1000],
      [0.5, 1050],
    ])('is due at once, then when the time has passed, and up to a tenth of it more', (random, ms) => {
      const { time, timetable } = every(random)
      expect(timetable.due()).toBe(true)
      timetable.began()
      time.clock += ms - 1
      expect(timetable.due()).toBe(false)
      time.clock += 1
      expect(timetable.due()).toBe(true)
    })

    test('counts from the beginning of a poll: one that took longer is followed at once, and nothing is made up for', () => {
      const { time, timetable } = every()
      timetable.began()
      time.clock += 5000
      expect(timetable.due()).toBe(true)
      timetable.began()
      time.clock += 999
      expect(timetable.due()).toBe(false)
    })
  })

  describe('by cron', () => {
    afterEach(() => {
      jest.useRealTimers()
    })
    /** The time of day stands still, and is set. */
    const cron = (expression: string, delay = 0) => {
      jest.useFakeTimers()
      const set = (time: string) => jest.setSystemTime(new Date(time))
      set('2026-03-01T08:50:01Z')
      const clocks = { now: () => new Date(), clock: () => 0, random: () => delay }
      return { set, timetable: runTimetable({ cron: expression, timezone: 'Asia/Tokyo' }, clocks, 10_000) }
    }

    test('is due when the time comes, there, and what chance adds has passed', () => {
      const { set, timetable } = cron('0 18 * * *', 0.5)
      set('2026-03-01T09:00:04Z')
      expect(timetable.due()).toBe(false)
      set('2026-03-01T09:00:05Z')
      expect(timetable.due()).toBe(true)
      timetable.began()
      expect(timetable.due()).toBe(false)
      set('2026-03-02T08:59:59Z')
      expect(timetable.due()).toBe(false)
      timetable.close()
    })

    test('is due once when the clock is set forward by a day, and by the new time when it is set back', () => {
      const { set, timetable } = cron('*/15 * * * *')
      set('2026-03-02T08:50:01Z')
      expect(timetable.due()).toBe(true)
      timetable.began()
      expect(timetable.due()).toBe(false)
      set('2026-03-01T08:51:00Z')
      expect(timetable.due()).toBe(false)
      set('2026-03-01T09:00:00Z')
      expect(timetable.due()).toBe(true)
      timetable.close()
    })

    test('says nothing of times that were missed, and keeps nothing alive', () => {
      const said = jest.spyOn(console, 'warn').mockImplementation(() => undefined)
      const { set, timetable } = cron('* * * * * *')
      set('2026-03-02T08:50:01Z')
      jest.runOnlyPendingTimers()
      expect(jest.getTimerCount()).toBe(0)
      expect(said).not.toHaveBeenCalled()
      timetable.close()
      said.mockRestore()
    })
  })
})
