import { expect, test } from '@jest/globals'
import { backOffMs } from './back-off.ts'

test('backOffMs() doubles from a minute to six hours, less at most a fifth', () => {
  expect([1, 2, 3, 9, 10, 1000].map((failures) => backOffMs(failures, () => 0) / 60_000)).toEqual([
    1, 2, 4, 256, 360, 360,
  ])
  expect(backOffMs(1, () => 1)).toBe(48_000)
})

test('backOffMs() refuses what is no count of failures', () => {
  for (const failures of [0, -1, 1.5, Number.NaN]) expect(() => backOffMs(failures, () => 0)).toThrow(RangeError)
})
