import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { testUnless } from './skip.ts'
import { has, makeZip, type Made } from './zips.ts'

/** Other people's programs read our zips: whole, by directory, and streamed. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()
const small = makeZip(new Map([['inner', content('inner', 5000)]]))

const files = new Map<string, Buffer>([
  ['Dataset/LSSTCam/MC_O_1_dimensions.yaml', content('yaml', 180)],
  ['Dataset/LSSTCam/large.fits', content('large', 3 * 2 ** 20 + 17)],
  ['a zip in the zip.zip', readFileSync(small.zip)],
  ['empty', Buffer.alloc(0)],
  ['träge/望遠鏡.txt', content('names', 999)],
  ['w_2026+01/~a.b-c_d', content('plus', 4096)],
  [`long/${'n'.repeat(200)}`, content('long', 77)],
])

const python = `
import sys, zipfile, hashlib, json
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps({i.filename: [i.file_size, hashlib.md5(z.read(i)).hexdigest(), i.compress_type, list(i.date_time)] for i in z.infolist()}))
`
const java = `
import java.util.zip.*; import java.io.*;
public class Read { public static void main(String[] a) throws Exception {
  try (ZipFile z = new ZipFile(a[0])) {
    for (var e = z.entries(); e.hasMoreElements();) { var x = e.nextElement(); var c = new CRC32(); c.update(z.getInputStream(x).readAllBytes());
      if (c.getValue() != x.getCrc()) throw new IOException(x.getName()); System.out.println(x.getName()); } } } }
`

describe('a zip of ours', () => {
  let made: Made
  beforeAll(() => {
    made = makeZip(files)
  })
  afterAll(() => {
    made.dispose()
    small.dispose()
  })
  const names = () => ['.tape-rse/manifest.json', ...files.keys()]
  const run = (command: string, args: readonly string[], input?: Buffer) =>
    execFileSync(command, args, {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(input !== undefined && { input }),
    })

  /** Everything was unpacked below a directory, with the right bytes. */
  function expectUnpacked(directory: string): void {
    for (const [name, bytes] of files) expect(readFileSync(join(directory, name)).equals(bytes)).toBe(true)
  }
  const into = (name: string) => {
    const directory = join(made.directory, name)
    mkdirSync(directory)
    return directory
  }

  test('is read by Python: names, sizes, content, times', () => {
    const read = JSON.parse(run('python3', ['-c', python, made.zip])) as Record<
      string,
      [number, string, number, number[]]
    >
    expect(Object.keys(read)).toEqual(names())
    for (const [name, bytes] of files) {
      expect(read[name]).toEqual([
        bytes.length,
        createHash('md5').update(bytes).digest('hex'),
        0,
        [2026, 1, 2, 3, 4, 6],
      ])
    }
  })

  test('has an inner zip that is whole as well', () => {
    const inner = join(made.directory, 'inner.zip')
    writeFileSync(
      inner,
      run2('python3', [
        '-c',
        'import sys,zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("a zip in the zip.zip"))',
        made.zip,
      ]),
    )
    expect(Object.keys(JSON.parse(run('python3', ['-c', python, inner])) as object)).toEqual([
      '.tape-rse/manifest.json',
      'inner',
    ])
  })
  const run2 = (command: string, args: readonly string[]) => execFileSync(command, args)

  const withTool = (tool: string) => testUnless(has(tool) ? null : 'it is not installed', tool)

  withTool('unzip')('is tested and unpacked by unzip', () => {
    expect(run('unzip', ['-tqq', made.zip])).toBe('')
    run('unzip', ['-q', made.zip, '-d', into('unzip')])
    expectUnpacked(join(made.directory, 'unzip'))
  })

  withTool('7z')('is tested and unpacked by 7z', () => {
    expect(run('7z', ['t', made.zip])).toContain('Everything is Ok')
    run('7z', ['x', `-o${into('7z')}`, made.zip])
    expectUnpacked(join(made.directory, '7z'))
  })

  withTool('bsdtar')('is unpacked by bsdtar, from a file and from a pipe', () => {
    run('bsdtar', ['-xf', made.zip, '-C', into('file')])
    expectUnpacked(join(made.directory, 'file'))
    run('bsdtar', ['-xf', '-', '-C', into('pipe')], readFileSync(made.zip))
    expectUnpacked(join(made.directory, 'pipe'))
  })

  withTool('ziptool')('passes libzip’s consistency check', () => {
    expect(run('ziptool', ['-c', made.zip, 'get_num_entries', '0'])).toContain(String(files.size + 1))
  })

  withTool('java')(
    'is read by Java’s ZipFile',
    () => {
      const source = join(made.directory, 'Read.java')
      writeFileSync(source, java)
      expect(
        run('java', [
          '-Dfile.encoding=UTF-8',
          '-Dsun.stdout.encoding=UTF-8',
          '-Dstdout.encoding=UTF-8',
          source,
          made.zip,
        ])
          .trim()
          .split('\n'),
      ).toEqual(names())
    },
    180_000,
  )
})

describe.each([65_534, 65_535, 65_536, 70_000])('a zip of %i files and the manifest', (count) => {
  test('is read by Python and others', () => {
    const many = new Map(
      Array.from({ length: count }, (_, index) => [`d${index % 100}/${index}`, Buffer.from(String(index))]),
    )
    const made = makeZip(many)
    try {
      const check = `import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(len(z.namelist()))`
      expect(execFileSync('python3', ['-c', check, made.zip], { encoding: 'utf8' }).trim()).toBe(String(count + 1))
      if (has('unzip')) execFileSync('unzip', ['-tqq', made.zip])
      if (has('ziptool')) execFileSync('ziptool', ['-c', made.zip, 'get_num_entries', '0'])
    } finally {
      made.dispose()
    }
  }, 180_000)
})
