import { describe, expect, test } from '@jest/globals'
import { runTimetable } from './timetable.ts'

const at = (ms: number) => new Date(ms)

describe('runTimetable()', () => {
  test('is due at once, then when the time has passed, and up to a tenth of it more', () => {
    for (const [random, ms] of [
      [0, 1000],
      [0.5, 1050],
    ] as const) {
      const timetable = runTimetable({ every: 1000 }, () => random)
      expect(timetable.due(at(7))).toBe(true)
      timetable.began(at(7))
      expect(timetable.due(at(7 + ms - 1))).toBe(false)
      expect(timetable.due(at(7 + ms))).toBe(true)
    }
  })

  test('counts from the beginning of a poll: one that took longer is followed at once, and nothing is made up for', () => {
    const timetable = runTimetable({ every: 1000 }, () => 0)
    timetable.began(at(0))
    expect(timetable.due(at(5000))).toBe(true)
    timetable.began(at(5000))
    expect(timetable.due(at(5999))).toBe(false)
  })

  test('follows cron, and stops when it is closed', async () => {
    const timetable = runTimetable({ cron: '* * * * * *', timezone: 'Asia/Tokyo' }, () => 0, 0)
    try {
      expect(timetable.due(at(0))).toBe(false)
      while (!timetable.due(at(0))) await new Promise((resolve) => setTimeout(resolve, 20))
      timetable.began(at(0))
      expect(timetable.due(at(0))).toBe(false)
    } finally {
      timetable.close()
    }
  })
})
