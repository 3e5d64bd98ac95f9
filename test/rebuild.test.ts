import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { describeWithRucio } from './with-rucio.ts'
import { makeSite, type Site } from './site.ts'

/** A catalog that is lost, and made again from nothing but the objects; on a real Rucio, with the disk copies gone. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

interface Rebuilt {
  readonly datasets: number
  readonly objects: number
  readonly files: number
  readonly superseded: readonly { readonly did: string; readonly generation: number; readonly why: string }[]
  readonly left: readonly { readonly path: string; readonly why: string }[]
}

describeWithRucio('a catalog that was lost', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site
  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `r${randomBytes(5).toString('hex')}`
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
  const seed = (name: string, tag: string | null = 'TAPE:need') => {
    const files = Object.entries(filesOf(name)).map(([file, bytes]) => ({ name: file, content: bytes }))
    return seedDataset(bed, { scope, name, files, closed: true, tag })
  }
  const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']
  const lose = () => {
    for (const file of readdirSync(site.directory).filter((each) => each.startsWith('catalog.db')))
      rmSync(join(site.directory, file), { recursive: true })
  }
  async function rebuild(code: number, ...more: string[]): Promise<Rebuilt> {
    const ran = await site.run('rebuild', '--json', ...more)
    expect({ code: ran.code, err: ran.err }).toEqual({ code, err: '' })
    return (JSON.parse(ran.out) as Rebuilt[])[0]!
  }
  const inodes = () => site.objects().map((path) => [path, statSync(join(site.vault, path)).ino])
  const states = async () =>
    (JSON.parse((await site.run('list', '--json')).out) as { did: string; generation: number; state: string }[])
      .map(({ did, generation, state }) => `${did.slice(scope.length + 1)} g${generation} ${state}`)
      .sort()
  async function archive(...names: string[]): Promise<void> {
    for (const name of names) await seed(name)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    for (const name of names) {
      expect(await tagOf(name)).toBe('TAPE:done')
      for (const file of Object.keys(filesOf(name))) rmSync(join(bed.disk, scope, file))
    }
  }
  async function expectFiles(name: string): Promise<void> {
    const dest = join(site.directory, `dest-${name}`)
    expect(await site.run('get', `${scope}:${name}`, dest)).toMatchObject({ code: 0 })
    for (const [file, bytes] of Object.entries(filesOf(name)))
      expect(readFileSync(join(dest, file)).equals(bytes)).toBe(true)
    rmSync(dest, { recursive: true })
  }

  test('is made again from the vault; all is proven anew, nothing is written again, and what was done stays done', async () => {
    await archive('x', 'y/z')
    const before = inodes()
    expect(before.length).toBe(4)
    lose()
    expect(await rebuild(0)).toMatchObject({ datasets: 2, objects: 4, files: 6, superseded: [], left: [] })
    expect(await states()).toEqual(['x g1 frozen', 'y/z g1 frozen'])
    await expectFiles('x') // at once, though it is not proven again
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await states()).toEqual(['x g1 acknowledged', 'y/z g1 acknowledged'])
    expect(inodes()).toEqual(before)
    expect([await tagOf('x'), await tagOf('y/z')]).toEqual(['TAPE:done', 'TAPE:done'])
    await expectFiles('y/z')
    // And it goes on as before: what is asked for again is looked at, and told again.
    await datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'TAPE:need' })
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await tagOf('x')).toBe('TAPE:done')
    expect(inodes()).toEqual(before)
  })

  test('is the same, but for its times, as the one that was lost', async () => {
    await archive('x')
    const facts = async () => {
      const manifests = (await site.run('manifest', `${scope}:x`, '--json')).out
      const files = (await site.run('ls', `${scope}:x`, '--json')).out
      return { manifests, files }
    }
    const before = await facts()
    lose()
    await rebuild(0, '--deep')
    expect(await facts()).toEqual(before)
  })

  test('what still says need is proven, and then told', async () => {
    await archive('x')
    await datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'TAPE:need' })
    lose()
    await rebuild(0)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect([await tagOf('x'), await states()]).toEqual(['TAPE:done', ['x g1 acknowledged']])
  })

  test('damage that manifests and directories do not show is found before anything is told', async () => {
    await archive('x', 'y')
    const flip = (path: string, at: number) => {
      const fd = openSync(path, 'r+')
      writeSync(fd, Buffer.from([0xff, 0x00, 0xff]), 0, 3, at)
    }
    flip(join(site.vault, scope, 'x', 'x.g1.1-2.zip'), 900_000)
    lose()
    const deep = await rebuild(3, '--deep')
    expect(deep.left).toEqual([
      { path: `${scope}/x/x.g1.1-2.zip`, why: expect.stringMatching(/^damaged: data of member "x\/a\.fits"/u) },
    ])
    expect(deep.superseded).toEqual([{ did: `${scope}:x`, generation: 1, why: 'of 2 objects, 1 are not there: 1' }])
    lose()
    expect(await rebuild(0)).toMatchObject({ datasets: 2 })
    expect(await site.run('run', '--once')).toMatchObject({ code: 3 }) // its disk copies are gone, so it cannot be packed again
    expect(await states()).toEqual(['x g1 frozen', 'y g1 acknowledged'])
  })

  test('what is damaged, foreign, misplaced or in part is listed and left alone; the rest is made again', async () => {
    await archive('whole', 'cut', 'gone', 'moved')
    const at = (...path: string[]) => join(site.vault, scope, ...path)
    truncateSync(at('cut', 'cut.g1.1-2.zip'), 500_000)
    rmSync(at('gone', 'gone.g1.2-2.zip'))
    mkdirSync(at('elsewhere'))
    renameSync(at('moved', 'moved.g1.1-2.zip'), at('elsewhere', 'moved.g1.1-2.zip'))
    appendFileSync(at('moved', 'moved.g1.2-2.zip'), 'x')
    writeFileSync(at('whole', 'notes.txt'), 'mine')
    writeFileSync(at('whole', 'empty.zip'), '')
    execFileSync('python3', ['-c', `import zipfile; zipfile.ZipFile('${at('other.zip')}','w').writestr('a','b')`])
    symlinkSync('/etc/passwd', at('whole', 'whole.g1.3-3.zip'))
    writeFileSync(at('whole', '.whole.g1.1-2.zip.7.part'), 'left by a crash')
    copyFileSync(at('whole', 'whole.g1.1-2.zip'), at('whole', 'whole.g2.1-2.zip'))
    lose()
    const { left, superseded, ...counts } = await rebuild(3)
    const why = (path: string) => left.find((each) => each.path === `${scope}/${path}`)?.why
    expect(counts).toMatchObject({ datasets: 1, objects: 2, files: 3 })
    expect(Object.fromEntries(superseded.map((each) => [each.did.slice(scope.length + 1), each.why]))).toEqual({
      cut: 'of 2 objects, 1 are not there: 1',
      gone: 'of 2 objects, 1 are not there: 2',
    })
    expect(why('cut/cut.g1.1-2.zip')).toMatch(/^damaged: its size is 500000/u)
    expect(why('elsewhere/moved.g1.1-2.zip')).toMatch(/^not where it belongs/u)
    expect(why('moved/moved.g1.2-2.zip')).toMatch(/^damaged: its size is/u)
    expect(why('whole/notes.txt')).toMatch(/^not an object of tape-rse/u)
    expect(why('whole/empty.zip')).toMatch(/^not an object of tape-rse: it is not a zip/u)
    expect(why('other.zip')).toMatch(/^not an object of tape-rse: it does not begin with/u)
    expect(why('whole/whole.g1.3-3.zip')).toBe('a link or a device')
    expect(why('whole/whole.g2.1-2.zip')).toMatch(/^not where it belongs/u)
    expect(left.length).toBe(8)
    await site.run('run', '--once')
    expect(await states()).toContain('whole g1 acknowledged')
    expect(existsSync(at('whole', '.whole.g1.1-2.zip.7.part'))).toBe(false)
    await expectFiles('whole')
  })

  test('of two generations the newer goes on; the older is known', async () => {
    await archive('x')
    rmSync(dirname(join(site.vault, site.objects()[0]!)), { recursive: true })
    for (const [file, bytes] of Object.entries(filesOf('x'))) writeFileSync(join(bed.disk, scope, file), bytes)
    await datasets(root).tag({ scope, name: 'x' }, { arcBackup: 'TAPE:need' })
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(site.objects()).toEqual([`${scope}/x/x.g2.1-2.zip`, `${scope}/x/x.g2.2-2.zip`])
    lose()
    expect(await rebuild(0)).toMatchObject({ datasets: 1 })
    expect(await states()).toEqual(['x g2 frozen'])
  })

  test('is never made over another, nor for vaults of another catalog or without a marker', async () => {
    await archive('x')
    expect(await site.run('rebuild')).toMatchObject({ code: 6, err: expect.stringContaining('is there') as never })
    const marker = join(site.vault, '.tape-rse.json')
    lose()
    const text = readFileSync(marker, 'utf8')
    rmSync(marker)
    expect(await site.run('rebuild')).toMatchObject({ code: 6, err: expect.stringContaining('no marker') as never })
    writeFileSync(marker, text.replace(/"catalog":"[^"]+"/u, '"catalog":"another"'))
    const { left, datasets: count } = await rebuild(3)
    expect([count, left.map(({ why }) => why.replace(/: .*/u, ''))]).toEqual([
      0,
      ['of another catalog', 'of another catalog'],
    ])
  })

  test('nothing is left of a rebuild that is stopped, and an agent never works with half of one', async () => {
    await archive('x')
    lose()
    const { child, ended } = site.start('rebuild')
    child.kill('SIGKILL')
    await ended
    expect(existsSync(site.catalog)).toBe(false)
    expect(await rebuild(0)).toMatchObject({ datasets: 1 })
    expect(readdirSync(site.directory).filter((name) => name.includes('rebuilding'))).toEqual([])
  })

  test('of a dataset that was closed again without a change', async () => {
    await archive('x')
    await datasets(root).open({ scope, name: 'x' })
    await datasets(root).close({ scope, name: 'x' })
    lose()
    await rebuild(0)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect([await tagOf('x'), await states()]).toEqual(['TAPE:done', ['x g1 acknowledged']])
  })

  test('of a dataset that was reopened since: its tag is left to people', async () => {
    await archive('x')
    await datasets(root).open({ scope, name: 'x' })
    lose()
    await rebuild(0)
    const ran = await site.run('run', '--once')
    expect(ran.err).toContain('says done, and is not what the vault has of it')
    expect([await tagOf('x'), await states()]).toEqual(['TAPE:done', ['x g1 withdrawn']])
    await expectFiles('x')
  })
})
