import { afterAll, beforeAll, describe } from '@jest/globals'
import { accountsContract } from './rucio-contract-accounts.ts'
import { datasetsContract } from './rucio-contract-datasets.ts'
import type { Fixture, RucioUnderTest } from './rucio-contract-fixture.ts'
import { prepare } from './rucio-contract-fixture.ts'
import { metadataContract } from './rucio-contract-metadata.ts'
import { replicasContract } from './rucio-contract-replicas.ts'
import { searchContract } from './rucio-contract-search.ts'

/**
 * What tape-rse, its tests and its demo rely on in a Rucio server: versions 41.5.1 and 38.5.5 on PostgreSQL, statuses, errors and
 * odd answers included. Runs on the real servers and on the sandbox, which has to pass what the real ones pass.
 */
export function rucioContract(name: string, make: () => Promise<RucioUnderTest>): void {
  describe(name, () => {
    let fixture: Fixture | null = null
    const get = (): Fixture => fixture!
    beforeAll(async () => {
      fixture = await prepare(await make())
    }, 120_000)
    afterAll(async () => {
      await fixture?.rucio.close()
    })
    accountsContract(get)
    datasetsContract(get)
    metadataContract(get)
    searchContract(get)
    replicasContract(get)
  })
}
