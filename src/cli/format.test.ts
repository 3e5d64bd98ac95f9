import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { agoText, bytesText, durationText, jsonText, plural, table, width } from './format.ts'

describe('table()', () => {
  test('draws what tabulate calls psql', () => {
    const columns = [{ title: 'DATASET' }, { title: 'FILES', align: 'right' as const }]
    expect(
      `\n${table(columns, [
        ['raw:a', '5'],
        ['raw:long name', '1200'],
      ])}`,
    ).toBe(`
+---------------+-------+
| DATASET       | FILES |
|---------------+-------|
| raw:a         |     5 |
| raw:long name |  1200 |
+---------------+-------+`)
  })

  test('makes every line equally wide, whatever is in it', () => {
    const cell = fc.oneof(
      fc.stringMatching(/^[a-z 望遠鏡é\u0301\u{1F52D}\u{20BB7}]{0,12}$/u),
      fc.string({ unit: 'binary', maxLength: 12 }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 8 }), (rows) => {
        const widths = table([{ title: 'A' }, { title: 'B', align: 'right' }], rows)
          .split('\n')
          .map(width)
        expect(new Set(widths).size).toBe(1)
      }),
    )
  })
})

test('table() lets no cell break a line or speak to the terminal', () => {
  const drawn = table([{ title: 'WHY' }], [['two\nlines, a \u001b[31mcolour, a\ttab']])
  expect(drawn.split('\n')).toHaveLength(5)
  expect(drawn).toContain('| two lines, a \\u{1b}[31mcolour, a tab |')
})

test('table() draws its head alone when there are no rows', () => {
  expect(table([{ title: 'A' }], [])).toBe('+---+\n| A |\n|---|\n+---+')
})

test.each([
  ['', 0],
  ['abc', 3],
  ['望遠鏡', 6],
  ['e\u0301', 1],
  ['\u{1F52D}', 2],
  ['\u{20BB7}', 2],
  ['“–…’', 4],
])('width() of %j is %d', (text, columns) => expect(width(text)).toBe(columns))

test('bytesText() is within one percent, in at most seven characters, and larger for what is larger', () => {
  const powers: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 }
  const read = (text: string) => {
    const [digits, unit] = text.split(' ') as [string, string]
    return Number(digits) * powers[unit]!
  }
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat({ max: 50 }), fc.maxSafeNat(), (any, shift, more) => {
      const [small, large] = [Math.floor(any / 2 ** shift), Math.min(any + more, Number.MAX_SAFE_INTEGER)]
      expect(Math.abs(read(bytesText(small)) - small)).toBeLessThanOrEqual(small / 100)
      expect(bytesText(small).length).toBeLessThanOrEqual(7)
      expect(read(bytesText(small))).toBeLessThanOrEqual(read(bytesText(large)))
    }),
  )
})

test('durationText() is never longer than the duration, but for half a second', () => {
  const units: Record<string, number> = { s: 1e3, min: 60e3, h: 3600e3, days: 86_400e3 }
  fc.assert(
    fc.property(fc.nat(), (ms) => {
      const [count, unit] = durationText(ms).split(' ') as [string, string]
      expect(Number(count) * units[unit]!).toBeLessThanOrEqual(ms + 500)
      expect((Number(count) + 1) * units[unit]!).toBeGreaterThan(ms)
    }),
  )
})

test('bytesText() has three digits and the unit that fits', () => {
  const texts = [0, 999, 1000, 1_680_000_000, 12_340_000, 999_499, 999_500, 100e9, 2 ** 53].map(bytesText)
  expect(texts).toEqual(['0 B', '999 B', '1.00 kB', '1.68 GB', '12.3 MB', '999 kB', '1.00 MB', '100 GB', '9.01 PB'])
})

test('durationText() and agoText() use the largest unit', () => {
  expect([0, 59_000, 60_000, 3_599_000, 3_600_000, 172_800_000].map(durationText)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h',
    '2 days',
  ])
  expect(agoText(new Date(0), new Date(120_000))).toBe('2 min ago')
  expect(agoText(new Date(5), new Date(0))).toBe('just now')
  expect(agoText(new Date(86_400_000), new Date(0))).toBe('at 1970-01-02T00:00:00.000Z, 24 h ahead of this clock')
})

test('plural() counts', () => {
  expect([plural(0, 'file'), plural(1, 'file'), plural(2, 'file')]).toEqual(['0 files', '1 file', '2 files'])
})

test('jsonText() writes times as RFC 3339', () => {
  expect(JSON.parse(jsonText({ at: new Date(0), map: new Map([['a', 1]]) }))).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    map: { a: 1 },
  })
})
