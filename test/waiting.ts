import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSandboxRucio } from '../src/testing/sandbox-rucio.ts'
import { childrenOf, peakMiB } from './processes.ts'
import { endServices, startService, until } from './running.ts'
import { makeSite, type Site } from './site.ts'

/** An agent whose only mover is busy for as long as one likes, while all else is planned and waits. */
export interface WaitingAgent {
  readonly site: Site
  /** Most memory that its control process has had so far, in MiB. */
  readonly memory: () => number
  /** Objects that have a location and wait for a mover. */
  readonly waiting: number
  dispose(): Promise<void>
}

interface Counted {
  readonly pipelines: readonly { readonly bundles: readonly { readonly state: string; readonly count: number }[] }[]
}

/** Has an agent poll, freeze and plan so many datasets of one file of a sandbox Rucio. */
export async function waitingAgent(count: number): Promise<WaitingAgent> {
  const disk = mkdtempSync(join(tmpdir(), 'waiting-'))
  const login = { account: 'tapeagent', username: 'tapeagent', password: 'secret' }
  const rucio = await startSandboxRucio([{ ...login, admin: true }], () => new Date())
  const site = makeSite({ url: rucio.url, agent: login, disk }, ['raw'])
  site.configure((config) => (config['movers'] = 1))
  rucio.state.addScope('raw', 'root')
  rucio.state.addRse({ name: 'DISK', prefix: disk })
  mkdirSync(join(disk, 'raw'))
  for (let index = 0; index < count; index++) {
    const did = { scope: 'raw', name: `2026/night_${String(index).padStart(5, '0')}` }
    const file = { ...did, name: `${did.name}/exposure.fits` }
    rucio.state.addDid(did, 'DATASET', 'root')
    rucio.state.addFile('DISK', file, Buffer.from(`exposure ${index}`), 'root')
    rucio.state.attach(did, [file], false)
    rucio.state.setOpen(did, false)
    rucio.state.setMeta([{ did, values: { arcBackup: 'TAPE:need' } }], 'root')
  }

  const service = startService(site)
  const assigned = async (): Promise<number> => {
    const { pipelines } = JSON.parse((await site.run('status', '--json')).out) as Counted
    return pipelines[0]!.bundles.find(({ state }) => state === 'assigned')?.count ?? 0
  }
  const dispose = async () => {
    await endServices([service])
    await rucio.close()
    site.dispose()
    rmSync(disk, { recursive: true, force: true })
  }
  try {
    // The mover that has looked at the vault is the one that packs.
    await until(() => service.log().includes(' frozen'))
    for (const mover of childrenOf(service.child.pid!)) process.kill(mover, 'SIGSTOP')
    await until(() => service.log().split(' frozen').length > count, 600_000)
    // The last of them are planned: nothing more becomes of them.
    let waiting = 0
    await until(async () => {
      const before = waiting
      waiting = await assigned()
      return waiting > 0 && waiting === before
    })
    return { site, memory: () => peakMiB(service.child.pid!), waiting, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
