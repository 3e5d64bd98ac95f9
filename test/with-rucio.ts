import { RUCIO_VERSION, RUCIO_VERSIONS, rucioOrReason, type RucioBed, type RucioVersion } from './rucio/testbed.ts'
import { describeUnless } from './skip.ts'

const servers = new Map<RucioVersion, Awaited<ReturnType<typeof rucioOrReason>>>()
for (const version of RUCIO_VERSIONS) servers.set(version, await rucioOrReason(version, new AbortController().signal))

/** `describe` for tests that need the real Rucio. Without one they are skipped, and say why; where CI=true that is a failure. */
export function describeWithRucio(name: string, tests: (bed: RucioBed) => void, version = RUCIO_VERSION): void {
  const server = servers.get(version)!
  const reason = 'bed' in server ? null : server.reason
  describeUnless(reason, name)(name, () => tests('bed' in server ? server.bed : ({} as RucioBed)))
}

/** The same on every version of Rucio that is supported. */
export function describeWithEachRucio(name: string, tests: (bed: RucioBed) => void): void {
  for (const version of RUCIO_VERSIONS) describeWithRucio(`${name}, Rucio ${version}`, tests, version)
}
