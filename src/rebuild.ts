import { existsSync, fsyncSync, linkSync, openSync, closeSync, rmSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { openMovers, tapeAccess, vaultSettings, type Ambient } from './app.ts'
import { lockCatalog } from './catalog/lock.ts'
import { openCatalog } from './catalog/sqlite.ts'
import type { Config } from './config/schema.ts'
import { syncDirectory } from './io/sync-directory.ts'
import { failure } from './model/errors.ts'
import { anyMover } from './model/order.ts'
import type { Supervisor } from './mover/supervisor.ts'
import { zipFormat } from './pack/zip.ts'
import { ownerOf, rebuild, type Rebuilt } from './pipeline/rebuild.ts'
import { fingerprintOf } from './source/rucio-checksum.ts'
import { localPath } from './source/rucio-path.ts'

/**
 * Makes a catalog that was lost again, from the vaults of the config alone. It gets its name only when it is whole, so that no agent ever
 * takes half of it for all that there is.
 * @param moved told how many objects of a pipeline have been looked at
 * @throws TapeRseError REBUILD_REFUSED: there is a catalog; the vaults are those of another. CATALOG_LOCKED
 */
export async function rebuildCatalog(
  config: Config,
  ambient: Ambient,
  deep: boolean,
  moved: (pipeline: string, objects: number, of: number) => void,
  signal: AbortSignal,
): Promise<readonly Rebuilt[]> {
  const lock = lockCatalog(config.catalog)
  try {
    for (const file of [config.catalog, `${config.catalog}-wal`])
      if (existsSync(file))
        throw failure(
          'REBUILD_REFUSED',
          `Cannot make the catalog ${config.catalog} again: ${file} is there`,
          'A backup is worth more than what the vault knows. Else move the files of the old catalog away first.',
        )
    const movers = openMovers(config, ambient)
    try {
      return await intoFile(config, ambient, movers, deep, moved, signal)
    } finally {
      await movers.close()
    }
  } finally {
    lock.release()
  }
}

async function intoFile(
  config: Config,
  ambient: Ambient,
  movers: Supervisor,
  deep: boolean,
  moved: (pipeline: string, objects: number, of: number) => void,
  signal: AbortSignal,
): Promise<readonly Rebuilt[]> {
  const vaults: { readonly root: string; readonly owner: string | null }[] = []
  for (const pipeline of config.pipelines) {
    const vault = vaultSettings(pipeline, '')
    const { answer } = await movers.run<'examine'>({ kind: 'examine', vault, locations: [], deep }, anyMover, signal)
    vaults.push({ root: vault.root, owner: answer.owner })
  }
  const owner = ownerOf(vaults)
  const part = `${config.catalog}.rebuilding`
  removeFiles(part)
  const catalog = await openCatalog({
    ...{ file: part, newId: () => owner, now: ambient.now, onNetworkFilesystem: config.catalogOnNetworkFilesystem },
  })
  const rebuilt: Rebuilt[] = []
  try {
    const sizes = zipFormat()
    for (const pipeline of config.pipelines) {
      const { root, mount } = vaultSettings(pipeline, owner)
      await catalog.rememberVault(root, ambient.now())
      await catalog.rememberPlace(pipeline.name, { root, mount, tape: tapeAccess(pipeline) })
      const pathOf = (pfn: string) => localPath(pfn, pipeline.source)
      const { name } = pipeline
      const work = {
        pipeline: name,
        vault: { root, mount },
        movers,
        catalog,
        sizes,
        pathOf,
        fingerprintOf,
        now: ambient.now,
      }
      rebuilt.push(await rebuild(work, owner, deep, (objects, of) => moved(name, objects, of), signal))
    }
  } catch (error) {
    await catalog.close()
    removeFiles(part)
    throw error
  }
  await catalog.close()
  giveName(part, config.catalog)
  return rebuilt
}

const removeFiles = (catalog: string): void => {
  for (const end of ['', '-wal', '-shm']) rmSync(`${catalog}${end}`, { force: true })
}

/** Durably, and never in place of another. */
function giveName(part: string, catalog: string): void {
  const fd = openSync(part, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  linkSync(part, catalog)
  unlinkSync(part)
  syncDirectory(dirname(catalog))
}
