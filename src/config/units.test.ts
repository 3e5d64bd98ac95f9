import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { durationWithUnit, parseDuration, parseSize } from './units.ts'

const sizes = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }
const durations = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const below = fc.nat({ max: 4000 })

test.each(Object.entries(sizes))('parseSize() takes %s', (unit, bytes) => {
  fc.assert(
    fc.property(below, fc.constantFrom('', ' '), (count, blank) => {
      expect(parseSize(`${count}${blank}${unit}`)).toBe(count * bytes)
    }),
  )
})

test.each(Object.entries(durations))('parseDuration() takes %s', (unit, ms) => {
  fc.assert(fc.property(below, (count) => expect(parseDuration(`${count}${unit}`)).toBe(count * ms)))
})

test('parseSize() takes any whole number as bytes, written either way', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      expect(parseSize(bytes)).toBe(bytes)
      expect(parseSize(String(bytes))).toBe(bytes)
    }),
  )
})

test('a fraction of a unit is rounded to what is whole', () => {
  expect([parseSize('1.5GB'), parseSize('0.1TiB'), parseDuration('1.5h')]).toEqual([1.5e9, 109_951_162_778, 5_400_000])
})

test.each([
  '',
  'GB',
  '1gb',
  '1G',
  '1 GB ',
  '-1GB',
  '1e3',
  '1,5GB',
  'Infinity',
  '9999999TB',
  '1constructor',
  -1,
  1.5,
  NaN,
])('parseSize() refuses %j', (given) => expect(parseSize(given)).toBeNull())

test.each(['', '15', 15, '15 min', '-1s', '1y', '1M', '1h30m'])('parseDuration() refuses %j', (given) => {
  expect(parseDuration(given)).toBeNull()
})

test('durationWithUnit() writes what parseDuration() reads', () => {
  expect([durationWithUnit(900_000), durationWithUnit(86_400_000), durationWithUnit(1500)]).toEqual([
    '15m',
    '1d',
    '1500ms',
  ])
  fc.assert(fc.property(fc.nat(), (ms) => expect(parseDuration(durationWithUnit(ms))).toBe(ms)))
})
