import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { describeWithRucio } from './with-rucio.ts'
import { makeSite, type Site } from './site.ts'
import { until } from './running.ts'

/** Reading back what was proven, and writing again what has been damaged since; on a real Rucio. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

describeWithRucio('verifying what was archived', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site
  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `v${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    site.configure((config) => (config.pipelines[0]!.format = { targetSize: '200kB', maxSize: '2MB' }))
  })
  afterEach(() => site.dispose())

  const filesOf = (name: string): Readonly<Record<string, Buffer>> => ({
    [`${name}/a.fits`]: content(`${name}a`, 1_300_000),
    [`${name}/b.yaml`]: content(`${name}b`, 150),
    [`${name}/c`]: content(`${name}c`, 180_000),
  })
  async function archive(...names: string[]): Promise<void> {
    for (const name of names) {
      const files = Object.entries(filesOf(name)).map(([file, bytes]) => ({ name: file, content: bytes }))
      await seedDataset(bed, { scope, name, files, closed: true, tag: 'TAPE:need' })
    }
    await run(0)
    for (const name of names) expect(await tagOf(name)).toBe('TAPE:done')
  }
  const run = async (code: number) => expect(await site.run('run', '--once')).toMatchObject({ code })
  const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']
  const object = (name: string, part = 1) => join(site.vault, scope, name, `${name}.g1.${part}-2.zip`)
  const did = (name: string) => `${scope}:${name}`

  function flip(path: string, at: number): void {
    const fd = openSync(path, 'r+')
    const byte = Buffer.alloc(1)
    readSync(fd, byte, 0, 1, at)
    writeSync(fd, Buffer.from([byte[0]! ^ 0xff]), 0, 1, at)
    closeSync(fd)
  }
  const damaged = async () =>
    (JSON.parse((await site.run('list', '--state', 'damaged', '--json')).out) as { did: string }[]).map(
      (row) => row.did,
    )
  const verified = async (...args: string[]) => {
    const { code, out } = await site.run('verify', '--json', ...args)
    const outcomes = JSON.parse(out) as { did: string; part: number; outcome: string; what: string | null }[]
    return {
      code,
      outcomes: outcomes.map((each) => `${each.did.slice(scope.length + 1)} ${each.part} ${each.outcome}`).sort(),
    }
  }

  test('whole objects are good; the ledger and status say when', async () => {
    await archive('x', 'y')
    expect((await site.run('status')).out).toContain('4 objects in the vault, 4 never read back')
    const { code, out } = await site.run('verify')
    expect([code, out]).toEqual([0, expect.stringMatching(/^4 objects read back \(.*\): 4 good\.\n$/u)])
    expect((await site.run('status')).out).toContain('4 objects in the vault, all read back')
    expect(await verified('--max-age', '90d')).toEqual({ code: 0, outcomes: [] })
    expect(await verified(did('x'))).toEqual({ code: 0, outcomes: ['x 1 good', 'x 2 good'] })
    expect((await verified('--sample', '30%')).outcomes.length).toBe(2)
    expect(await site.run('verify', did('z'))).toMatchObject({ code: 1 })
    for (const wrong of [
      ['--sample', '0%'],
      ['--sample', 'x'],
      ['--max-age', '90'],
      ['--rate', 'fast'],
    ])
      expect(await site.run('verify', ...wrong)).toMatchObject({ code: 2 })
  })

  test.each([
    ['a flipped byte', (path: string) => flip(path, 700_000), 'mismatch'],
    ['a cut', (path: string) => truncateSync(path, 100_000), 'mismatch'],
    ['no object at all', (path: string) => rmSync(path), 'missing'],
    ['another file', (path: string) => writeFileSync(path, 'mine'), 'mismatch'],
  ] as const)(
    '%s is found and held, never touched, and repaired from the disk replicas',
    async (_, damage, outcome) => {
      await archive('x', 'y')
      damage(object('x'))
      const bad = existsSync(object('x')) ? readFileSync(object('x')) : null
      expect(await verified()).toEqual({ code: 10, outcomes: [`x 1 ${outcome}`, 'x 2 good', 'y 1 good', 'y 2 good'] })
      if (bad !== null) expect(readFileSync(object('x')).equals(bad)).toBe(true)
      expect(await damaged()).toEqual([did('x')])
      expect((await site.run('status')).out).toContain('DAMAGED: 1 object')
      expect((await site.run('explain', did('x'))).out).toContain('is archived, and damaged: 1 of 2 objects')
      // Nothing says done again while it is damaged, whatever is asked.
      await datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'TAPE:need' })
      await run(3)
      expect(await tagOf('x')).toBe('TAPE:need')
      await datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'TAPE:done' })

      const repaired = await site.run('repair', did('x'))
      expect(repaired).toMatchObject({
        code: 0,
        out: expect.stringContaining('The agent writes 1 object again') as never,
      })
      expect(await tagOf('x')).toBe('TAPE:need')
      await run(0)
      expect(await tagOf('x')).toBe('TAPE:done')
      expect(await damaged()).toEqual([])
      expect(await verified()).toMatchObject({ code: 0 })
      expect(site.objects().filter((path) => !path.endsWith('.damaged'))).toEqual(
        ['x', 'y'].flatMap((name) => [1, 2].map((part) => `${scope}/${name}/${name}.g1.${part}-2.zip`)),
      )
      // What was damaged is all that there may be of something: it is kept.
      const kept = site.objects().filter((path) => path.endsWith('.damaged'))
      if (bad === null) expect(kept).toEqual([])
      else expect(kept.map((path) => readFileSync(join(site.vault, path)).equals(bad))).toEqual([true])
      expect(await site.run('repair', did('x'))).toMatchObject({
        code: 0,
        out: expect.stringContaining('No object') as never,
      })
    },
  )

  test('a repair is refused, and changes nothing, when the replicas are not what was archived', async () => {
    await archive('x')
    flip(object('x'), 700_000)
    expect((await verified()).code).toBe(10)
    const path = join(bed.disk, scope, 'x/a.fits')
    const states = async () => [await tagOf('x'), await damaged(), site.objects()]
    const before = await states()
    for (const spoil of [
      async () => {
        await rm(path)
      },
      () => writeFile(path, content('other', 5)),
      () => datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'OTHER:need' }),
      () => datasets(root).open({ scope, name: 'x' }),
    ]) {
      await spoil()
      expect(await site.run('repair', did('x'))).toMatchObject({
        code: 6,
        err: expect.stringContaining('Cannot repair') as never,
      })
      await datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'TAPE:done' })
      expect(await states()).toEqual(before)
      writeFileSync(path, filesOf('x')['x/a.fits']!)
    }
  })

  test('a replica of the right size with other bytes is found when it is packed, and nothing is told', async () => {
    await archive('x')
    flip(object('x'), 700_000)
    await verified()
    writeFileSync(join(bed.disk, scope, 'x/a.fits'), content('other', 1_300_000))
    expect(await site.run('repair', did('x'))).toMatchObject({ code: 0 })
    await run(3)
    expect(await tagOf('x')).toBe('TAPE:need')
    writeFileSync(join(bed.disk, scope, 'x/a.fits'), filesOf('x')['x/a.fits']!)
    await run(0)
    expect(await tagOf('x')).toBe('TAPE:done')
  })

  test('a repair that is killed at any of its steps can be called again', async () => {
    await archive('x')
    flip(object('x'), 700_000)
    await verified()
    for (let ms = 150; ms < 1200; ms += 75) {
      const { child, ended } = site.start('repair', did('x'))
      await sleep(ms)
      child.kill('SIGKILL')
      const { out } = await ended
      // Between two tries an agent works, as it would.
      await site.run('run', '--once')
      if (out.includes('The agent writes')) break
      expect(await tagOf('x')).toMatch(/^TAPE:(need|done)$/u)
      expect(await damaged()).toEqual([did('x')])
    }
    await site.run('repair', did('x'))
    await run(0)
    expect(await tagOf('x')).toBe('TAPE:done')
    expect(await verified()).toEqual({ code: 0, outcomes: ['x 1 good', 'x 2 good'] })
  }, 120_000)

  test('a mount that is not there is no damage', async () => {
    await archive('x')
    renameSync(site.vault, `${site.vault}.away`)
    expect(await site.run('verify')).toMatchObject({ code: 5, err: expect.stringContaining('does not exist') as never })
    renameSync(`${site.vault}.away`, site.vault)
    expect(await damaged()).toEqual([])
  })

  test('goes on where it was stopped, keeps to its pace, and works beside an agent', async () => {
    await archive('x', 'y')
    const sqlite = new DatabaseSync(site.catalog)
    sqlite.exec("UPDATE bundles SET confirmed_at = '2020-01-01T00:00:00.000Z'") // as if it were long ago
    sqlite.close()
    const agent = site.start('run')
    const slow = site.start('verify', '--rate', '1MB/s')
    const ledger = () => {
      const sqlite = new DatabaseSync(site.catalog, { readOnly: true })
      try {
        return sqlite.prepare('SELECT count(*) AS n FROM verifications').get() as { n: number }
      } finally {
        sqlite.close()
      }
    }
    await until(() => ledger().n > 0)
    slow.child.kill('SIGTERM')
    expect(await slow.ended).toMatchObject({ code: 130 })
    const { n } = ledger()
    expect(n).toBeLessThan(4)
    expect((await verified('--max-age', '1h')).outcomes.length).toBe(4 - n)
    agent.child.kill('SIGTERM')
    expect(await agent.ended).toMatchObject({ code: 0 })
  })
})
