import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { describeWithRucio } from './with-rucio.ts'
import { makeSite, type Site } from './site.ts'
import { endServices, startService, until } from './running.ts'

/** The catalog backs itself up, and one is put back; on a real Rucio. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

describeWithRucio('backups of the catalog', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site
  let directory: string
  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `b${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    directory = join(site.directory, 'backups')
    mkdirSync(directory)
  })
  afterEach(() => site.dispose())

  const seed = (name: string) =>
    seedDataset(bed, {
      scope,
      name,
      files: [{ name: `${name}/a`, content: content(name, 50_000) }],
      closed: true,
      tag: 'TAPE:need',
    })
  const run = async () => expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
  const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']
  const schedule = (every: string, keep: number) =>
    site.configure((config) => (config['backup'] = { directory, every, keep }))
  const backups = () => readdirSync(directory).sort()
  const files = ['', '-wal', '-shm', '.lock']
  const lose = () => files.forEach((end) => rmSync(`${site.catalog}${end}`, { force: true }))
  const whole = (file: string) => {
    const sqlite = new DatabaseSync(file, { readOnly: true })
    try {
      return sqlite.prepare('PRAGMA integrity_check').get() as object
    } finally {
      sqlite.close()
    }
  }
  const states = async () =>
    (JSON.parse((await site.run('list', '--json')).out) as { did: string; generation: number; state: string }[])
      .map(({ did, generation, state }) => `${did.slice(scope.length + 1)} g${generation} ${state}`)
      .sort()

  test('what was put back goes on: nothing is lost, nothing is written twice, and no tag lies', async () => {
    for (const name of ['x', 'y']) await seed(name)
    await run()
    expect(await site.run('backup', directory)).toMatchObject({ code: 0 })
    const [copy] = backups()
    expect(copy).toMatch(/^catalog\.[0-9a-f]{8}\.\d{8}T\d{6}Z\.db$/u)
    expect(backups().length).toBe(1) // one file, that needs no other
    await seed('later')
    await run()
    const inodes = () => site.objects().map((path) => [path, statSync(join(site.vault, path)).ino])
    const before = inodes()
    lose()
    copyFileSync(join(directory, copy!), site.catalog)
    await run()
    expect(await states()).toEqual(['x g1 acknowledged', 'y g1 acknowledged'])
    for (const name of ['x', 'y', 'later']) expect(await tagOf(name)).toBe('TAPE:done')
    // The audit says what this catalog does not know of.
    const audit = await site.run('audit', '--json')
    const [{ findings }] = JSON.parse(audit.out) as [{ findings: { kind: string }[] }]
    expect([audit.code, findings.map(({ kind }) => kind)]).toEqual([3, ['DONE_UNKNOWN', 'OBJECT_UNKNOWN']])
    // Asked for again, what was archived after the backup is found, proven and known again.
    await datasets(root).tag({ scope, name: 'later' }, { arcBackup: 'TAPE:need' })
    await run()
    expect(await tagOf('later')).toBe('TAPE:done')
    expect(inodes()).toEqual(before)
    expect(await site.run('audit')).toMatchObject({ code: 0 })
  })

  test('are made on schedule, once, whatever is restarted; n of them stay; status tells', async () => {
    schedule('1d', 2)
    await run()
    expect(backups().length).toBe(1)
    await run()
    expect(backups().length).toBe(1)
    expect((await site.run('status')).out).toContain(`The catalog was backed up`)
    const stem = backups()[0]!.slice(0, 'catalog.01234567.'.length)
    const others = ['20200101', '20200102', '20990103'].map((day) => `${stem}${day}T000000Z.db`)
    for (const other of others) writeFileSync(join(directory, other), '')
    const half = join(directory, `.${stem}20200101T000000Z.db.part`)
    writeFileSync(half, 'left by one that was stopped')
    utimesSync(half, 0, 0)
    for (const not of ['catalog.mine.db', 'catalog.76543210.20200101T000000Z.db'])
      writeFileSync(join(directory, not), 'of another')
    expect(await site.run('backup')).toMatchObject({ code: 0 })
    // The newest of the others, though by a clock that was ahead; the one made now; and what belongs to others.
    expect(existsSync(half)).toBe(false)
    const left = backups()
    expect(left.length).toBe(4)
    expect(left).toContain('catalog.mine.db')
    expect(left).toContain('catalog.76543210.20200101T000000Z.db')
    expect(left).toContain(others[2])
    const made = left.find((name) => name.startsWith(stem) && name !== others[2])!
    expect(whole(join(directory, made))).toEqual({ integrity_check: 'ok' })
  })

  test('are made by a running agent, and a directory that is gone stops nothing', async () => {
    schedule('1d', 3)
    rmSync(directory, { recursive: true })
    await seed('x')
    const service = startService(site)
    try {
      await until(async () => (await tagOf('x')) === 'TAPE:done')
      await until(() => service.log().includes('Cannot back up the catalog'))
      const { out } = await site.run('status')
      expect(out).toContain('The catalog was never backed up.')
      expect(out).toMatch(/The backup .* failed: Cannot back up/u)
      mkdirSync(directory)
      expect(await site.run('backup')).toMatchObject({ code: 0 }) // beside it
      expect((await site.run('status')).out).not.toContain('failed')
      expect((await service.stop()).code).toBe(0)
    } finally {
      await endServices([service])
    }
    expect(backups().length).toBe(1)
  })

  test('a backup that is killed leaves nothing that looks like one', async () => {
    await run()
    const sqlite = new DatabaseSync(site.catalog)
    sqlite.exec('CREATE TABLE ballast (x)')
    const insert = sqlite.prepare('INSERT INTO ballast VALUES (randomblob(1000000))')
    for (let i = 0; i < 60; i++) insert.run()
    sqlite.close()
    for (let round = 0; round < 6; round++) {
      const { child, ended } = site.start('backup', directory)
      await sleep(100 + 60 * round)
      process.kill(-child.pid!, 'SIGKILL')
      await ended
      for (const file of backups().filter((name) => !name.startsWith('.')))
        expect(whole(join(directory, file))).toEqual({ integrity_check: 'ok' })
    }
    // The process that copies may live a moment longer; the next one removes what it left.
    await until(async () => (await site.run('backup', directory)).code === 0)
    expect(backups().some((name) => name.endsWith('.db'))).toBe(true)
  })

  test('is refused below a vault or a source', async () => {
    directory = join(site.vault, 'backups')
    schedule('1d', 2)
    expect(await site.run('config', 'check')).toMatchObject({
      code: 4,
      err: expect.stringContaining('is in the vault') as never,
    })
    expect(existsSync(directory)).toBe(false)
    expect(readFileSync(site.configFile, 'utf8')).toContain('backup')
  })
})
