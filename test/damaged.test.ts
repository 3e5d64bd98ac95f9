import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { damaged } from './fixtures/damaged/make.ts'
import { runCommand } from './site.ts'

/** Zips that lie: the built command refuses each by its own error, and writes nothing but what is right. */

const fixtures = join(import.meta.dirname, 'fixtures', 'damaged')
const names = readdirSync(fixtures)
  .filter((name) => name.endsWith('.zip'))
  .map((name) => name.slice(0, -4))

test('the zips are those that the script beside them makes', () => {
  expect(names.sort()).toEqual(Object.keys(damaged).sort())
  for (const [name, bytes] of Object.entries(damaged))
    expect([name, readFileSync(join(fixtures, `${name}.zip`)).equals(bytes)]).toEqual([name, true])
})

describe('a zip that lies', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'damaged-'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  const below = (path: string): readonly string[] =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))

  test.each(names)('%s', async (name) => {
    const around = mkdtempSync(join(directory, 'around-'))
    const dest = join(around, 'dest')
    mkdirSync(dest)
    const ran = await runCommand(['get', '--from', join(fixtures, `${name}.zip`), dest, '--json'])
    const code = name.replace(/\..*/u, '')
    if (code === 'OBJECT_MISMATCH') {
      expect(ran.code).toBe(10)
      expect((JSON.parse(ran.out) as { undelivered: unknown }).undelivered).toMatchObject([
        { name: 'a.txt', outcome: 'mismatch' },
      ])
      expect(below(around)).toEqual(['dest/b.txt'])
      return
    }
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining(`"code":"${code}"`)])
    expect(below(around)).toEqual([])
  })
})
