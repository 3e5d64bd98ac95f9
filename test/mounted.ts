import { expect } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { mountHpssfs, type Hpssfs } from './hpssfs/mount.ts'
import { seedDataset, type RucioBed } from './rucio/testbed.ts'
import { makeSite, type Site } from './site.ts'

/** What `list --json` says of a dataset, as far as tests want it. */
export interface Row {
  readonly did: string
  readonly held: boolean
  readonly problems: readonly { readonly code: string; readonly message: string; readonly hint: string }[]
}

/** A site whose vault is a FUSE mount that fails on command, with a scope of its own in Rucio. */
export interface MountedSite {
  readonly site: Site
  readonly mount: Hpssfs
  readonly scope: string
  /** Makes a dataset of two files, closed and tagged. */
  seed(name: string): Promise<void>
  /** Those of them whose tag says done. */
  done(names: readonly string[]): Promise<readonly string[]>
  rows(): Promise<readonly Row[]>
  /** All are done, every file is in its object, to the byte, and nothing else is there. */
  expectContent(names: readonly string[]): Promise<void>
  /** And each object was written strictly forward and once, and is durable. */
  expectWhole(names: readonly string[]): Promise<void>
  dispose(): Promise<void>
}

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

const filesOf = (name: string): Readonly<Record<string, Buffer>> => ({
  [`${name}/a.fits`]: content(name, 300_000),
  [`${name}/b.yaml`]: content(`${name}b`, 150),
})

export async function mountedSite(
  bed: RucioBed,
  settings: Parameters<typeof mountHpssfs>[0] = {},
): Promise<MountedSite> {
  const root: RucioRest = await signIn(bed.url, bed.root)
  const scope = `h${randomBytes(5).toString('hex')}`
  await root.ok('POST', `/accounts/root/scopes/${scope}`)
  const mount = await mountHpssfs(settings)
  const site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope], mount.root)
  site.configure((config) => (config.pipelines[0]!.vault['mustBeMount'] = true))

  const objectOf = (name: string): string => site.objects().find((path) => path.startsWith(`${scope}/${name}/`))!

  async function done(names: readonly string[]): Promise<readonly string[]> {
    const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']
    const tags = await Promise.all(names.map(async (name) => [name, await tagOf(name)] as const))
    return tags.filter(([, tag]) => tag === 'TAPE:done').map(([name]) => name)
  }

  async function expectContent(names: readonly string[]): Promise<void> {
    expect(site.objects()).toHaveLength(names.length)
    for (const name of names)
      for (const [file, bytes] of Object.entries(filesOf(name))) {
        const object = join(mount.root, objectOf(name))
        expect(execFileSync('unzip', ['-p', object, file]).equals(bytes)).toBe(true)
      }
    expect(await done(names)).toEqual(names)
  }

  return {
    ...{ site, mount, scope, done, expectContent },
    seed: (name) =>
      seedDataset(bed, {
        ...{ scope, name, closed: true, tag: 'TAPE:need' },
        files: Object.entries(filesOf(name)).map(([file, bytes]) => ({ name: file, content: bytes })),
      }),
    rows: async () => JSON.parse((await site.run('list', '--json')).out) as Row[],
    async expectWhole(names) {
      const records = await mount.records()
      await expectContent(names)
      for (const name of names) {
        const object = objectOf(name)
        expect({ object, ...records.get(object) }).toMatchObject({
          object: expect.stringMatching(/\.g1\.1-1\.zip$/u) as unknown,
          ...{ opensForWrite: 1, backSeeks: 0, gaps: 0, truncations: 0, unsyncedBytes: 0, hashLost: null },
          digest: expect.stringMatching(/^md5:/u) as unknown,
        })
      }
    },
    async dispose() {
      await mount.clearFaults().catch(() => undefined)
      await mount.unmount()
      site.dispose()
    },
  }
}
