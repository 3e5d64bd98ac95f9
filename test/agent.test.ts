import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
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
import { rucio, seedDataset, sql } from './rucio/testbed.ts'
import { describeWithEachRucio } from './with-rucio.ts'
import { makeSite, type Site } from './site.ts'

/** The whole program, as its users run it: the built command, a real Rucio, the real `rucio` command line. */

const never = new AbortController().signal
const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

describeWithEachRucio('tape-rse run --once, on a real Rucio', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `t${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
  })
  afterEach(() => site.dispose())

  const did = (name: string) => ({ scope, name })
  const seed = (
    name: string,
    files: Readonly<Record<string, Buffer>>,
    more: { closed?: boolean; tag?: string | null } = {},
  ) =>
    seedDataset(bed, {
      scope,
      name,
      files: Object.entries(files).map(([file, bytes]) => ({ name: file, content: bytes })),
      closed: more.closed ?? true,
      tag: more.tag === undefined ? 'TAPE:need' : more.tag,
    })
  const two = (prefix: string) => ({
    [`${prefix}/a.fits`]: content(`${prefix}a`, 50_000),
    [`${prefix}/b.yaml`]: content(`${prefix}b`, 180),
  })
  const tagOf = async (name: string) => (await datasets(root).meta(did(name)))['arcBackup']
  const onDisk = (file: string) => join(bed.disk, scope, file)
  const explained = async (name: string) => {
    const { out } = await site.run('explain', `${scope}:${name}`, '--json')
    return (
      JSON.parse(out) as { answer: string; gates: { gate: string; state: string; problems: { code: string }[] }[] }[]
    )[0]!
  }
  const stateOf = async (name: string) => {
    const rows = JSON.parse((await site.run('list', '--json')).out) as {
      did: string
      generation: number
      state: string
      held: boolean
      waiting: string | null
      problems: { code: string; message: string; hint: string }[]
    }[]
    return rows.filter((row) => row.did === `${scope}:${name}`).at(-1)
  }
  const object = (name: string, generation = 1) => `${scope}/${name}/${name.split('/').at(-1)!}.g${generation}.1-1.zip`
  /** The zip holds exactly these files, as Python reads it. */
  const expectZip = (location: string, files: Readonly<Record<string, Buffer>>) => {
    const script = `import sys,zipfile,hashlib,json
z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
print(json.dumps({i: hashlib.md5(z.read(i)).hexdigest() for i in z.namelist()[1:]}))`
    const read: unknown = JSON.parse(
      execFileSync('python3', ['-c', script, join(site.vault, location)], { encoding: 'utf8' }),
    )
    expect(read).toEqual(
      Object.fromEntries(
        Object.entries(files).map(([name, bytes]) => [name, createHash('md5').update(bytes).digest('hex')]),
      ),
    )
  }

  test('archives a dataset that is tagged and closed by the rucio command line, and says why it waits before that', async () => {
    const name = 'Dataset/LSSTCam/raw/Obs/20260102/MC_O_20260102_000123'
    const files = two('LSSTCam/raw')
    await seed(name, files, { closed: false, tag: null })
    const cli = async (...args: string[]) => {
      const done = await rucio(bed, args, bed.root, never)
      expect(done).toMatchObject({ code: 0 })
      return done.stdout
    }
    await cli(
      'did',
      'metadata',
      bed.version.startsWith('38') ? 'add' : 'set',
      '--key',
      'arcBackup',
      '--value',
      'TAPE:need',
      `${scope}:${name}`,
    )

    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await stateOf(name)).toMatchObject({ state: 'requested', waiting: 'open' })
    expect((await explained(name)).answer).toContain('it is open')
    expect(site.objects()).toEqual([])

    await cli('did', 'update', '--close', `${scope}:${name}`)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await cli('did', 'metadata', 'list', '--plugin', 'JSON', `${scope}:${name}`)).toContain('TAPE:done')
    expect(site.objects()).toEqual([object(name)])
    expectZip(object(name), files)
    expect((await explained(name)).answer).toContain('is archived')
  }, 180_000)

  test('knows what it does not take, and why', async () => {
    await seed('good', two('good'))
    await seed('closed-untagged', two('untagged'), { tag: null })
    await seed('for-another', two('other'), { tag: 'OTHER:need' })
    await seed('open', two('open'), { closed: false })
    await seed('empty', {})
    await root.ok('POST', `/dids/${scope}/container`, { type: 'CONTAINER' })
    await root.ok('POST', `/dids/${scope}/container/dids`, { dids: [did('good')] })
    await datasets(root).tag(did('container'), { arcBackup: 'TAPE:need' })
    await datasets(root).tag(did('good/a.fits'), { arcBackup: 'TAPE:need' })

    expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
    expect(site.objects()).toEqual([object('good')])
    expect(await stateOf('container')).toMatchObject({ waiting: 'container' })
    expect(await stateOf('good/a.fits')).toMatchObject({ waiting: 'file' })
    expect(await stateOf('open')).toMatchObject({ waiting: 'open' })
    expect(await stateOf('empty')).toMatchObject({ held: true, problems: [{ code: 'DATASET_EMPTY' }] })
    for (const name of ['closed-untagged', 'for-another']) {
      expect(await stateOf(name)).toBeUndefined()
      expect((await explained(name)).answer).toMatch(/arcBackup is (not set|OTHER:need)/u)
    }
    expect((await explained('nowhere')).answer).toContain('Rucio knows no such DID')
    const other = JSON.parse((await site.run('explain', 'raw:ds_done', '--json')).out) as { answer: string }[]
    expect(other[0]!.answer).toContain('does not look at scope raw')
  }, 180_000)

  test('says what is wrong with sources, all of it, and takes the dataset when that is mended', async () => {
    const files = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [`bad/${name}`, content(name, 3000)]))
    await seed('bad', files)
    await seed('good', two('good'))
    writeFileSync(onDisk('bad/a'), content('other', 3000))
    rmSync(onDisk('bad/b'))
    truncateSync(onDisk('bad/c'), 2999)
    renameSync(onDisk('bad/d'), onDisk('bad/d.moved'))
    symlinkSync(onDisk('bad/d.moved'), onDisk('bad/d'))

    expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
    expect(await tagOf('good')).toBe('TAPE:done')
    expect(await tagOf('bad')).toBe('TAPE:need')
    expect(site.objects()).toEqual([object('good')])
    expect((await stateOf('bad'))!.problems.map(({ code }) => code).sort()).toEqual([
      'SOURCE_CHECKSUM',
      'SOURCE_MISSING',
      'SOURCE_NOT_REGULAR',
      'SOURCE_SIZE',
    ])
    expect((await explained('bad')).gates.find(({ gate }) => gate === 'paths readable')).toMatchObject({
      state: 'failed',
    })

    rmSync(onDisk('bad/d'))
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(bed.disk, scope, name), bytes)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expectZip(object('bad'), files)
  }, 180_000)

  test('splits a dataset of many files into zips of even size, each with its own manifest', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 1200 }, (_, index) => [
        `many/${String(index).padStart(4, '0')}`,
        content(`many${index}`, 2000),
      ]),
    )
    await seed('many', files)
    site.configure((config) => (config.pipelines[0]!.format = { targetSize: '1MB', maxSize: '1.2MB' }))
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    const zips = site.objects()
    expect(zips.length).toBeGreaterThanOrEqual(2)
    const sizes = zips.map((zip) => statSync(join(site.vault, zip)).size)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_200_000)
    expect(Math.min(...sizes)).toBeGreaterThan(Math.max(...sizes) * 0.9)
    const script =
      'import sys,zipfile; print("\\n".join(n for z in sys.argv[1:] for n in zipfile.ZipFile(z).namelist()[1:]))'
    const paths = zips.map((zip) => join(site.vault, zip))
    const names = execFileSync('python3', ['-c', script, ...paths], { encoding: 'utf8' })
      .trim()
      .split('\n')
    expect(names).toEqual(Object.keys(files))
  }, 180_000)

  test('says what it would do, and writes nothing anywhere', async () => {
    await seed('good', two('good'))
    const before = readdirSync(site.directory)
    const plan = await site.run('run', '--once', '--dry-run', '--json')
    expect(plan.code).toBe(0)
    expect(JSON.parse(plan.out)).toMatchObject({
      bundles: [{ did: `${scope}:good`, files: 2, location: object('good') }],
      problems: [],
    })
    expect(readdirSync(site.directory)).toEqual(before)
    expect(readdirSync(site.vault)).toEqual([])
    expect(await tagOf('good')).toBe('TAPE:need')
  }, 180_000)

  test('sets a lost done again without packing, archives anew what was deleted by hand, holds what changed', async () => {
    await seed('d', two('d'))
    await site.run('run', '--once')
    const inode = () => statSync(join(site.vault, object('d'))).ino
    const first = inode()
    await datasets(root).tag(did('d'), { arcBackup: 'TAPE:need' })
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect([await tagOf('d'), inode()]).toEqual(['TAPE:done', first])

    await datasets(root).open(did('d'))
    const more = content('more', 999)
    await seedDataset(bed, {
      scope,
      name: 'helper',
      files: [{ name: 'd/more', content: more }],
      closed: false,
      tag: null,
    })
    await datasets(root).attach(did('d'), [did('d/more')])
    await datasets(root).close(did('d'))
    await datasets(root).tag(did('d'), { arcBackup: 'TAPE:need' })
    expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
    const held = await stateOf('d')
    expect(held).toMatchObject({ generation: 2, held: true, problems: [{ code: 'REOPENED' }] })
    expect(held!.problems[0]!.message).toContain('1 file was added (d/more)')
    expect(held!.problems[0]!.hint).toMatch(/tape-rse remove .*delete the old objects by hand.*tag back to done/su)
    expect(site.objects()).toEqual([object('d')])

    rmSync(join(site.vault, object('d')))
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expectZip(object('d', 2), { ...two('d'), 'd/more': more })
    expect(await tagOf('d')).toBe('TAPE:done')
  }, 180_000)

  test('removes what a person wants archived anew: not while it is done, nor the last copy, nor what is not its own', async () => {
    await seed('d', two('d'))
    await site.run('run', '--once')
    const remove = (...args: string[]) => site.run('remove', `${scope}:d`, ...args)
    expect(await remove('--yes')).toMatchObject({ code: 6, err: expect.stringContaining('TAPE:done of it') })

    await datasets(root).open(did('d'))
    await datasets(root).detach(did('d'), [did('d/b.yaml')])
    await datasets(root).close(did('d'))
    await datasets(root).tag(did('d'), { arcBackup: 'TAPE:need' })
    await site.run('run', '--once')
    expect((await stateOf('d'))!.problems[0]!.message).toContain('1 file was removed (d/b.yaml)')
    await root.ok('POST', '/replicas/bad', {
      replicas: [{ ...did('d/b.yaml'), rse: 'DISK' }],
      reason: 'a test',
    })
    expect(await remove('--yes')).toMatchObject({
      code: 6,
      err: expect.stringContaining('1 file has no other available copy'),
    })
    expect(await remove('--last-copy')).toMatchObject({ code: 2, err: expect.stringContaining('no terminal') })
    expect(site.objects()).toEqual([object('d')])

    const zip = join(site.vault, object('d'))
    const own = readFileSync(zip)
    writeFileSync(zip, 'somebody else’s')
    expect(await remove('--last-copy', '--yes')).toMatchObject({ code: 3, out: expect.stringContaining('left alone') })
    writeFileSync(zip, own)
    expect(await remove('--last-copy', '--yes')).toMatchObject({ code: 0, out: expect.stringContaining('removed ') })
    expect(site.objects()).toEqual([])
    expect(await remove('--last-copy', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('was gone already'),
    })

    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expectZip(object('d', 2), { 'd/a.fits': two('d')['d/a.fits']! })
    const history = JSON.parse((await site.run('list', `${scope}:d`, '--json')).out) as {
      generation: number
      state: string
    }[]
    expect(history.map(({ generation, state }) => [generation, state])).toEqual([
      [1, 'acknowledged'],
      [2, 'acknowledged'],
    ])
  }, 180_000)

  test('removes nothing that Rucio says done of, whatever the catalog takes it for', async () => {
    await seed('d', two('d'))
    await site.run('run', '--once')
    // What an earlier version made of an answer of Rucio that was cut short.
    const catalog = new DatabaseSync(site.catalog)
    catalog.exec(`UPDATE targets SET state = 'withdrawn', ended_why = 'Rucio no longer knows it'`)
    catalog.close()
    expect(await site.run('remove', `${scope}:d`, '--yes')).toMatchObject({
      code: 6,
      err: expect.stringContaining('TAPE:done of it'),
    })
    expect(site.objects()).toEqual([object('d')])
  }, 180_000)

  test('plans a dataset before it is closed or tagged, with every problem', async () => {
    await seed('d', two('d'), { closed: false, tag: null })
    const plan = async (name: string) => {
      const { code, out } = await site.run('plan', `${scope}:${name}`, '--json')
      return {
        code,
        plans: JSON.parse(out) as {
          open: boolean
          archived: boolean
          bundles: object[]
          problems: { code: string }[]
        }[],
      }
    }
    expect(await plan('d')).toMatchObject({
      code: 0,
      plans: [{ open: true, problems: [], bundles: [{ files: 2, location: object('d') }] }],
    })
    rmSync(onDisk('d/a.fits'))
    await datasets(root).close(did('d'))
    const broken = await plan('d')
    expect(broken).toMatchObject({ code: 3, plans: [{ open: false, problems: [{ code: 'SOURCE_MISSING' }] }] })
    expect((await site.run('plan', `${scope}:d`)).out).toContain('SOURCE_MISSING')
    expect(await plan('nowhere')).toMatchObject({ code: 3, plans: [{ problems: [{ code: 'DID_GONE' }] }] })
    expect(existsSync(site.catalog)).toBe(false)
    expect(site.objects()).toEqual([])

    writeFileSync(onDisk('d/a.fits'), two('d')['d/a.fits']!)
    await datasets(root).tag(did('d'), { arcBackup: 'TAPE:need' })
    await site.run('run', '--once')
    expect(await plan('d')).toMatchObject({ code: 0, plans: [{ archived: true, bundles: [] }] })
  }, 180_000)

  test('never follows a tag that another client withdrew, nor a batch of which one may not be written', async () => {
    await seed('a', two('a'))
    await seed('b', two('b'))
    // Who loses the right to write here in the middle: each dataset is refused by itself.
    const account = `w${randomBytes(5).toString('hex')}`
    const password = `secret of ${account}`
    await root.ok('POST', `/accounts/${account}`, { type: 'SERVICE', email: 'nobody@example.org' })
    const identity = { 'X-Rucio-Username': account, 'X-Rucio-Password': password, 'X-Rucio-Email': 'a@example.org' }
    await root.call('PUT', `/identities/${account}/userpass`, undefined, identity)
    await root.ok('POST', `/accounts/${account}/attr/admin`, { key: 'admin', value: 'true' })
    writeFileSync(site.passwordFile, `${password}\n`)
    site.configure((config) => {
      config.rucio['account'] = account
      config.rucio['auth'] = { type: 'userpass', username: account, passwordFile: site.passwordFile }
    })
    const running = site.start('run', '--once')
    let log = ''
    running.child.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()))
    while (!/:[ab] frozen/u.test(log)) await new Promise((resolve) => setTimeout(resolve, 5))
    await root.ok('DELETE', `/accounts/${account}/attr/admin`)
    expect(await running.ended).toMatchObject({ code: 3 })
    expect(await stateOf('a')).toMatchObject({ state: 'frozen', held: true, problems: [{ code: 'NOT_ALLOWED' }] })
    expect([await tagOf('a'), await tagOf('b')]).toEqual(['TAPE:need', 'TAPE:need'])

    await datasets(root).tag(did('b'), { arcBackup: 'cancelled' })
    writeFileSync(site.passwordFile, `${bed.agent.password}\n`)
    site.configure((config) => {
      config.rucio['account'] = bed.agent.account
      config.rucio['auth'] = { type: 'userpass', username: bed.agent.username, passwordFile: site.passwordFile }
    })
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect([await tagOf('a'), await tagOf('b')]).toEqual(['TAPE:done', 'cancelled'])
    expect(await stateOf('b')).toMatchObject({ state: 'withdrawn' })
    expect(site.objects()).toEqual([object('a'), object('b')].sort())
  }, 180_000)

  test('signs in again when its token has expired in the middle', async () => {
    await seed('a', two('a'))
    const living = `FROM tokens WHERE account = 'tapeagent' AND expired_at > now() at time zone 'utc'`
    const running = site.start('run', '--once')
    let log = ''
    running.child.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()))
    while (!log.includes(`${scope}:a frozen`)) await new Promise((resolve) => setTimeout(resolve, 5))
    // It has a token, and acknowledging gathers for three seconds before it is needed again.
    await sql(
      bed,
      `UPDATE tokens SET expired_at = now() at time zone 'utc' - interval '1 hour' WHERE account = 'tapeagent'`,
      never,
    )
    expect(log).not.toContain(`${scope}:a done`)
    expect(await running.ended).toMatchObject({ code: 0 })
    expect(await tagOf('a')).toBe('TAPE:done')
    expect(Number(await sql(bed, `SELECT count(*) ${living}`, never))).toBeGreaterThan(0)
  }, 180_000)

  describe('ends with a code that says what is wrong:', () => {
    test('5, and a pause, when Rucio does not answer; the work goes on when it does', async () => {
      await seed('a', two('a'))
      site.configure((config) => (config.rucio['host'] = 'http://127.0.0.1:9'))
      expect(await site.run('run', '--once')).toMatchObject({ code: 5, out: expect.stringContaining('PAUSED') })
      expect((await site.run('status')).out).toContain('PAUSED')
      site.configure((config) => (config.rucio['host'] = bed.url))
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await tagOf('a')).toBe('TAPE:done')
    }, 180_000)

    test('6 when the password is refused', async () => {
      writeFileSync(site.passwordFile, 'canary-wrong-password')
      const ran = await site.run('run', '--once')
      expect(ran).toMatchObject({ code: 6 })
      expect(ran.out + ran.err).not.toContain('canary')
    }, 180_000)

    test('3 when a scope does not exist, and it says so', async () => {
      site.configure((config) => (config.pipelines[0]!.source['scopes'] = [scope, 'nosuchscope']))
      expect(await site.run('run', '--once')).toMatchObject({ code: 3, err: expect.stringContaining('nosuchscope') })
    }, 180_000)

    test('4 when the config is wrong, with line and key', async () => {
      site.configure((config) => (config.pipelines[0]!.vault['rot'] = '/x'))
      expect(await site.run('run', '--once')).toMatchObject({
        code: 4,
        err: expect.stringMatching(/tape-rse\.yaml:\d+: pipelines\[0\]\.vault\.rot/u),
      })
      expect(existsSync(site.catalog)).toBe(false)
    }, 180_000)

    test('5 when the vault is not mounted, belongs to another catalog, or has lost its marker', async () => {
      await seed('a', two('a'))
      site.configure((config) => (config.pipelines[0]!.vault['mustBeMount'] = true))
      expect(await site.run('run', '--once')).toMatchObject({
        code: 5,
        err: expect.stringContaining('nothing is mounted'),
      })
      site.configure((config) => (config.pipelines[0]!.vault['mustBeMount'] = false))
      const marker = join(site.vault, '.tape-rse.json')
      writeFileSync(marker, JSON.stringify({ format: 'tape-rse vault', version: 1, catalog: 'another' }))
      expect(await site.run('run', '--once')).toMatchObject({
        code: 5,
        err: expect.stringContaining('belongs to catalog another'),
      })
      rmSync(marker)
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      rmSync(marker)
      expect(await site.run('run', '--once')).toMatchObject({ code: 5, err: expect.stringContaining('marker') })
    }, 180_000)

    test('11 when another agent holds the catalog', async () => {
      await seed('big', { 'big/a': Buffer.alloc(300_000_000) })
      const first = site.start('run', '--once')
      while (!existsSync(`${site.catalog}.lock`)) await new Promise((resolve) => setTimeout(resolve, 20))
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(await site.run('run', '--once')).toMatchObject({ code: 11 })
      expect(await site.run('status')).toMatchObject({ code: 0 })
      expect(await first.ended).toMatchObject({ code: 0 })
    }, 180_000)

    test('2 for a command line that it does not understand', async () => {
      for (const args of [
        ['run', '--json'],
        ['retry'],
        ['frobnicate'],
        ['list', '--state', 'x'],
        ['explain', 'no-colon'],
        ['explain'],
      ]) {
        expect(await site.run(...args)).toMatchObject({ code: 2, out: '' })
      }
    }, 180_000)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'stops cleanly at %s, and goes on when it is started again',
    async (signal) => {
      await seed('big', { 'big/a': Buffer.alloc(400_000_000), 'big/b': content('b', 10) })
      const { child, ended } = site.start('run', '--once')
      while (!site.objects().some((path) => path.endsWith('.zip.1.part')))
        await new Promise((resolve) => setTimeout(resolve, 20))
      child.kill(signal)
      expect(await ended).toMatchObject({ code: 0, signal: null })
      expect(await tagOf('big')).toBe('TAPE:need')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(site.objects()).toEqual([object('big')])
      expect(await tagOf('big')).toBe('TAPE:done')
    },
    180_000,
  )

  test('never writes over a foreign object, and takes the dataset when that was moved away', async () => {
    await seed('a', two('a'))
    const path = join(site.vault, object('a'))
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, 'somebody else’s')
    expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
    expect(await stateOf('a')).toMatchObject({ held: true, problems: [{ code: 'OBJECT_FOREIGN' }] })
    expect(readFileSync(path, 'utf8')).toBe('somebody else’s')
    rmSync(path)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expectZip(object('a'), two('a'))
  }, 180_000)

  test('tells nobody its secrets', async () => {
    await seed('a', two('a'))
    const outputs: string[] = []
    for (const args of [
      ['run', '--once'],
      ['status', '--json'],
      ['list', '--json'],
      ['explain', `${scope}:a`],
      ['config', 'show'],
      ['config', 'check'],
      ['config', 'schema'],
    ]) {
      const ran = await site.run(...args)
      expect(ran.code).toBe(0)
      outputs.push(ran.out, ran.err)
    }
    site.configure((config) => (config.rucio['host'] = 'http://127.0.0.1:9'))
    const failed = await site.run('run', '--once', '--json')
    const everything = [
      ...outputs,
      failed.out,
      failed.err,
      readFileSync(site.catalog, 'latin1'),
      execFileSync('sh', ['-c', `cat "$0"/*/*/*.zip "$0"/.tape-rse.json`, site.vault], { encoding: 'latin1' }),
    ].join('\n')
    const tokens = (await sql(bed, `SELECT token FROM tokens WHERE account = 'tapeagent'`, never)).split('\n')
    for (const secret of [bed.agent.password, ...tokens]) expect(everything).not.toContain(secret)
  }, 180_000)

  test('publishes directly where the mount cannot rename', async () => {
    await seed('a', two('a'))
    site.configure((config) => (config.pipelines[0]!.vault['publish'] = 'direct'))
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expectZip(object('a'), two('a'))
    expect(await tagOf('a')).toBe('TAPE:done')
  }, 180_000)
})
