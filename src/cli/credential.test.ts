import { expect, test } from '@jest/globals'
import type { Credential } from '../model/credential.ts'
import { credentialText } from './credential.ts'

const now = new Date('2026-11-30T12:00:00Z')
const at = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000)
const proxy = (from: Date | null, until: Date | null): Credential => ({
  kind: 'proxy',
  file: '/tmp/x509up',
  from,
  until,
  issued: null,
  problem: null,
})

test.each([
  [proxy(at(-1), at(100)), 'Signs in with the proxy /tmp/x509up, good for 4 days.'],
  [proxy(null, null), 'Signs in with the proxy /tmp/x509up.'],
  [proxy(at(-1000), at(5)), '!Signs in with the proxy /tmp/x509up, which EXPIRES in 5 h: renew it.!'],
  [proxy(at(-1000), at(-3)), '!Signs in with the proxy /tmp/x509up, which EXPIRED 3 h ago: renew it.!'],
  [
    proxy(at(1), at(3)),
    '!Signs in with the proxy /tmp/x509up, which is not valid before 2026-11-30T13:00:00.000Z: compare the clock of this machine.!',
  ],
  [
    {
      ...proxy(null, null),
      problem: {
        code: 'CREDENTIAL_UNUSABLE',
        message: 'Cannot use the proxy: /tmp/x509up is empty',
        hint: 'Renew it.',
      },
    } as const,
    '!Cannot use the proxy: /tmp/x509up is empty!\n  Renew it.',
  ],
])('credentialText(%o)', (credential, text) => {
  expect(credentialText(credential, now, (loud) => `!${loud}!`)).toBe(text)
})
