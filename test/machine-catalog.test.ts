import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { childrenOf } from './processes.ts'
import { seedDataset } from './rucio/testbed.ts'
import { endServices, startService, until, type Service } from './running.ts'
import { makeSite, type Ran, type Site } from './site.ts'
import { testUnless } from './skip.ts'
import { mayNotMount } from './small-mount.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The whole agent, and what a machine and its people do to the file of its catalog. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()
const isRoot = process.getuid!() === 0

describeWithRucio('the agent and the file of its catalog', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site
  let services: Service[]
  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `c${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    site.configure((config) => (config['schedule'] = { every: '1s' }))
    services = []
  })
  afterEach(async () => {
    await endServices(services)
    site.dispose()
  })

  const seed = (name: string, bytes = 3000) =>
    seedDataset(bed, {
      scope,
      name,
      files: [{ name: `${name}/a`, content: bytes > 10_000 ? Buffer.alloc(bytes) : content(name, bytes) }],
      closed: true,
      tag: 'TAPE:need',
    })
  const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']
  const done = (name: string) => until(async () => (await tagOf(name)) === 'TAPE:done')
  const object = (name: string) => `${scope}/${name}/${name}.g1.1-1.zip`
  const start = () => {
    const service = startService(site)
    services.push(service)
    return service
  }
  const partWritten = () => until(() => site.objects().some((path) => path.endsWith('.zip.1.part')))
  const stateOf = async (name: string) => {
    const { out } = await site.run('list', `${scope}:${name}`, '--json')
    return (JSON.parse(out) as { state: string }[]).map(({ state }) => state)
  }
  function backup(file: string): void {
    const sqlite = new DatabaseSync(site.catalog)
    sqlite.exec(`VACUUM INTO '${file}'`)
    sqlite.close()
  }
  function removeCatalog(): void {
    for (const end of ['', '-wal', '-shm']) rmSync(site.catalog + end, { force: true })
  }

  /** It ended because of its catalog, and said which, why, and what to do. */
  function expectRefusal({ code, err }: Ran, why: RegExp): void {
    const last = err.trim().split('\n')
    expect([code, err]).toEqual([1, expect.stringMatching(why)])
    expect(err).toContain(site.catalog)
    expect(err).not.toMatch(/^\s+at |This is a bug/mu)
    expect(last.at(-1)).toMatch(/^ {2}\S/u) // the hint
  }
  /** What is done is there, and nothing is there twice. */
  async function expectDone(...names: string[]): Promise<void> {
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    for (const name of names) expect([name, await tagOf(name)]).toEqual([name, 'TAPE:done'])
    expect(site.objects()).toEqual(names.map(object).sort())
    const check = 'import sys,zipfile\nfor path in sys.argv[1:]: assert zipfile.ZipFile(path).testzip() is None, path'
    execFileSync('python3', ['-c', check, ...names.map((name) => join(site.vault, object(name)))])
    const sqlite = new DatabaseSync(site.catalog, { readOnly: true })
    expect(sqlite.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    sqlite.close()
  }

  /** Runs once, where no file may have more bytes: for the catalog, the disk is full. */
  const runLimited = (bytes: number) => site.runUnder(['prlimit', `--fsize=${bytes}`], 'run', '--once')

  test('a disk that is full, wherever it becomes so, ends it with what to do, no state lies, and with room it goes on', async () => {
    const names = ['a', 'b', 'c']
    for (const name of names) await seed(name)
    let refused = 0
    for (let kib = 4; ; kib += 20) {
      const ran = await runLimited(kib * 1024)
      for (const name of names)
        if ((await tagOf(name)) === 'TAPE:done') expect(existsSync(join(site.vault, object(name)))).toBe(true)
      if (ran.code === 0) break
      expectRefusal(ran, /disk I\/O error|is full/u)
      refused++
    }
    expect(refused).toBeGreaterThan(5)
    await expectDone(...names)
  }, 120_000)

  test('a disk that becomes full under a service ends it, and with room it goes on', async () => {
    await seed('a')
    const service = start()
    await done('a')
    const { size } = statSync(`${site.catalog}-wal`)
    execFileSync('prlimit', ['--pid', String(service.child.pid), `--fsize=${size + 8192}`])
    await seed('b')
    expectRefusal(await service.ended, /disk I\/O error/u)
    await expectDone('a', 'b')
  }, 180_000)

  testUnless(mayNotMount, 'a catalog on a tmpfs that is full')(
    'a file system that is full ends it, and with room it goes on',
    async () => {
      const directory = join(site.directory, 'small')
      mkdirSync(directory)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory])
      try {
        site.configure((config) => (config['catalog'] = join(directory, 'catalog.db')))
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        await seed('a')
        const filler = join(directory, 'filler')
        try {
          writeFileSync(filler, Buffer.alloc(2 ** 22))
        } catch {
          // It is full now.
        }
        truncateSync(filler, statSync(filler).size - 65_536)
        const ran = await site.run('run', '--once')
        expect([ran.code, ran.err]).toEqual([
          1,
          expect.stringMatching(/small\/catalog\.db: .*(full|disk I\/O).*\n.*room/su),
        ])
        expect(await tagOf('a')).toBe('TAPE:need')
        rmSync(filler)
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        expect(await tagOf('a')).toBe('TAPE:done')
      } finally {
        execFileSync('umount', [directory])
      }
    },
    180_000,
  )

  /** Makes a path read-only, also for root; returns what takes that back. */
  function readOnly(path: string): () => void {
    if (!isRoot) {
      const { mode } = statSync(path)
      chmodSync(path, mode & 0o555)
      return () => chmodSync(path, mode)
    }
    execFileSync('mount', ['--bind', path, path])
    const undo = () => void execFileSync('umount', [path])
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', path])
    } catch (error) {
      undo()
      throw error
    }
    return undo
  }

  testUnless(isRoot ? mayNotMount : null, 'a catalog that is read-only').each(['file', 'directory'])(
    'a catalog whose %s is read-only ends it with what to do, and it goes on when that is mended',
    async (what) => {
      const directory = join(site.directory, 'state')
      mkdirSync(directory)
      site.configure((config) => (config['catalog'] = join(directory, 'catalog.db')))
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await seed('a')
      const undo = readOnly(what === 'file' ? join(directory, 'catalog.db') : directory)
      try {
        const { code, err } = await site.run('run', '--once')
        expect([code, err]).toEqual([1, expect.stringMatching(/state\/catalog\.db.*: .*\n {2}.*read-only/u)])
        expect(err).not.toContain('This is a bug')
      } finally {
        undo()
      }
      expect(await tagOf('a')).toBe('TAPE:need')
      expect(site.objects()).toEqual([])
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await tagOf('a')).toBe('TAPE:done')
    },
    180_000,
  )

  test.each([
    ['removed', () => rmSync(site.catalog), /catalog\.db is gone/u],
    ['replaced by a backup', () => renameSync(`${site.catalog}.backup`, site.catalog), /catalog\.db is another file/u],
    ['robbed of its log', () => rmSync(`${site.catalog}-wal`), /catalog\.db-wal is gone/u],
  ])(
    'a catalog that is %s under a running agent ends it before it commits anything more, and with a backup it goes on',
    async (what, happen, why) => {
      await seed('a')
      const first = start()
      await done('a')
      backup(`${site.catalog}.backup`)
      backup(`${site.catalog}.kept`)
      await seed('big', 300_000_000)
      await partWritten()
      happen()
      expectRefusal(await first.ended, why)
      expect(await tagOf('big')).toBe('TAPE:need')
      expect(site.objects()).not.toContain(object('big'))
      if (what === 'removed') {
        removeCatalog()
        renameSync(`${site.catalog}.kept`, site.catalog)
      }
      // A backup does not know of the part: the attempt of that number is refused, and the next one removes it.
      const { code, err } = await site.run('run', '--once')
      if (code !== 0) expect([code, err]).toEqual([3, expect.stringContaining('big.g1.1-1.zip.1.part: EEXIST')])
      await expectDone('a', 'big')
    },
    180_000,
  )

  test('a lock that is removed lets no second agent work beside the first', async () => {
    const first = start()
    await seed('a')
    await done('a')
    rmSync(`${site.catalog}.lock`)
    const second = start()
    expectRefusal(await first.ended, /catalog\.db\.lock is (gone|another file)/u)
    await seed('b')
    await done('b')
    expect(second.child.exitCode).toBeNull()
    expect(await second.stop()).toMatchObject({ code: 0 })
    await expectDone('a', 'b')
  }, 180_000)

  test('a second agent is refused that calls the catalog by another name, also while the first one is stopping', async () => {
    await seed('big', 300_000_000)
    const service = start()
    await partWritten()
    const movers = childrenOf(service.child.pid!)
    for (const mover of movers) process.kill(mover, 'SIGSTOP')
    const link = join(site.directory, 'link.db')
    symlinkSync(site.catalog, link)
    const catalog = site.catalog
    site.configure((config) => (config['catalog'] = link))
    expect(await site.run('run', '--once')).toMatchObject({ code: 11 })
    service.child.kill('SIGTERM')
    await until(() => service.log().includes('stopping'))
    expect(await site.run('run', '--once')).toMatchObject({ code: 11 })
    for (const mover of movers) process.kill(mover, 'SIGCONT')
    expect(await service.ended).toMatchObject({ code: 0 })
    expect(readdirSync(site.directory)).not.toContain('link.db.lock')
    site.configure((config) => (config['catalog'] = catalog))
    await expectDone('big')
  }, 180_000)

  test('a second catalog on the root of a vault pauses its pipeline, and writes nothing there', async () => {
    await seed('a')
    await expectDone('a')
    await seed('b')
    const other = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope], site.vault)
    try {
      const { code, out, err } = await other.run('run', '--once')
      expect([code, out, err]).toEqual([5, expect.stringContaining('PAUSED'), expect.stringContaining('VAULT_FOREIGN')])
    } finally {
      other.dispose()
    }
    expect(site.objects()).toEqual([object('a')])
    expect(await tagOf('b')).toBe('TAPE:need')
    await expectDone('a', 'b')
  }, 180_000)

  test('a backup of yesterday finds what was archived since, proves it, and writes nothing over it', async () => {
    const source = join(bed.disk, scope)
    await seed('old')
    await seed('waited')
    renameSync(join(source, 'waited/a'), join(source, 'waited/a.moved'))
    expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
    const kept = join(site.directory, 'kept.db')
    backup(kept)

    renameSync(join(source, 'waited/a.moved'), join(source, 'waited/a'))
    for (const name of ['told', 'untold']) await seed(name)
    const names = ['old', 'told', 'untold', 'waited']
    await expectDone(...names)
    const files = () =>
      names.map((name) => {
        const { ino, mtimeMs, size } = statSync(join(site.vault, object(name)))
        return { name, ino, mtimeMs, size }
      })
    const before = files()

    removeCatalog()
    renameSync(kept, site.catalog)
    // As if it had been lost on the way, or somebody wanted it once more.
    await datasets(root).tag({ scope, name: 'untold' }, { arcBackup: 'TAPE:need' })
    const ran = await site.run('run', '--once')
    expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('untold object 1 of 1 was there already') })
    await expectDone(...names)
    expect(files()).toEqual(before)
    expect(await stateOf('untold')).toEqual(['acknowledged'])
    expect(await stateOf('told')).toEqual([])
    expect(await stateOf('waited')).toEqual(['withdrawn']) // as far as this catalog can know
  }, 180_000)
})
