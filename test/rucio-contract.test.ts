import { jest, test } from '@jest/globals'
import { setTimeout } from 'node:timers/promises'
import { rucioContract } from '../src/testing/rucio-contract.ts'
import { RUCIO_VERSIONS, rucioOrReason, sql } from './rucio/testbed.ts'
import { describeUnless } from './skip.ts'

const never = new AbortController().signal
jest.setTimeout(60_000) // of requests that hold a thousand DIDs, on a machine that is busy

for (const version of RUCIO_VERSIONS) {
  const found = await rucioOrReason(version, never)
  if ('reason' in found) {
    const what = `the contract suite on Rucio ${version}`
    describeUnless(found.reason, what)(what, () => test('is skipped', () => undefined))
    continue
  }
  const { bed } = found
  rucioContract(`Rucio ${version}`, () =>
    Promise.resolve({
      version,
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
