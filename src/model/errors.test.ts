import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { dispositionOf, ERRORS, failure, problemsOf, TapeRseError } from './errors.ts'

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
const cells = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

describe('docs/operations.md', () => {
  test('has a row for each error, and none too many: exit code, disposition, meaning, and what to do', () => {
    const rows = page
      .slice(page.indexOf('\n## Errors\n'))
      .split('\n')
      .map(cells)
      .filter((row) => /^[A-Z][A-Z0-9_]{3,}$/u.test(row[0] ?? ''))
    expect(rows.map((row) => row.slice(0, 4))).toEqual(
      Object.entries(ERRORS).map(([code, { exit, disposition, meaning }]) => [
        code,
        String(exit),
        disposition,
        meaning,
      ]),
    )
    for (const row of rows) expect(row[4]).not.toBe('')
  })

  test('has a row for each exit code that there is, and none too many', () => {
    const listed = page
      .split('\n')
      .map((line) => Number(cells(line)[0]?.match(/^\d+$/u)?.[0]))
      .filter((code) => !Number.isNaN(code))
    const ofErrors = Object.values(ERRORS).map(({ exit }): number => exit)
    const [ok, inPart] = [0, 3] // of `run`, and of nothing that is thrown
    expect(listed).toEqual([...new Set([ok, inPart, ...ofErrors])].sort((a, b) => a - b))
  })
})

test('a TapeRseError is led by its first problem, and keeps its cause', () => {
  const cause = new Error('EIO')
  const error = failure('VAULT_IO', 'Cannot write x: EIO', 'Wait.', cause)
  expect(error).toMatchObject({ code: 'VAULT_IO', hint: 'Wait.', message: 'Cannot write x: EIO', cause })
  const other = { code: 'SOURCE_SIZE' as const, message: 'm', hint: 'h' }
  expect(new TapeRseError([...error.problems, other] as never).problems).toHaveLength(2)
})

test('an error that nobody foresaw is a bug, and stops', () => {
  expect(dispositionOf(new TypeError('x'))).toBe('stop')
  expect(problemsOf(new TypeError('x is not a function'))).toMatchObject([
    { code: 'INTERNAL', message: 'x is not a function' },
  ])
  expect(problemsOf('odd')).toMatchObject([{ code: 'INTERNAL', message: 'odd' }])
})
