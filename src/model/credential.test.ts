import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ageOf, validityOf, type Credential } from './credential.ts'

const hour = 3_600_000
const at = (hours: number): Date => new Date(Date.UTC(2026, 10, 30) + hours * hour)
const proxy = (from: number | null, until: number | null, issued: number | null = null): Credential => ({
  kind: 'proxy',
  file: '/tmp/x509up',
  from: from === null ? null : at(from),
  until: until === null ? null : at(until),
  issued: issued === null ? null : at(issued),
  problem: null,
})
const problem = { code: 'CREDENTIAL_UNUSABLE', message: 'm', hint: 'h' } as const

describe('validityOf()', () => {
  test.each([
    [proxy(0, 100), 0, 'good'],
    [proxy(0, 100), 75.9, 'good'],
    [proxy(0, 100), 76, 'ends soon'],
    [proxy(0, 100), 100, 'expired'],
    [proxy(0, 12), 8.9, 'good'],
    [proxy(0, 12), 9, 'ends soon'],
    [proxy(null, 100), 75.9, 'good'],
    [proxy(null, 100), 76, 'ends soon'],
    [proxy(null, 1, 0), 0.7, 'good'],
    [proxy(null, 1, 0), 0.75, 'ends soon'],
    [proxy(null, 10, 5), 0, 'good'],
    [proxy(1, 100), 0, 'not yet good'],
    [proxy(1, 100), 1 - 1 / 60, 'good'],
    [proxy(1, 100), 0.98, 'not yet good'],
    [proxy(null, null), 0, 'good'],
    [{ ...proxy(0, 100), problem }, 0, 'unusable'],
  ])('of %o after %d hours is %s', (credential, hours, expected) => {
    expect(validityOf(credential, at(hours))).toBe(expected)
  })

  test('only gets worse while time goes on, and says what ageOf() says', () => {
    const order = ['not yet good', 'good', 'ends soon', 'expired']
    const moment = fc.integer({ min: 0, max: 1000 })
    fc.assert(
      fc.property(moment, moment, moment, moment, (from, life, a, b) => {
        const one = proxy(from, from + life)
        const [early, late] = [Math.min(a, b), Math.max(a, b)]
        const rank = (hours: number) => order.indexOf(validityOf(one, at(hours)))
        expect(rank(early)).toBeLessThanOrEqual(rank(late))
        const age = ageOf(one, at(early))
        expect(validityOf(one, at(early)).replace('ends soon', 'good')).toBe(age)
      }),
    )
  })
})
