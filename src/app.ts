import { hostname } from 'node:os'
import { createLogger, type Logger } from 'winston'
import { runOnce } from './agent.ts'
import { backUpIfDue, type BackupWatch } from './backup.ts'
import type { Catalog, CatalogReader, Summary } from './catalog/catalog.ts'
import { lockCatalog } from './catalog/lock.ts'
import { copyCatalog, openCatalog, readCatalog, type CatalogOptions } from './catalog/sqlite.ts'
import type { Config, PipelineConfig } from './config/schema.ts'
import { credentialReporter, type CredentialWatch } from './credential-watch.ts'
import { didKey, type Did } from './model/did.ts'
import { problemsOf, type Problem } from './model/errors.ts'
import { anyMover, type VaultSettings } from './model/order.ts'
import type { TapeAccess } from './model/residency.ts'
import type { Entry } from './model/target.ts'
import { workerScript } from './mover/start.ts'
import { killMs, startSupervisor, type Supervisor, type SupervisorOptions } from './mover/supervisor.ts'
import { zipFormat } from './pack/zip.ts'
import { assignNext } from './pipeline/assign.ts'
import { freezeNext, poll } from './pipeline/import.ts'
import type { Pipeline } from './pipeline/pipeline.ts'
import type { RucioOptions } from './rucio/call.ts'
import { rucioClient, type RucioClient } from './rucio/client.ts'
import { untestedVersion } from './rucio/versions.ts'
import { rucioSource, type RucioSource } from './source/rucio.ts'
import { connectionOf, credentialReader } from './sign-in.ts'
import { draft } from './source/rucio-draft.ts'
import type { Source } from './source/source.ts'

/** What the world gives a program, as arguments: the clock, chance, names, and where it tells what happens. */
export interface Ambient {
  readonly now: () => Date
  /** Milliseconds that only go on, whatever is done to the time of day: what waits in this process goes by them. */
  readonly clock: () => number
  /** [0, 1) */
  readonly random: () => number
  /** A new UUID. */
  readonly newId: () => string
  readonly log: Logger
  /** Variables of the environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Of this program. */
  readonly version: string
  /** How to wait between two tries. Default: in real time. */
  readonly sleep?: NonNullable<RucioOptions['sleep']>
}

/** For plans, whose steps have nothing to tell. */
const silent = createLogger({ silent: true })

/** How often the agent says in the catalog that it lives. */
const beatMs = 10_000

/** Runs the agent until nothing can move, or until it is stopped; returns what the catalog then says. */
export async function archiveOnce(config: Config, ambient: Ambient, stop: AbortSignal): Promise<Summary> {
  return withAgent(config, ambient, async (catalog, lost) => {
    await withGrace(
      stop,
      () => config.grace,
      ambient.log,
      async (interrupt) => {
        const signal = AbortSignal.any([interrupt, lost])
        const movers = await openAgentMovers(config, ambient, catalog)
        const work = async (site: Site) => {
          sayIfUntested(site.client, ambient.log, signal)
          await credentialReporter(credentialWatch(config, ambient, catalog))(signal)
          const shift = { movers: config.movers, stop: AbortSignal.any([stop, lost]), signal }
          await runOnce(pipelines(config, catalog, site, ambient), shift)
        }
        await withSite(config, ambient, work, movers)
        const backup = backupWatch(config, ambient, catalog)
        if (backup !== null) await backUpIfDue(backup, AbortSignal.any([stop, signal]))
      },
    )
    return catalog.summary(ambient.now())
  })
}

/**
 * Has the catalog for an agent alone, and says in it that one is at work.
 * @param work told by its signal that the catalog, or its lock, is no longer the one that was opened: then nothing more is done
 */
export async function withAgent<T>(
  config: Config,
  ambient: Ambient,
  work: (catalog: Catalog, lost: AbortSignal) => Promise<T>,
  everyMs = beatMs,
): Promise<T> {
  const lock = lockCatalog(config.catalog)
  try {
    const catalog = await openCatalog({ ...catalogOptions(config, ambient), guard: lock.check })
    try {
      await catalog.voidClaims()
      await catalog.agentStarted({ version: ambient.version, host: hostname(), pid: process.pid }, ambient.now())
      const lost = new AbortController()
      const beat = setInterval(() => {
        catalog.agentLives(ambient.now()).catch((error: unknown) => {
          // Nothing relies on a beat, and whatever else keeps it from being written down will keep a step from it, too.
          if (problemsOf(error)[0]!.code === 'CATALOG_UNUSABLE') lost.abort(error)
        })
      }, everyMs)
      try {
        const result = await work(catalog, lost.signal)
        lost.signal.throwIfAborted()
        await catalog.agentEnded(ambient.now())
        return result
      } catch (error) {
        await catalog.agentEnded(ambient.now()).catch(() => undefined) // what ended the work is told, whatever else fails
        throw lost.signal.aborted ? lost.signal.reason : error
      } finally {
        clearInterval(beat)
      }
    } finally {
      await catalog.close()
    }
  } finally {
    lock.release()
  }
}

/** Works with a signal that comes when a stop has waited its grace for what is in flight. */
export async function withGrace<T>(
  stop: AbortSignal,
  graceMs: () => number,
  log: Logger,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupt = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const stopping = () => {
    log.info(`stopping: what is in flight has ${graceMs() / 1000} s to finish; a second signal ends it at once`)
    timers.push(setTimeout(() => interrupt.abort(), graceMs()))
  }
  if (stop.aborted) stopping()
  else stop.addEventListener('abort', stopping, { once: true })
  try {
    return await work(interrupt.signal)
  } finally {
    stop.removeEventListener('abort', stopping)
    timers.forEach(clearTimeout)
  }
}

/** What an agent with this config signs in with, to be looked at. */
export const credentialWatch = ({ rucio }: Config, { log, now }: Ambient, catalog: Catalog): CredentialWatch => ({
  read: credentialReader(rucio),
  catalog,
  log,
  now,
})

/** The backups that a config asks for; null: none. */
export const backupWatch = (
  { backup, catalog: file }: Config,
  { log, now }: Ambient,
  catalog: Catalog,
): BackupWatch | null => (backup === undefined ? null : { settings: { catalog: file, ...backup }, catalog, log, now })

/** Says in the log when the server is one that this program was never tested with. It is not refused. */
export function sayIfUntested(client: RucioClient, log: Logger, signal: AbortSignal): void {
  client.version(signal).then(
    (version) => {
      const warning = untestedVersion(version)
      if (warning !== null) log.warn(warning)
    },
    () => undefined, // whatever ails it will ail the poll
  )
}

/**
 * What `archiveOnce` would begin to do: polls, freezes and plans in a copy of the catalog that is never written down. Nothing is
 * written anywhere; of a vault, only objects of datasets that were archived before are looked at.
 */
export async function planOnce<T>(
  config: Config,
  ambient: Ambient,
  report: (catalog: CatalogReader) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const catalog = await copyCatalog(catalogOptions(config, ambient))
  try {
    await withSite(config, ambient, async (site) => {
      for (const pipeline of pipelines(config, catalog, site, ambient)) {
        await catalog.endBackOffs(pipeline.name)
        await poll(pipeline, signal)
        for (const step of [freezeNext, assignNext]) while (await step(pipeline, signal));
      }
    })
    return await report(catalog)
  } finally {
    await catalog.close()
  }
}

/** A dataset that need be neither closed nor tagged, and what became of planning it in one pipeline. */
export interface Planned {
  readonly catalog: CatalogReader
  readonly pipeline: string
  readonly open: boolean
  /** What keeps it from being planned at all; what is wrong with its files on disk. */
  readonly problems: readonly Problem[]
}

/** What would become of one dataset if it were closed and tagged now. Nothing is written anywhere. */
export async function planDid<T>(
  config: Config,
  ambient: Ambient,
  did: Did,
  report: (planned: Planned) => Promise<T>,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const looking = config.pipelines.filter(({ source }) => source.scopes.includes(did.scope))
  const reports: T[] = []
  await withSite(config, ambient, async ({ client, movers, source }) => {
    for (const pipeline of looking.length > 0 ? looking : config.pipelines) {
      const { diskRse, root, paths } = pipeline.source
      const found = await draft(client, did, { diskRse, root, paths }, 'arcBackup', ambient.now(), signal)
      const catalog = await copyCatalog(catalogOptions(config, ambient))
      try {
        if ('problem' in found) {
          reports.push(await report({ catalog, pipeline: pipeline.name, open: false, problems: [found.problem] }))
          continue
        }
        const { sighting, freezing, open } = found
        const alone: Source = {
          ...source(pipeline),
          poll: () => Promise.resolve([{ scope: did.scope, sightings: [sighting] }]),
          missing: () => Promise.resolve(null),
          freeze: () => Promise.resolve([freezing]),
        }
        const [p] = pipelines({ ...config, pipelines: [pipeline] }, catalog, { client, movers, source }, ambient)
        await planAlone({ ...p!, source: alone, log: silent }, did, signal)
        const problems = 'content' in freezing ? await diskProblems(movers, root, freezing.content.entries, signal) : []
        reports.push(await report({ catalog, pipeline: pipeline.name, open, problems }))
      } finally {
        await catalog.close()
      }
    }
  })
  return reports
}

/** Plans one dataset in a catalog in which nothing else waits. */
async function planAlone(p: Pipeline, did: Did, signal: AbortSignal): Promise<void> {
  const others = await p.catalog.list(
    { pipeline: p.name, state: 'live' },
    { sort: 'turn', reverse: false, offset: 0, limit: Number.MAX_SAFE_INTEGER },
  )
  await p.catalog.hold(
    others.map((row) => row.did).filter((each) => didKey(each) !== didKey(did)),
    null,
    p.now(),
  )
  await p.catalog.unhold([did])
  await p.catalog.endBackOffs(p.name)
  await poll(p, signal)
  for (const step of [freezeNext, assignNext]) while (await step(p, signal));
}

async function diskProblems(movers: Supervisor, sourceRoot: string, entries: readonly Entry[], signal: AbortSignal) {
  const files = entries.map(({ path, bytes }) => ({ path, bytes }))
  return (await movers.run<'inspect'>({ kind: 'inspect', sourceRoot, files }, anyMover, signal)).answer.problems
}

export const openReader = (config: Config): Promise<CatalogReader> => readCatalog(config.catalog)

/** Opens the catalog to change it beside a running agent: for commands that people give. */
export async function withCatalog<T>(
  config: Config,
  ambient: Ambient,
  work: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const catalog = await openWritable(config, ambient)
  try {
    return await work(catalog)
  } finally {
    await catalog.close()
  }
}

/** The catalog, to be written; a command never makes one. */
export async function openWritable(config: Config, ambient: Pick<Ambient, 'newId' | 'now'>): Promise<Catalog> {
  await (await openReader(config)).close()
  return openCatalog(catalogOptions(config, ambient))
}

const catalogOptions = (config: Config, { newId, now }: Pick<Ambient, 'newId' | 'now'>): CatalogOptions => ({
  file: config.catalog,
  newId,
  now,
  onNetworkFilesystem: config.catalogOnNetworkFilesystem,
})

/** What a command needs to ask Rucio and to have a mover look at files. */
export interface Site {
  readonly client: RucioClient
  readonly movers: Supervisor
  source(pipeline: PipelineConfig): RucioSource
}

export async function withSite<T>(
  config: Config,
  ambient: Ambient,
  work: (site: Site) => Promise<T>,
  movers = openMovers(config, ambient),
): Promise<T> {
  const site = openSite(config, ambient, movers)
  try {
    return await work(site)
  } finally {
    await movers.close()
    site.client.close()
  }
}

/** @param told what an agent's movers are told, and whom the agent tells; other commands write nothing anywhere */
export const openMovers = (
  { movers, deadlines }: Config,
  { now }: Ambient,
  told: Pick<SupervisorOptions, 'whereabouts' | 'onStuck'> = { whereabouts: null, onStuck: () => undefined },
): Supervisor => startSupervisor({ script: workerScript, movers, deadlines, killMs, now, ...told })

/** The movers of an agent, which first ends those that an agent before it has left behind. */
export async function openAgentMovers(config: Config, ambient: Ambient, catalog: Catalog): Promise<Supervisor> {
  await catalog.sawStuck([]) // those of the agent before this one, of whom some may have ended
  const movers = openMovers(config, ambient, {
    whereabouts: `${config.catalog}.movers`,
    onStuck(stuck) {
      // Nothing relies on it, and what keeps it from being written down will keep a step from it, too.
      catalog.sawStuck(stuck).catch(() => undefined)
    },
  })
  const { ended, stuck } = await movers.endStrays()
  if (ended > 0) ambient.log.warn(`an agent before this one has left movers behind: ended ${ended}`)
  if (stuck > 0) ambient.log.error(`an agent before this one has left movers behind that do not end: ${stuck}`)
  return movers
}

/** Whoever opens a site closes its client. */
export function openSite({ rucio }: Config, ambient: Ambient, movers: Supervisor): Site {
  const client = rucioClient({
    ...connectionOf(rucio, ambient.env),
    userAgent: `tape-rse/${ambient.version}`,
    now: ambient.now,
    clock: ambient.clock,
    random: ambient.random,
    ...(ambient.sleep !== undefined && { sleep: ambient.sleep }),
  })
  const source = ({ source: { tapeRse, diskRse, scopes, root, paths } }: PipelineConfig) =>
    rucioSource({ client, tapeRse, diskRse, scopes, root, paths })
  return { client, movers, source }
}

/** The config's pipelines, ready to work. */
export function pipelines(config: Config, catalog: Catalog, site: Site, ambient: Ambient): readonly Pipeline[] {
  const format = zipFormat()
  return config.pipelines.map((pipeline) => ({
    name: pipeline.name,
    source: site.source(pipeline),
    sourceRoot: pipeline.source.root,
    rse: pipeline.source.diskRse,
    sizes: format,
    limits: { targetSize: pipeline.format.targetSize, maxSize: pipeline.format.maxSize },
    vault: vaultSettings(pipeline, catalog.id),
    tape: tapeAccess(pipeline),
    onTape: pipeline.confirm.onTape,
    movers: site.movers,
    catalog,
    now: ambient.now,
    clock: ambient.clock,
    random: ambient.random,
    log: ambient.log,
  }))
}

/** What a mover is told of a pipeline's vault. `owner`: id of the catalog. */
export const vaultSettings = ({ vault }: PipelineConfig, owner: string): VaultSettings => ({
  root: vault.root,
  mount: vault.mustBeMount ? (vault.mount ?? vault.root) : null,
  publish: vault.publish,
  minFree: vault.minFree,
  owner,
})

/** What is known of the tape behind a pipeline's vault. */
export const tapeAccess = ({ vault: { residency, recall } }: PipelineConfig): TapeAccess => ({
  probe: residency,
  recall: recall.kind === 'none' ? recall : { ...recall, cancel: recall.cancel ?? null },
})
