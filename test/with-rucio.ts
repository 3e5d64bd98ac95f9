import { RUCIO_VERSIONS, RUCIO_VERSION, rucioOrReason, type RucioBed, type RucioVersion } from './rucio/testbed.ts'
import { describeUnless } from './skip.ts'

const servers = new Map<RucioVersion, Awaited<ReturnType<typeof rucioOrReason>>>()

/** `describe` for tests that need the real Rucio. Without one they are skipped, and say why; where CI=true that is a failure. */
export async function describeWithRucio(
  name: string,
  tests: (bed: RucioBed) => void,
  version: RucioVersion = RUCIO_VERSION,
): Promise<void> {
  const server = servers.get(version) ?? (await rucioOrReason(version, new AbortController().signal))
  servers.set(version, server)
  const reason = 'bed' in server ? null : server.reason
  describeUnless(reason, name)(name, () => tests('bed' in server ? server.bed : ({} as RucioBed)))
}

/** The same on every version of Rucio that is supported. */
export async function describeWithEachRucio(name: string, tests: (bed: RucioBed) => void): Promise<void> {
  for (const version of RUCIO_VERSIONS) await describeWithRucio(`${name}, Rucio ${version}`, tests, version)
}
