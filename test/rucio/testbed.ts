import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Did } from '../../src/model/did.ts'
import type { Login } from '../../src/testing/rucio-rest.ts'
import { datasets, fileOf, signIn } from '../../src/testing/rucio-rest.ts'
import type { IssuerConfig } from './issuer.ts'

/** A real Rucio server on a real PostgreSQL, on 127.0.0.1, seeded as testbed.py says. */
export interface RucioBed {
  readonly url: string
  /** Of Rucio. */
  readonly version: string
  readonly root: Login
  /** May write metadata in all scopes and replicas at all RSEs. */
  readonly agent: Login
  /** Owns the scope u_test; an ordinary user elsewhere. */
  readonly user: Login
  /**
   * The same Rucio behind TLS that asks for certificates. `ca` has signed that of the server, which is for `localhost` alone, and
   * `ca_key` is its key.
   */
  readonly tls: { readonly url: string; readonly ca: string; readonly ca_key: string }
  /** Directories of the RSEs DISK (deterministic, lfn2pfn `identity`) and TAPE (not deterministic). */
  readonly disk: string
  readonly tape: string
  /** For psql and its like. */
  readonly database: string
  /** Where the executables of Rucio and of PostgreSQL are. */
  readonly bin: string
  readonly pgbin: string
  /** Configuration of Rucio's command line by account. */
  readonly client_cfg: Readonly<Record<string, string>>
  /** Whose JWTs Rucio takes; `startIssuer()` brings it up. */
  readonly issuer: IssuerConfig
  readonly logs: string
  /** Processes to be killed by tests: `rucio` is the master, its workers do the work. */
  readonly pids: { readonly pg: number; readonly rucio: number }
}

/** The long-term releases: 41 is the newest, 38 what the first sites run. */
export const RUCIO_VERSIONS = ['41.5.1', '38.5.5'] as const
export type RucioVersion = (typeof RUCIO_VERSIONS)[number]
export const RUCIO_VERSION: RucioVersion = RUCIO_VERSIONS[0]
const here = import.meta.dirname
const cache = join(here, '../../.cache/rucio')
const UNAVAILABLE = 3

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  progress: (text: string) => void = () => undefined,
): Promise<Finished> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, signal })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    progress(text)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

const testbed = (command: string, version: string, signal: AbortSignal, progress?: (text: string) => void) =>
  run('python3', [join(here, 'testbed.py'), command, cache, '--rucio', version, '--tls'], {}, signal, progress)

/** This machine cannot run the server; says why in one line. */
export class RucioUnavailable extends Error {}

/**
 * The running server; installs, starts and seeds it as far as that is not done. Cheap when it runs; several callers may come at once.
 * It goes on running until `stopRucio()`.
 * @throws RucioUnavailable if this machine lacks what that takes
 */
export async function startRucio(
  options: { readonly version?: string; readonly progress?: (text: string) => void },
  signal: AbortSignal,
): Promise<RucioBed> {
  const { version = RUCIO_VERSION, progress } = options
  const { code, stdout, stderr } = await testbed('up', version, signal, progress).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new RucioUnavailable('there is no python3')
    throw error
  })
  if (code === 0) return JSON.parse(stdout) as RucioBed
  if (code === UNAVAILABLE) throw new RucioUnavailable(stderr.trimEnd().split('\n').at(-1))
  throw new Error(`Cannot start Rucio: testbed.py ended with ${code}\n${stderr.slice(-4000)}`)
}

/** The running server, or why this machine has none. Where CI=true there must be one. */
export async function rucioOrReason(
  version: RucioVersion,
  signal: AbortSignal,
): Promise<{ readonly bed: RucioBed } | { readonly reason: string }> {
  try {
    return { bed: await startRucio({ version }, signal) }
  } catch (error) {
    if (!(error instanceof RucioUnavailable) || process.env['CI'] === 'true') throw error
    return { reason: `no real Rucio: ${error.message}` }
  }
}

/** Back to what was seeded, database and files; takes some seconds. */
export const resetRucio = (version: string, signal: AbortSignal): Promise<void> => succeed('reset', version, signal)

export const stopRucio = (version: string, signal: AbortSignal): Promise<void> => succeed('down', version, signal)

async function succeed(command: string, version: string, signal: AbortSignal): Promise<void> {
  const { code, stderr } = await testbed(command, version, signal)
  if (code !== 0) throw new Error(`Cannot ${command} Rucio: testbed.py ended with ${code}\n${stderr.slice(-4000)}`)
}

/** Runs Rucio's own command line: `rucio(bed, ['did', 'update', '--close', 'u_test:ds'], bed.user, signal)`. */
export const rucio = (bed: RucioBed, args: readonly string[], as: Login, signal: AbortSignal): Promise<Finished> =>
  run(join(bed.bin, 'rucio'), args, { RUCIO_CONFIG: bed.client_cfg[as.account] }, signal)

/** One statement of SQL, for what the API cannot do. */
export async function sql(bed: RucioBed, statement: string, signal: AbortSignal): Promise<string> {
  const args = [bed.database, '-XAtqc', statement]
  const { code, stdout, stderr } = await run(join(bed.pgbin, 'psql'), args, {}, signal)
  if (code !== 0) throw new Error(`Cannot execute ${statement}: ${stderr}`)
  return stdout.trim()
}

export interface DatasetSeed extends Did {
  /** All in the scope of the dataset, written below the directory of DISK, with a replica there. */
  readonly files: readonly { readonly name: string; readonly content: string | Uint8Array }[]
  readonly closed: boolean
  /** Value of arcBackup; null: not tagged. */
  readonly tag: string | null
}

/** Makes a dataset with its files on DISK, as root. For what comes after it see `datasets()` in src/testing/rucio-rest.ts. */
export async function seedDataset(bed: RucioBed, dataset: DatasetSeed): Promise<void> {
  const { scope } = dataset
  const calls = datasets(await signIn(bed.url, bed.root))
  const files = dataset.files.map(({ name, content }) => {
    const bytes = Buffer.from(content)
    const path = join(bed.disk, scope, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    return fileOf({ scope, name }, bytes)
  })
  await calls.addReplicas('DISK', files)
  await calls.create(dataset)
  await calls.attach(dataset, files)
  if (dataset.closed) await calls.close(dataset)
  if (dataset.tag !== null) await calls.tag(dataset, { arcBackup: dataset.tag })
}

/** `node test/rucio/testbed.ts up|reset|down [VERSION]` */
async function main([command = '', version = RUCIO_VERSION]: readonly string[]): Promise<void> {
  const never = new AbortController().signal
  const progress = (text: string) => process.stderr.write(text)
  if (command === 'up') console.log(JSON.stringify(await startRucio({ version, progress }, never)))
  else if (command === 'reset') await resetRucio(version, never)
  else if (command === 'down') await stopRucio(version, never)
  else throw new Error('usage: node test/rucio/testbed.ts up|reset|down [VERSION]')
}

if (import.meta.main) {
  await main(process.argv.slice(2)).catch((error: unknown) => {
    const unavailable = error instanceof RucioUnavailable
    console.error(unavailable ? `No real Rucio: ${error.message}` : error instanceof Error ? error.message : error)
    process.exitCode = unavailable && process.env['CI'] !== 'true' ? 0 : 1
  })
}
