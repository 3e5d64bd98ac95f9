import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { datasets, signIn } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { describeWithRucio } from './with-rucio.ts'
import { makeSite, type Ran, type Site } from './site.ts'
import { testUnless } from './skip.ts'

/** Getting files back, as their users do: the built command, after the disk copies are really gone. */

const scope = `g${randomBytes(5).toString('hex')}`
const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()
const files: Readonly<Record<string, Buffer>> = {
  'night/a.fits': content('a', 3_000_000),
  'night/calib/b-1.fits': content('b', 1_200_000),
  'night/calib/empty': Buffer.alloc(0),
  'night/c.yaml': content('c', 170),
  'night/d.txt': content('d', 40_000),
}
const dataset = `${scope}:night`

describeWithRucio('getting files back', (bed) => {
  let site: Site
  let dest: string
  beforeAll(async () => {
    const root = await signIn(bed.url, bed.root)
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    // Two objects, so that some of it can be missing.
    site.configure((config) => (config.pipelines[0]!.format = { targetSize: '2MB', maxSize: '4MB' }))
    const seeds = Object.entries(files).map(([name, bytes]) => ({ name, content: bytes }))
    await seedDataset(bed, { scope, name: 'night', files: seeds, closed: true, tag: 'TAPE:need' })
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect((await datasets(root).meta({ scope, name: 'night' }))['arcBackup']).toBe('TAPE:done')
    for (const name of Object.keys(files)) rmSync(join(bed.disk, scope, name))
    expect(site.objects().length).toBeGreaterThan(1)
  })
  afterAll(() => site.dispose())
  beforeEach(() => {
    dest = join(site.directory, 'dest')
    mkdirSync(dest)
  })
  afterEach(() => rmSync(dest, { recursive: true, force: true }))

  const get = (...args: string[]): Promise<Ran> => site.run('get', ...args)
  const below = (directory: string): Readonly<Record<string, string>> =>
    Object.fromEntries(
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => [path.slice(directory.length + 1), createHash('md5').update(readFileSync(path)).digest('hex')]),
    )
  const digests = (some: Readonly<Record<string, Buffer>>) =>
    Object.fromEntries(
      Object.entries(some).map(([name, bytes]) => [name, createHash('md5').update(bytes).digest('hex')]),
    )
  const only = (...names: string[]) => digests(Object.fromEntries(names.map((name) => [name, files[name]!])))
  const objectWith = async (file: string): Promise<{ object: string; file: { offset: number } }> =>
    (JSON.parse((await site.run('where', `${scope}:${file}`, '--json')).out) as never[])[0]!

  /** Changes one byte of an object until the function returned is called. */
  function flip(path: string, at: number): () => void {
    const fd = openSync(path, 'r+')
    const byte = Buffer.alloc(1)
    readSync(fd, byte, 0, 1, at)
    writeSync(fd, Buffer.from([byte[0]! ^ 0xff]), 0, 1, at)
    return () => void writeSync(fd, byte, 0, 1, at)
  }

  test('a whole dataset comes back to the byte, as its files were named; called again, nothing is to do', async () => {
    expect(await get(dataset, dest)).toMatchObject({ code: 0, out: '5 files delivered.\n' })
    expect(below(dest)).toEqual(digests(files))
    expect(await get(dataset, dest)).toMatchObject({ code: 0, out: '0 files delivered, 5 there already.\n' })
  })

  test('single files, by name and by glob, and one by its own DID without its dataset', async () => {
    expect(await get(dataset, dest, '--file', 'night/c.yaml', '*/empty')).toMatchObject({ code: 0 })
    expect(below(dest)).toEqual(only('night/c.yaml', 'night/calib/empty'))
    expect(await get(`${scope}:night/a.fits`, dest)).toMatchObject({ code: 0 })
    expect(below(dest)).toEqual(only('night/a.fits', 'night/c.yaml', 'night/calib/empty'))
  })

  test('one file goes to standard output', async () => {
    const { status, stdout } = spawnSync(
      join(import.meta.dirname, '..', 'bin', 'tape-rse'),
      ['--config', site.configFile, 'get', `${scope}:night/a.fits`, '--to-stdout'],
      { maxBuffer: 10_000_000 },
    )
    expect(status).toBe(0)
    expect(stdout.equals(files['night/a.fits']!)).toBe(true)
    expect(await get(dataset, '--to-stdout')).toMatchObject({
      code: 2,
      err: expect.stringContaining('takes one') as never,
    })
  })

  test('what is not known is said before anything is done', async () => {
    expect(await get(`${scope}:nigth`, dest)).toMatchObject({
      code: 1,
      err: expect.stringContaining('Cannot find') as never,
    })
    expect(await get(dataset, dest, '--file', 'night/c.yaml', 'nope', '*.log')).toMatchObject({
      code: 1,
      err: expect.stringContaining('Cannot find nope, *.log in') as never,
    })
    expect(await get(dataset, dest, '--generation', '2')).toMatchObject({ code: 1 })
    expect(await get(`${scope}:*`, dest)).toMatchObject({ code: 2 })
    expect(below(dest)).toEqual({})
  })

  test('another file of that name is left alone, the rest is delivered; --force overwrites it', async () => {
    mkdirSync(join(dest, 'night'))
    writeFileSync(join(dest, 'night/c.yaml'), 'mine')
    const { code, out } = await get(dataset, dest)
    expect([code, out]).toEqual([
      3,
      expect.stringMatching(/not delivered: night\/c\.yaml: another file.*\n4 files delivered, 1 not/u),
    ])
    expect(readFileSync(join(dest, 'night/c.yaml'), 'utf8')).toBe('mine')
    expect(await get(dataset, dest, '--force')).toMatchObject({ code: 0, out: '1 file delivered, 4 there already.\n' })
    expect(below(dest)).toEqual(digests(files))
  })

  test('half a file under its name, as a cp that was stopped leaves it, is another file', async () => {
    mkdirSync(join(dest, 'night'))
    writeFileSync(join(dest, 'night/a.fits'), files['night/a.fits']!.subarray(0, 1_000_000))
    expect(await get(`${scope}:night/a.fits`, dest)).toMatchObject({ code: 3 })
  })

  test('goes on in the middle of a file, and takes nothing on trust of what an earlier try left', async () => {
    const unpack = () => get(`${scope}:night/a.fits`, dest)
    expect(await unpack()).toMatchObject({ code: 0 })
    const whole = join(dest, 'night/a.fits')
    // Name the part as the program does: it is killed in the middle of a file that it cannot finish.
    const part = await partName(site, dest)
    for (const left of [
      files['night/a.fits']!.subarray(0, 2_000_000),
      Buffer.concat([files['night/a.fits']!, Buffer.from('more')]),
      content('other', 2_000_000),
      Buffer.alloc(0),
    ]) {
      rmSync(whole, { force: true })
      writeFileSync(part, left)
      expect({ left: left.length, ...(await unpack()) }).toMatchObject({ left: left.length, code: 0 })
      expect(below(dest)).toEqual(only('night/a.fits'))
    }
  })

  test('what was left between getting its name and losing the other is not written into', async () => {
    expect(await get(`${scope}:night/a.fits`, dest)).toMatchObject({ code: 0 })
    const whole = join(dest, 'night/a.fits')
    const part = await partName(site, dest)
    rmSync(part)
    writeFileSync(whole, 'mine now')
    renameSync(whole, join(dest, 'mine'))
    linkSync(join(dest, 'mine'), part)
    expect(await get(`${scope}:night/a.fits`, dest)).toMatchObject({ code: 0 })
    expect(readFileSync(join(dest, 'mine'), 'utf8')).toBe('mine now')
    expect(below(dest)['night/a.fits']).toBe(digests(files)['night/a.fits'])
  })

  test('nothing is written through a link in the destination', async () => {
    const elsewhere = join(site.directory, 'elsewhere')
    mkdirSync(elsewhere)
    symlinkSync(elsewhere, join(dest, 'night'))
    expect(await get(dataset, dest)).toMatchObject({
      code: 3,
      out: expect.stringContaining('is not a directory') as never,
    })
    expect(readdirSync(elsewhere)).toEqual([])
  })

  describe('from a damaged archive', () => {
    test('bad bytes never get the good name; the rest is delivered; exit 10', async () => {
      const { object, file } = await objectWith('night/a.fits')
      const mend = flip(object, file.offset + 1_000_000)
      const ran = await get(dataset, dest)
      mend()
      expect(ran).toMatchObject({
        code: 10,
        out: expect.stringMatching(
          /not delivered: night\/a\.fits: data of member .* adler32 is [0-9a-f]{8}, Rucio says/u,
        ) as never,
      })
      const rest = Object.keys(files).filter((name) => name !== 'night/a.fits')
      expect(below(dest)).toEqual(only(...rest))
      expect(await get(dataset, dest)).toMatchObject({ code: 0, out: '1 file delivered, 4 there already.\n' })
    })

    test.each([
      ['its header', 3],
      ['the name in its header', 32],
      ['its content', 60],
    ])('a small file with a wrong byte in %s', async (_, at) => {
      const { object, file } = await objectWith('night/c.yaml')
      const mend = flip(object, file.offset + at)
      const ran = await get(`${scope}:night/c.yaml`, dest, '--json')
      mend()
      expect(ran.code).toBe(10)
      expect(JSON.parse(ran.out)).toMatchObject({
        delivered: 0,
        undelivered: [{ name: 'night/c.yaml', outcome: 'mismatch' }],
      })
      expect(below(dest)).toEqual({})
    })

    test('an object that is gone, or cut, does not keep the others from being delivered', async () => {
      const { object } = await objectWith('night/a.fits')
      renameSync(object, `${object}.away`)
      const ran = await get(dataset, dest)
      renameSync(`${object}.away`, object)
      expect(ran).toMatchObject({ code: 3, out: expect.stringContaining('it is not there') as never })
      expect(Object.keys(below(dest))).toContain('night/c.yaml')
      const whole = readFileSync(object)
      truncateSync(object, 1_000_000)
      const cut = await get(dataset, dest)
      writeFileSync(object, whole)
      expect(cut).toMatchObject({ code: 10, out: expect.stringContaining('it ends in the data of member') as never })
    })

    test('a mismatch on standard output is told by exit code and standard error', async () => {
      const { object, file } = await objectWith('night/c.yaml')
      const mend = flip(object, file.offset + 60)
      const ran = await get(`${scope}:night/c.yaml`, '--to-stdout')
      mend()
      expect(ran).toMatchObject({ code: 10, err: expect.stringContaining('Cannot deliver night/c.yaml') as never })
    })
  })

  test('beside a running agent', async () => {
    const { child, ended } = site.start('run')
    try {
      expect(await get(dataset, dest)).toMatchObject({ code: 0 })
    } finally {
      child.kill('SIGTERM')
      await ended
    }
    expect(below(dest)).toEqual(digests(files))
  })

  const mayChangeUser = process.getuid!() === 0 && spawnSync('setpriv', ['--version']).status === 0
  testUnless(mayChangeUser ? null : 'this user cannot become another', 'reading as another user')(
    'somebody who may read catalog and mount, and write nothing there, gets all of it',
    async () => {
      for (const directory of [site.directory, dirname(site.directory)]) chmodSync(directory, 0o755)
      chmodSync(dest, 0o777)
      const nobody = ['setpriv', '--reuid', '65534', '--clear-groups'] as const
      expect(await site.runUnder([...nobody], 'get', dataset, dest)).toMatchObject({
        code: 0,
        out: '5 files delivered.\n',
      })
      expect(below(dest)).toEqual(digests(files))
      expect(statSync(join(dest, 'night/c.yaml')).uid).toBe(65_534)
      for (const command of ['status', 'list', 'where', 'ls', 'manifest'])
        expect({
          command,
          ...(await site.runUnder([...nobody], command, ...(command === 'status' ? [] : [dataset]))),
        }).toMatchObject({ command, code: 0 })
    },
  )

  test('where and ls tell where each file is, and the recipe takes it out by hand', async () => {
    const { out } = await site.run('where', dataset)
    expect(out).toMatch(/\| DATASET .* OBJECT/u)
    for (const object of site.objects()) expect(out).toContain(`${site.vault}/${object}`)
    expect((await site.run('where', `${scope}:night/calib/*`)).out).toContain('HEADER AT')
    expect(await site.run('where', `${scope}:x*`)).toMatchObject({ code: 1 })
    const listed = JSON.parse((await site.run('ls', dataset, '--json')).out) as { did: string; bytes: number }[]
    expect(listed.map(({ did, bytes }) => [did, bytes])).toEqual(
      Object.entries(files)
        .map(([name, bytes]) => [`${scope}:${name}`, bytes.length])
        .sort(),
    )
    const names = Object.keys(files)
    for (const name of names) {
      const recipe = (await site.run('where', `${scope}:${name}`, '--recipe')).out
      const said = execFileSync('bash', ['-e', '-c', recipe], { cwd: dest, encoding: 'utf8' })
      expect(recipe).toContain(`# has to be ${said.trim()}`)
      expect(readFileSync(join(dest, name.slice(name.lastIndexOf('/') + 1))).equals(files[name]!)).toBe(true)
    }
  })

  test('manifests are taken by the tools that check them', async () => {
    expect(await get(dataset, dest)).toMatchObject({ code: 0 })
    for (const [format, tool] of [
      ['md5sum', 'md5sum'],
      ['sha256sum', 'sha256sum'],
    ] as const) {
      const { code, out } = await site.run('manifest', dataset, '--format', format)
      expect(code).toBe(0)
      const checked = spawnSync(tool, ['--check', '--strict', '-'], { cwd: dest, input: out, encoding: 'utf8' })
      expect([checked.status, checked.stdout.match(/: OK$/gmu)?.length]).toEqual([0, 5])
    }
    const { out } = await site.run('manifest', dataset, '--format', 'adler32')
    const script = `import sys,zlib
for line in sys.stdin:
    sum, name = line.rstrip('\\n').split('  ', 1)
    assert '%08x' % zlib.adler32(open(name,'rb').read()) == sum, name
print('good')`
    expect(spawnSync('python3', ['-c', script], { cwd: dest, input: out, encoding: 'utf8' }).stdout).toBe('good\n')
    const manifests = JSON.parse((await site.run('manifest', dataset, '--json')).out) as { files: unknown[] }[]
    expect(manifests.flatMap((each) => each.files).length).toBe(5)
    expect((await site.run('manifest', dataset)).out).toContain('generation 1')
    expect(await site.run('manifest', dataset, '--format', 'crc')).toMatchObject({ code: 2 })
  })
})

/** The name of the part that a `get` leaves which is ended in the middle of the file. */
async function partName(site: Site, dest: string): Promise<string> {
  const before = readFileSync(join(dest, 'night/a.fits'))
  rmSync(join(dest, 'night/a.fits'))
  // A file system that takes no more than this is full in the middle of the file.
  const ran = await site.runUnder(['prlimit', '--fsize=1500000'], 'get', `${scope}:night/a.fits`, dest)
  const [part] = readdirSync(join(dest, 'night'))
  expect({ code: ran.code, before: before.length, there: existsSync(join(dest, 'night', part!)) }).toEqual({
    ...{ code: 3, before: 3_000_000, there: true },
  })
  expect(part).toMatch(/^\.[0-9a-f]{32}\.tape-rse\.part$/u)
  return join(dest, 'night', part!)
}
