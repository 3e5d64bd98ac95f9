import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { startSandboxRucio, type SandboxRucio } from './sandbox-rucio.ts'

export interface DemoSite {
  readonly rucio: SandboxRucio
  readonly directory: string
  readonly configFile: string
  readonly vault: string
  /** What there is to see, a line each: DID and what is special about it. */
  readonly datasets: readonly { readonly did: string; readonly story: string }[]
}

const tag = 'DEMO_TAPE'
const night = 'Dataset/LSSTCam/raw/Obs/20260102/MC_O_20260102_000123'

/** Content that looks like nothing, the same each time. */
const pixels = (label: string, bytes: number): Buffer =>
  createHash('shake256', { outputLength: bytes }).update(label).digest()

/** A directory with a sandbox's disk, a vault and a config; a sandbox with a few datasets, most of them in some trouble. */
export async function makeDemoSite(now: () => Date): Promise<DemoSite> {
  const directory = mkdtempSync(join(tmpdir(), 'tape-rse-demo-'))
  const disk = join(directory, 'disk')
  const vault = join(directory, 'vault')
  mkdirSync(disk)
  mkdirSync(vault)
  const passwordFile = join(directory, 'password')
  writeFileSync(passwordFile, 'demo\n', { mode: 0o600 })
  const rucio = await startSandboxRucio(
    [{ account: 'tapeagent', username: 'tapeagent', password: 'demo', admin: true }],
    now,
  )
  const { state } = rucio
  state.scopes.set('raw', 'root')
  state.rses.set('DEMO_DISK', { name: 'DEMO_DISK', prefix: disk })

  const dataset = (name: string, files: readonly (readonly [string, number])[], open = false) => {
    const did = { scope: 'raw', name }
    state.addDid(did, 'DATASET', 'root')
    const children = files.map(([file, bytes]) => ({ did: { scope: 'raw', name: file }, content: pixels(file, bytes) }))
    for (const child of children) state.addFile('DEMO_DISK', child.did, child.content, 'root')
    state.attach(
      did,
      children.map((child) => child.did),
      false,
    )
    if (!open) state.setOpen(did, false)
    state.setMeta([{ did, values: { arcBackup: `${tag}:need` } }], 'root')
  }
  const exposures = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => [`${prefix}/exp_${i}.fits`, 1_200_000 + 1000 * i] as const)

  dataset(night, [
    [`${night.replace('Dataset/', '')}.zip`, 4_800_000],
    [`${night.replace('Dataset/', '')}_dimensions.yaml`, 180],
  ])
  dataset('calib_2026', exposures('calib_2026', 12))
  dataset('still_open', exposures('still_open', 2), true)
  dataset('lost_a_file', exposures('lost_a_file', 3))
  dataset('bad_bytes', exposures('bad_bytes', 3))
  rmSync(join(disk, 'raw/lost_a_file/exp_1.fits'))
  writeFileSync(join(disk, 'raw/bad_bytes/exp_2.fits'), pixels('rotten', 1_202_000))

  const configFile = join(directory, 'tape-rse.yaml')
  writeFileSync(
    configFile,
    stringify({
      catalog: join(directory, 'catalog.db'),
      rucio: { host: rucio.url, account: 'tapeagent', auth: { type: 'userpass', username: 'tapeagent', passwordFile } },
      pipelines: [
        {
          name: 'demo',
          source: { kind: 'rucio', tapeRse: tag, diskRse: 'DEMO_DISK', scopes: ['raw'], root: disk },
          format: { kind: 'zip', targetSize: '6MB', maxSize: '10MB' },
          vault: { kind: 'hpssfs', root: vault, mustBeMount: false },
        },
      ],
    }),
  )
  return {
    rucio,
    directory,
    configFile,
    vault,
    datasets: [
      { did: `raw:${night}`, story: 'two files, named as the Rubin Observatory names them' },
      { did: 'raw:calib_2026', story: '12 files, more than one zip' },
      { did: 'raw:still_open', story: 'somebody still adds files to it' },
      { did: 'raw:lost_a_file', story: 'a file is missing from the disk' },
      { did: 'raw:bad_bytes', story: 'the bytes of one file are not what Rucio says' },
    ],
  }
}

/** The tag of a dataset, as Rucio shows it. */
export const tagOf = ({ rucio }: DemoSite, did: string): string => {
  const [scope, name] = did.split(/:(.*)/su) as [string, string]
  return String(rucio.state.did({ scope, name }).meta?.['arcBackup'])
}
