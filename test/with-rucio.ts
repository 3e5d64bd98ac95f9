import { describe } from '@jest/globals'
import { rucioOrReason, type RucioBed } from './rucio/testbed.ts'

const server = await rucioOrReason(new AbortController().signal)

/** `describe` for tests that need the real Rucio. Without one they are skipped, and say why; where CI=true that is a failure. */
export function describeWithRucio(name: string, tests: (bed: RucioBed) => void): void {
  if ('bed' in server) {
    describe(name, () => tests(server.bed))
    return
  }
  console.warn(`Skipped: ${name}: ${server.reason}`)
  describe.skip(name, () => tests({} as RucioBed))
}
