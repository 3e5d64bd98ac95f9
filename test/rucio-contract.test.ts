import { describe, test } from '@jest/globals'
import { setTimeout } from 'node:timers/promises'
import { rucioContract } from '../src/testing/rucio-contract.ts'
import { rucioOrReason, sql } from './rucio/testbed.ts'

const never = new AbortController().signal
const found = await rucioOrReason(never)

if ('reason' in found) {
  describe('a real Rucio', () => test.skip(found.reason, () => undefined))
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
