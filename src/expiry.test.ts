import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Logger } from 'winston'
import { expiryWatch } from './expiry.ts'
import { standingOf, type Credential } from './model/credential.ts'

const hour = 3_600_000
const at = (hours: number): Date => new Date(Date.UTC(2026, 10, 30) + hours * hour)
const proxy = (from: number | null, until: number | null): Credential => ({
  kind: 'proxy',
  file: '/tmp/x509up',
  from: from === null ? null : at(from),
  until: until === null ? null : at(until),
  problem: null,
})
const problem = {
  code: 'CREDENTIAL_UNUSABLE',
  message: 'Cannot use the proxy: /tmp/x509up is empty',
  hint: 'h',
} as const

describe('standingOf()', () => {
  test.each([
    [proxy(0, 100), 0, 'good'],
    [proxy(0, 100), 75.9, 'good'],
    [proxy(0, 100), 76, 'ends soon'],
    [proxy(0, 100), 100, 'expired'],
    [proxy(0, 12), 8.9, 'good'],
    [proxy(0, 12), 9, 'ends soon'],
    [proxy(null, 100), 77, 'ends soon'],
    [proxy(1, 100), 0, 'not yet good'],
    [proxy(null, null), 0, 'good'],
    [{ ...proxy(0, 100), problem }, 0, 'unusable'],
  ])('of %o after %d hours is %s', (credential, hours, expected) => {
    expect(standingOf(credential, at(hours))).toBe(expected)
  })

  test('only gets worse while time goes on', () => {
    const order = ['not yet good', 'good', 'ends soon', 'expired']
    const moment = fc.integer({ min: 0, max: 1000 })
    fc.assert(
      fc.property(moment, moment, moment, moment, (from, life, a, b) => {
        const [early, late] = [Math.min(a, b), Math.max(a, b)]
        const standing = (hours: number) => order.indexOf(standingOf(proxy(from, from + life), at(hours)))
        expect(standing(early)).toBeLessThanOrEqual(standing(late))
      }),
    )
  })
})

test('expiryWatch() records each look, and says only what is new', async () => {
  let credential: Credential | null = proxy(0, 100)
  let hours = 0
  const said: string[] = []
  const seen: unknown[] = []
  const level =
    (name: string) =>
    (message: string): void =>
      void said.push(`${hours} ${name} ${message}`)
  const look = expiryWatch({
    look: () => Promise.resolve(credential),
    catalog: { sawCredential: (...row) => Promise.resolve(void seen.push(row)) },
    log: { info: level('info'), warn: level('warn'), error: level('error') } as unknown as Logger,
    now: () => at(hours),
  })
  for (const [time, now] of [
    [0, proxy(0, 100)],
    [1, proxy(0, 100)],
    [77, proxy(0, 100)],
    [78, proxy(0, 100)],
    [101, proxy(0, 100)],
    [102, proxy(0, 100)],
    [103, proxy(100, 200)],
    [104, { ...proxy(null, null), problem }],
    [105, null],
  ] as const) {
    hours = time
    credential = now
    await look(new AbortController().signal)
  }
  expect(seen).toHaveLength(9)
  expect(seen.at(-1)).toEqual([null, at(105)])
  expect(said).toEqual([
    `0 info signs in with the proxy /tmp/x509up, good until ${at(100).toISOString()}`,
    `77 warn the proxy /tmp/x509up expires at ${at(100).toISOString()}`,
    `101 error the proxy /tmp/x509up expired at ${at(100).toISOString()}`,
    `103 info signs in with the proxy /tmp/x509up, good until ${at(200).toISOString()}`,
    '104 error Cannot use the proxy: /tmp/x509up is empty',
  ])
})
