import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectSources, openSource } from './files.ts'

const unheard = () => undefined

describe('openSource()', () => {
  let base: string
  let root: string
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'sources-'))
    root = join(base, 'root')
    mkdirSync(join(root, 'sub'), { recursive: true })
    mkdirSync(join(base, 'elsewhere'))
    writeFileSync(join(root, 'sub', 'file'), 'content')
    writeFileSync(join(base, 'elsewhere', 'file'), 'secret')
  })
  afterEach(() => {
    chmodSync(join(root, 'sub', 'file'), 0o644)
    rmSync(base, { recursive: true })
  })
  const inRoot = (...path: string[]) => join(root, ...path)
  const openFds = () => readdirSync('/proc/self/fd').length
  const refused = (code: string, path: string) => {
    const before = openFds()
    expect(() => openSource(root)(path)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(path) }),
    )
    expect(openFds()).toBe(before)
  }

  test('reads a file to its end, in as many reads as it takes', () => {
    const file = openSource(root)(inRoot('sub', 'file'))
    const buffer = Buffer.alloc(4)
    const reads = [file.read(buffer), file.read(buffer), file.read(buffer)]
    file.close()
    expect(reads).toEqual([4, 3, 0])
  })

  test('refuses what is missing', () => {
    refused('SOURCE_MISSING', inRoot('sub', 'nope'))
    refused('SOURCE_MISSING', inRoot('sub', 'file', 'below'))
  })

  test('refuses a link, though it leads to a file below the root', () => {
    symlinkSync(inRoot('sub', 'file'), inRoot('link'))
    refused('SOURCE_NOT_REGULAR', inRoot('link'))
  })

  test('refuses a file whose directory is a link out of the root, but not one that stays below it', () => {
    symlinkSync(join(base, 'elsewhere'), inRoot('out'))
    symlinkSync(inRoot('sub'), inRoot('in'))
    refused('SOURCE_OUTSIDE_ROOT', inRoot('out', 'file'))
    openSource(root)(inRoot('in', 'file')).close()
  })

  test('refuses a root’s neighbour whose name begins like it', () => {
    mkdirSync(`${root}-old`)
    writeFileSync(join(`${root}-old`, 'file'), '')
    refused('SOURCE_OUTSIDE_ROOT', join(`${root}-old`, 'file'))
  })

  test('takes a root that is itself reached by a link', () => {
    symlinkSync(root, join(base, 'mnt'))
    openSource(join(base, 'mnt'))(join(base, 'mnt', 'sub', 'file')).close()
  })

  test('refuses a directory and a FIFO, without waiting for a writer', () => {
    execFileSync('mkfifo', [inRoot('fifo')])
    refused('SOURCE_NOT_REGULAR', inRoot('sub'))
    refused('SOURCE_NOT_REGULAR', inRoot('fifo'))
  })

  test('refuses what may not be read', () => {
    const path = inRoot('sub', 'file')
    chmodSync(path, 0)
    if (process.getuid?.() !== 0) {
      refused('SOURCE_UNREADABLE', path)
      return
    }
    // Root may read anything: another user has to try.
    chmodSync(base, 0o755)
    const script = `
      const { openSource } = await import(${JSON.stringify(new URL('./files.ts', import.meta.url).href)})
      try { openSource(${JSON.stringify(root)})(${JSON.stringify(path)}) } catch (error) { console.log(error.code, error.message) }`
    const said = execFileSync(
      process.execPath,
      ['--input-type=module', '-e', `process.setgid(65534); process.setuid(65534);${script}`],
      { encoding: 'utf8' },
    )
    expect(said).toMatch(new RegExp(`SOURCE_UNREADABLE .*${path}.*EACCES`, 'u'))
  })

  test.each([
    ['truncated', (path: string) => truncateSync(path, 3)],
    ['grown', (path: string) => appendFileSync(path, 'more')],
    ['rewritten with as many bytes', (path: string) => writeFileSync(path, 'CONTENT')],
    [
      'rewritten, and its time set back',
      (path: string) => {
        writeFileSync(path, 'CONTENT')
        utimesSync(path, 1, 1)
      },
    ],
  ])('tells at close() that a file was %s', (_, change) => {
    const path = inRoot('sub', 'file')
    utimesSync(path, 1, 1)
    const file = openSource(root)(path)
    change(path)
    const before = openFds()
    expect(() => file.close()).toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED' }))
    expect(openFds()).toBe(before - 1)
  })

  test('says that the root is not there', () => {
    expect(() => openSource(join(base, 'nope'))).toThrow(expect.objectContaining({ code: 'SOURCE_NOT_MOUNTED' }))
  })

  test('inspectSources() counts what would be a very long list', () => {
    const files = Array.from({ length: 60 }, (_, index) => ({ path: inRoot(`nope${index}`), bytes: 1 }))
    expect(inspectSources(root, files, unheard)).toHaveLength(51)
    expect(inspectSources(root, files, unheard).at(-1)!.message).toContain('10 more')
  })

  test('inspectSources() lists everything that is wrong, and reads nothing', () => {
    symlinkSync(inRoot('sub', 'file'), inRoot('link'))
    const files = ['sub/file', 'sub/nope', 'link', 'sub'].map((name) => ({ path: inRoot(name), bytes: 8 }))
    expect(inspectSources(root, files, unheard).map(({ code }) => code)).toEqual([
      'SOURCE_SIZE',
      'SOURCE_MISSING',
      'SOURCE_NOT_REGULAR',
      'SOURCE_NOT_REGULAR',
    ])
    expect(inspectSources(root, [{ path: inRoot('sub', 'file'), bytes: 7 }], unheard)).toEqual([])
  })
})
