import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { describeWithRucio } from './with-rucio.ts'
import { makeSite, type Site } from './site.ts'

/** Rucio, catalog and vault compared, as operators do it; on a real Rucio. */

const scope = `a${randomBytes(5).toString('hex')}`
const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

interface Found {
  readonly kind: string
  readonly did: string | null
  readonly path: string | null
}

describeWithRucio('tape-rse audit', (bed) => {
  let root: RucioRest
  let site: Site
  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
  })
  afterAll(() => site.dispose())

  const seed = (name: string, tag: string | null, bytes = 1000) =>
    seedDataset(bed, { scope, name, files: [{ name: `${name}/a`, content: content(name, bytes) }], closed: true, tag })
  const tag = (name: string, value: string) => datasets(root).tag({ scope, name }, { arcBackup: value })
  const object = (name: string) => join(site.vault, scope, name, `${name}.g1.1-1.zip`)
  async function audit(): Promise<{ code: number | null; found: readonly string[] }> {
    const { code, out } = await site.run('audit', '--json')
    const [first] = JSON.parse(out) as { findings: readonly Found[] }[]
    return {
      code,
      found: first!.findings.map(({ kind, did, path }) => `${kind} ${(did ?? path ?? '').replace(`${scope}:`, '')}`),
    }
  }

  test('finds nothing when all agree; then each disagreement by its name; and shows all of it', async () => {
    for (const name of ['gone', 'cut', 'untold', 'again', 'fine', 'removed']) await seed(name, 'TAPE:need')
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await audit()).toEqual({ code: 0, found: [] })
    expect((await site.run('audit')).out).toBe('Pipeline main: Rucio, catalog and vault agree.\n')
    await seed('waiting', 'TAPE:need') // no fault: the next poll takes it
    await seed('foreign', 'TAPE:done')
    await tag('untold', 'OTHER:need')
    await tag('again', 'TAPE:need')
    writeFileSync(join(site.vault, scope, 'notes.txt'), 'mine')
    mkdirSync(join(site.vault, 'elsewhere'))
    copyFileSync(object('fine'), join(site.vault, 'elsewhere', 'copy.zip'))
    writeFileSync(join(site.vault, scope, 'fine', '.fine.g1.1-1.zip.1.part'), 'left')
    const harmless = [
      'DONE_UNKNOWN foreign',
      'NEED_ARCHIVED again',
      'NOT_TOLD untold',
      `OBJECT_UNKNOWN ${scope}/notes.txt`, // its scope begins with an a
      'OBJECT_UNKNOWN elsewhere/copy.zip',
      'LEFTOVER fine',
    ]
    expect(await audit()).toEqual({ code: 3, found: harmless })
    rmSync(object('gone'))
    truncateSync(object('cut'), 500)
    expect(await audit()).toEqual({ code: 10, found: ['DONE_MISSING gone', 'DONE_OTHER_SIZE cut', ...harmless] })
    const { out } = await site.run('audit')
    for (const kind of ['DONE_MISSING', 'LEFTOVER'])
      expect(out).toMatch(new RegExp(`^\\| ${kind} .*\n(?:.*\n)*${kind}: `, 'mu'))
    expect(out).toContain('keep all other copies')
    expect(await site.run('audit', '--pipeline', 'nope')).toMatchObject({ code: 2 })
  })

  test('writes nothing, and cannot tell when the vault is not there', async () => {
    renameSync(site.vault, `${site.vault}.away`)
    expect(await site.run('audit')).toMatchObject({ code: 5 })
    renameSync(`${site.vault}.away`, site.vault)
  })
})
