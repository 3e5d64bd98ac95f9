import { test } from '@jest/globals'
import { setTimeout } from 'node:timers/promises'
import { rucioContract } from '../src/testing/rucio-contract.ts'
import { rucioOrReason, sql } from './rucio/testbed.ts'
import { describeUnless } from './skip.ts'

const never = new AbortController().signal
const found = await rucioOrReason(never)

if ('reason' in found) {
  const what = 'the contract suite on a real Rucio'
  describeUnless(found.reason, what)(what, () => test('is skipped', () => undefined))
} else {
  const { bed } = found
  rucioContract(`Rucio ${bed.version}`, () =>
    Promise.resolve({
      url: bed.url,
      root: bed.root,
      async expireTokens(account) {
        const past = "now() at time zone 'utc' - interval '1 hour'"
        await sql(bed, `UPDATE tokens SET expired_at = ${past} WHERE account = '${account}'`, never)
      },
      async suppress({ scope, name }) {
        await sql(bed, `UPDATE dids SET suppressed = true WHERE scope = '${scope}' AND name = '${name}'`, never)
      },
      nextSecond: () => setTimeout(1100 - (Date.now() % 1000)),
      close: () => Promise.resolve(),
    }),
  )
}
