import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'winston'
import { runOnce } from './agent.ts'
import type { Catalog, CatalogReader, Summary } from './catalog/catalog.ts'
import { lockCatalog } from './catalog/lock.ts'
import { copyCatalog, openCatalog, readCatalog, type CatalogOptions } from './catalog/sqlite.ts'
import type { Config, PipelineConfig } from './config/schema.ts'
import type { VaultSettings } from './model/order.ts'
import { startSupervisor, type Supervisor } from './mover/supervisor.ts'
import { zipFormat } from './pack/zip.ts'
import { assignNext } from './pipeline/assign.ts'
import { freezeNext, poll } from './pipeline/import.ts'
import type { Pipeline } from './pipeline/pipeline.ts'
import type { RucioOptions } from './rucio/call.ts'
import { rucioClient, type RucioClient } from './rucio/client.ts'
import { rucioSource, type RucioSource } from './source/rucio.ts'

/** What the world gives a program, as arguments: the clock, chance, names, and where it tells what happens. */
export interface Ambient {
  readonly now: () => Date
  /** [0, 1) */
  readonly random: () => number
  /** A new UUID. */
  readonly newId: () => string
  readonly log: Logger
  /** `tape-rse/<version>` */
  readonly userAgent: string
  /** How to wait between two tries. Default: in real time. */
  readonly sleep?: NonNullable<RucioOptions['sleep']>
}

/** A mover that shows no progress for so long is killed: longer than HPSS takes to bring a file from tape to disk. */
const stallMs = 30 * 60_000
const killMs = 5_000

const workerScript = join(
  import.meta.dirname,
  'mover',
  import.meta.filename.endsWith('.ts') ? 'worker.ts' : 'worker.js',
)

/** Runs the agent until nothing can move; returns what the catalog then says. */
export async function archiveOnce(config: Config, ambient: Ambient, signal: AbortSignal): Promise<Summary> {
  const unlock = lockCatalog(config.catalog)
  try {
    const catalog = await openCatalog(catalogOptions(config, ambient))
    try {
      await catalog.voidClaims()
      await withSite(config, ambient, async (site) => {
        await runOnce(pipelines(config, catalog, site, ambient, ambient.now()), config.movers, signal)
      })
      return await catalog.summary()
    } finally {
      await catalog.close()
    }
  } finally {
    unlock()
  }
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
      for (const pipeline of pipelines(config, catalog, site, ambient, ambient.now())) {
        await poll(pipeline, signal)
        for (const step of [freezeNext, assignNext]) while (await step(pipeline, signal));
      }
    })
    return await report(catalog)
  } finally {
    await catalog.close()
  }
}

export const openReader = (config: Config): Promise<CatalogReader> => readCatalog(config.catalog)

/** Opens the catalog to change it beside a running agent: for commands that people give. */
export async function withCatalog<T>(
  config: Config,
  ambient: Ambient,
  work: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  await (await openReader(config)).close() // a command never makes a catalog
  const catalog = await openCatalog(catalogOptions(config, ambient))
  try {
    return await work(catalog)
  } finally {
    await catalog.close()
  }
}

const catalogOptions = (config: Config, { newId, now }: Ambient): CatalogOptions => ({
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

export async function withSite<T>(config: Config, ambient: Ambient, work: (site: Site) => Promise<T>): Promise<T> {
  const { rucio } = config
  const client = rucioClient({
    host: rucio.host,
    ...(rucio.authHost !== undefined && { authHost: rucio.authHost }),
    credentials: {
      type: 'userpass',
      account: rucio.account,
      username: rucio.auth.username,
      password: async () => (await readFile(rucio.auth.passwordFile, 'utf8')).trimEnd(),
    },
    ca: rucio.ca === undefined ? null : [readFileSync(rucio.ca, 'utf8')],
    userAgent: ambient.userAgent,
    now: ambient.now,
    random: ambient.random,
    ...(ambient.sleep !== undefined && { sleep: ambient.sleep }),
  })
  const movers = startSupervisor({ script: workerScript, movers: config.movers, stallMs, killMs })
  const source = ({ source: { tapeRse, diskRse, scopes, root, paths } }: PipelineConfig) =>
    rucioSource({ client, tapeRse, diskRse, scopes, root, paths })
  try {
    return await work({ client, movers, source })
  } finally {
    await movers.close()
    client.close()
  }
}

function pipelines(config: Config, catalog: Catalog, site: Site, ambient: Ambient, began: Date): readonly Pipeline[] {
  const format = zipFormat()
  return config.pipelines.map((pipeline) => ({
    name: pipeline.name,
    source: site.source(pipeline),
    sourceRoot: pipeline.source.root,
    rse: pipeline.source.diskRse,
    sizes: format,
    limits: { targetSize: pipeline.format.targetSize, maxSize: pipeline.format.maxSize },
    vault: vaultSettings(pipeline, catalog.id),
    movers: site.movers,
    catalog,
    due: () => ({ now: ambient.now(), failedBefore: began }),
    now: ambient.now,
    random: ambient.random,
    log: ambient.log,
  }))
}

const vaultSettings = ({ vault }: PipelineConfig, owner: string): VaultSettings => ({
  root: vault.root,
  mount: vault.mustBeMount ? (vault.mount ?? vault.root) : null,
  publish: vault.publish,
  minFree: vault.minFree,
  owner,
})
