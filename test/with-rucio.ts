import { rucioOrReason, type RucioBed } from './rucio/testbed.ts'
import { describeUnless } from './skip.ts'

const server = await rucioOrReason(new AbortController().signal)

/** `describe` for tests that need the real Rucio. Without one they are skipped, and say why; where CI=true that is a failure. */
export function describeWithRucio(name: string, tests: (bed: RucioBed) => void): void {
  const reason = 'bed' in server ? null : server.reason
  describeUnless(reason, name)(name, () => tests('bed' in server ? server.bed : ({} as RucioBed)))
}
