import { expect, test } from '@jest/globals'
import { createLogger, type Logger } from 'winston'
import { credentialReporter, watchCredential } from './credential-watch.ts'
import { untilAborted } from './io/within.ts'
import type { Credential } from './model/credential.ts'

const hour = 3_600_000
const at = (hours: number): Date => new Date(Date.UTC(2026, 10, 30) + hours * hour)
const proxy = (from: number | null, until: number | null): Credential => ({
  kind: 'proxy',
  file: '/tmp/x509up',
  from: from === null ? null : at(from),
  until: until === null ? null : at(until),
  issued: null,
  problem: null,
})
const problem = {
  code: 'CREDENTIAL_UNUSABLE',
  message: 'Cannot use the proxy: /tmp/x509up is empty',
  hint: 'h',
} as const

test('credentialReporter() records each look, and says only what is new', async () => {
  let credential: Credential | null = proxy(0, 100)
  let hours = 0
  const said: string[] = []
  const seen: unknown[] = []
  const level =
    (name: string) =>
    (message: string, { code = '', hint = '' }: { code?: string; hint?: string } = {}): void =>
      void said.push([hours, name, message, code, hint].join(' | '))
  const report = credentialReporter({
    read: () => Promise.resolve(credential),
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
    [104.5, { ...proxy(null, null), problem: { ...problem, message: 'Cannot use the proxy: /tmp/x509up is gone' } }],
    [105, null],
  ] as const) {
    hours = time
    credential = now
    await report(new AbortController().signal)
  }
  expect(seen).toHaveLength(10)
  expect(seen.at(-1)).toEqual([null, at(105)])
  const renew = 'Renew it; the agent reads it again by itself.'
  expect(said).toEqual([
    `0 | info | signs in with the proxy /tmp/x509up, good until ${at(100).toISOString()} |  | `,
    `77 | warn | the proxy /tmp/x509up expires at ${at(100).toISOString()} |  | ${renew}`,
    `101 | error | the proxy /tmp/x509up expired at ${at(100).toISOString()} | CREDENTIAL_NOT_VALID | ${renew}`,
    `103 | info | signs in with the proxy /tmp/x509up, good until ${at(200).toISOString()} |  | `,
    '104 | error | Cannot use the proxy: /tmp/x509up is empty | CREDENTIAL_UNUSABLE | h',
    '104.5 | error | Cannot use the proxy: /tmp/x509up is gone | CREDENTIAL_UNUSABLE | h',
  ])
})

test('watchCredential() ends when it is stopped, whatever it waits for, and records nothing then', async () => {
  const stop = new AbortController()
  const seen: unknown[] = []
  const reading = Promise.withResolvers<undefined>()
  const watching = watchCredential(
    {
      read: (signal) => {
        reading.resolve(undefined)
        return untilAborted(new Promise<never>(() => undefined), signal)
      },
      catalog: { sawCredential: (...row) => Promise.resolve(void seen.push(row)) },
      log: createLogger({ silent: true }),
      now: () => at(0),
    },
    stop.signal,
  )
  await reading.promise
  stop.abort()
  await watching
  expect(seen).toEqual([])
})
