import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { adler32, hex32 } from '../src/io/adler32.ts'
import { manifestText } from '../src/model/manifest.ts'
import { runCommand, type Ran } from './site.ts'
import { testUnless } from './skip.ts'
import { has, makeZip } from './zips.ts'

/** Getting files back without a catalog, without a config, and out of other people's zips. */

const files = {
  'night/a.fits': Buffer.alloc(1_500_000, 'abc'),
  'night/b.txt': Buffer.from('a short one\n'),
  'night/empty': Buffer.alloc(0),
  'ünï/c d.txt': Buffer.from('with a name of its own\n'),
}
type Files = Readonly<Record<string, Buffer>>

let directory: string
let dest: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'from-'))
})
afterAll(() => rmSync(directory, { recursive: true }))
beforeEach(() => {
  dest = mkdtempSync(join(directory, 'dest-'))
})

const below = (path: string): Files =>
  Object.fromEntries(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(path.length + 1), readFileSync(file)]),
  )
const pickFrom = (from: Files, ...names: string[]) => Object.fromEntries(names.map((name) => [name, from[name]!]))
const get = (...args: string[]): Promise<Ran> => runCommand(['get', '--from', ...args])

interface Part {
  readonly generation?: number
  readonly part?: number
  readonly parts?: number
  readonly name?: string
}

/** An object of ours, as an agent writes it, under a name in a directory of its dataset. */
function makeObject(
  at: string,
  content: Files,
  { generation = 1, part = 1, parts = 1, name = 'd' }: Part = {},
): string {
  const entries = Object.entries(content).map(([file, bytes]) => ({
    ...{ did: { scope: 's', name: file }, bytes: bytes.length, adler32: hex32(adler32(bytes)), md5: null },
    ...{ pfn: `file:///disk/${file}`, path: '' },
  }))
  const manifest = manifestText({
    ...{ catalog: 'gone', did: { scope: 's', name }, generation, part, parts, entries },
    ...{ closedAt: new Date(1_767_323_046_000), source: 'DISK', metadata: {} },
  })
  const made = makeZip(new Map(Object.entries(content)), [], directory, manifest)
  mkdirSync(dirname(at), { recursive: true })
  copyFileSync(made.zip, at)
  made.dispose()
  return at
}

describe('get --from, of an object of tape-rse', () => {
  test('gives all of it back, or what is named, checked by its manifest', async () => {
    const zip = makeObject(join(directory, 'one/d.zip'), files)
    expect(await get(zip, dest)).toMatchObject({ code: 0, out: '4 files delivered.\n' })
    expect(below(dest)).toEqual(files)
    rmSync(dest, { recursive: true })
    expect(await get(zip, dest, '--file', '*.txt')).toMatchObject({ code: 0 })
    expect(below(dest)).toEqual(pickFrom(files, 'night/b.txt', 'ünï/c d.txt'))
    expect(await get(zip, dest, '--file', 'nope')).toMatchObject({
      code: 1,
      err: expect.stringContaining('Cannot find nope') as never,
    })
    expect(await get(zip, '--to-stdout', '--file', 'night/b.txt')).toMatchObject({ code: 0, out: 'a short one\n' })
    expect(await get(zip, '--to-stdout')).toMatchObject({ code: 2 })
  })

  test('by a link to it, and by a path relative to where one is', async () => {
    const zip = makeObject(join(directory, 'linked/d.zip'), files)
    symlinkSync(zip, join(directory, 'link'))
    expect(await get(join(directory, 'link'), dest)).toMatchObject({ code: 0 })
    expect(below(dest)).toEqual(files)
  })

  test('whose directory is gone still gives back what is whole', async () => {
    const zip = makeObject(join(directory, 'cut/d.zip'), files)
    const bytes = readFileSync(zip)
    truncateSync(zip, bytes.indexOf('night/empty', bytes.indexOf('a short one')) - 10)
    const { code, out } = await get(zip, dest)
    expect([code, out]).toEqual([10, expect.stringMatching(/not delivered: night\/empty[^]*2 files delivered, 2 not/u)])
    expect(below(dest)).toEqual(pickFrom(files, 'night/a.fits', 'night/b.txt'))
  })

  test('with a damaged file: the bad bytes never under the good name, the rest delivered', async () => {
    const zip = makeObject(join(directory, 'bad/d.zip'), files)
    const bytes = readFileSync(zip)
    bytes[bytes.indexOf('a short one')]! ^= 1
    writeFileSync(zip, bytes)
    expect(await get(zip, dest)).toMatchObject({ code: 10 })
    expect(below(dest)).toEqual(pickFrom(files, 'night/a.fits', 'night/empty', 'ünï/c d.txt'))
  })

  test('with a damaged manifest is unpacked as any zip, and that is said', async () => {
    const zip = makeObject(join(directory, 'manifest/d.zip'), files)
    const bytes = readFileSync(zip)
    bytes[bytes.indexOf('"generation"')]! ^= 1
    writeFileSync(zip, bytes)
    const { code, out } = await get(zip, dest)
    expect([code, out]).toEqual([10, expect.stringMatching(/manifest\.json[^]*4 files delivered[^]*CRCs of the zip/u)])
    expect(below(dest)).toEqual(files)
  })
})

describe('get --from, of the directory of a dataset', () => {
  const [first, second] = [
    pickFrom(files, 'night/a.fits', 'night/b.txt'),
    pickFrom(files, 'night/empty', 'ünï/c d.txt'),
  ]

  test('takes the parts of the newest generation, and of an older one on request', async () => {
    const of = join(directory, 'dataset')
    makeObject(join(of, 'd.1-of-2.zip'), first, { part: 1, parts: 2, generation: 2 })
    makeObject(join(of, 'd.2-of-2.zip'), second, { part: 2, parts: 2, generation: 2 })
    makeObject(join(of, 'd.old.zip'), { 'old.txt': Buffer.from('old') })
    makeObject(join(of, 'nested', 'e.zip'), { 'other.txt': Buffer.from('of another dataset') }, { name: 'd/nested' })
    writeFileSync(join(of, '.d.zip.1.part'), 'not finished')
    expect(await get(of, dest)).toMatchObject({ code: 0, out: '4 files delivered.\n' })
    expect(below(dest)).toEqual(files)
    expect(await get(of, dest, '--generation', '1')).toMatchObject({ code: 0, out: '1 file delivered.\n' })
  })

  test('says which parts are not there, and delivers the others', async () => {
    const of = join(directory, 'parts')
    makeObject(join(of, 'd.2-of-2.zip'), second, { part: 2, parts: 2 })
    const { code, out } = await get(of, dest)
    expect([code, out]).toEqual([3, expect.stringContaining('part 1 of 2: no object there')])
    expect(below(dest)).toEqual(second)
    expect(await get(of, dest, '--file', 'night/empty')).toMatchObject({ code: 0 })
    expect(await get(of, dest, '--file', 'night/a.fits')).toMatchObject({ code: 3 })
  })

  test('never takes an older generation for the newest because that cannot be read', async () => {
    const of = join(directory, 'older')
    makeObject(join(of, 'd.g1.1-1.zip'), first)
    const newer = makeObject(join(of, 'd.g2.1-1.zip'), second, { generation: 2 })
    const bytes = readFileSync(newer)
    bytes[bytes.indexOf('"generation"')]! ^= 1
    writeFileSync(newer, bytes)
    const { code, out } = await get(of, dest)
    expect([code, out]).toEqual([10, expect.stringContaining('d.g2.1-1.zip: what it holds is not known')])
    expect(await get(of, dest, '--generation', '1')).toMatchObject({ code: 0 })
  })

  test('of several datasets, or of none, is refused', async () => {
    const of = join(directory, 'several')
    makeObject(join(of, 'd.zip'), first)
    makeObject(join(of, 'e.zip'), second, { name: 'e' })
    expect(await get(of, dest)).toMatchObject({ code: 2, err: expect.stringContaining('s:d, s:e') as never })
    mkdirSync(join(directory, 'none'))
    expect(await get(join(directory, 'none'), dest)).toMatchObject({ code: 1 })
    expect(await get(join(directory, 'not there'), dest)).toMatchObject({ code: 1 })
    expect(below(dest)).toEqual({})
  })
})

describe('get --from, of a zip that was made by', () => {
  const makers: Readonly<Record<string, (zip: string) => readonly [string, ...string[]]>> = {
    zip: (zip) => ['zip', '-qr', zip, '.'],
    'zip, to a pipe': (zip) => ['sh', '-c', 'zip -qr - . | cat > "$0"', zip],
    'zip, stored': (zip) => ['zip', '-qr0', zip, '.'],
    '7z': (zip) => ['7z', 'a', '-bd', '-y', zip, '.'],
    bsdtar: (zip) => ['bsdtar', '-a', '-cf', zip, ...Object.keys(files)],
    python3: (zip) => ['python3', '-c', python, zip],
  }
  const python = `
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    for at, _, names in os.walk("."):
        for name in names:
            with open(os.path.join(at, name), "rb") as source, z.open(os.path.join(at, name)[2:], "w", force_zip64=True) as member:
                member.write(source.read())
`
  for (const [maker, commandOf] of Object.entries(makers)) {
    const [program] = maker.split(',') as [string]
    testUnless(has(program) ? null : `there is no ${program}`, `getting files out of what ${program} made`)(
      maker,
      async () => {
        const from = mkdtempSync(join(directory, 'source-'))
        for (const [name, bytes] of Object.entries(files)) {
          mkdirSync(join(from, dirname(name)), { recursive: true })
          writeFileSync(join(from, name), bytes)
        }
        const zip = join(directory, `${basename(from)}.zip`)
        const [command, ...args] = commandOf(zip)
        execFileSync(command, args, { cwd: from, stdio: 'pipe' })
        const { code, out } = await get(zip, dest)
        expect([code, out]).toEqual([0, expect.stringContaining('4 files delivered.\n')])
        expect(below(dest)).toEqual(files)
        expect(await get(zip, dest)).toMatchObject({
          code: 0,
          out: expect.stringContaining('0 files delivered, 4 there already.\n') as never,
        })
        expect(await get(zip, '--to-stdout', '--file', '*b.txt')).toMatchObject({ code: 0, out: 'a short one\n' })
        expect(await get(zip, '--to-stdout')).toMatchObject({ code: 2 })
      },
    )
  }
})
