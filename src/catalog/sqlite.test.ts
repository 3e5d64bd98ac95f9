import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { catalogContract } from './contract.ts'
import { lockCatalog } from './lock.ts'
import { openCatalog, readCatalog } from './sqlite.ts'

const options = (file: string) => ({ file, newId: () => 'the-id', now: () => new Date(0), onNetworkFilesystem: false })

catalogContract('SQLite in memory', () => openCatalog(options(':memory:')))

describe('a catalog file', () => {
  let directory: string
  let file: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'catalog-'))
    file = join(directory, 'catalog.db')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('keeps its id and what was committed', async () => {
    const catalog = await openCatalog(options(file))
    await catalog.rememberVault('/hpss', new Date(0))
    await catalog.close()
    const again = await openCatalog({ ...options(file), newId: () => 'another' })
    expect(again.id).toBe('the-id')
    expect(await again.knowsVault('/hpss')).toBe(true)
    await again.close()
  })

  test('is written so that a power cut loses nothing that was committed', async () => {
    const catalog = await openCatalog(options(file))
    const sqlite = new DatabaseSync(file)
    expect(sqlite.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    sqlite.close()
    await catalog.close()
  })

  test('can be read beside its agent', async () => {
    const catalog = await openCatalog(options(file))
    const reader = await readCatalog(file)
    await catalog.missed('p', 'raw', { code: 'SCOPE_UNKNOWN', message: 'm', hint: 'h' }, new Date(0))
    expect((await reader.summary(new Date())).pipelines).toHaveLength(1)
    await reader.close()
    await catalog.close()
  })

  test('that does not exist is not made by a reader', async () => {
    await expect(readCatalog(file)).rejects.toMatchObject({ code: 'CATALOG_UNUSABLE' })
    expect(existsSync(file)).toBe(false)
  })

  test.each([
    ['no SQLite file', () => writeFileSync(file, 'x'.repeat(5000))],
    ['a database of another program', () => new DatabaseSync(file).exec('CREATE TABLE theirs (x)')],
  ])('that is %s is refused, and left as it is', async (_, make) => {
    make()
    await expect(openCatalog(options(file))).rejects.toMatchObject({ code: 'CATALOG_UNUSABLE' })
    expect(execFileSync('sh', ['-c', `ls ${directory}`], { encoding: 'utf8' })).not.toContain('kysely')
  })

  test('that a newer version wrote is refused', async () => {
    await (await openCatalog(options(file))).close()
    const sqlite = new DatabaseSync(file)
    sqlite.exec(`INSERT INTO kysely_migration VALUES ('9999', '2030-01-01')`)
    sqlite.close()
    await expect(openCatalog(options(file))).rejects.toThrow(/newer version/u)
    await expect(readCatalog(file)).rejects.toThrow(/newer version/u)
  })

  test('in a directory that does not exist is refused with what to do', async () => {
    await expect(openCatalog(options(join(directory, 'nope', 'c.db')))).rejects.toMatchObject({
      code: 'CATALOG_UNUSABLE',
      hint: expect.stringContaining('local disk'),
    })
  })

  describe('lockCatalog()', () => {
    test('lets one agent in at a time', () => {
      const unlock = lockCatalog(file)
      expect(() => lockCatalog(file)).toThrow(expect.objectContaining({ code: 'CATALOG_LOCKED' }))
      unlock()
      lockCatalog(file)()
    })

    test('lets one agent in, by whatever name the catalog is called', async () => {
      await (await openCatalog(options(file))).close()
      symlinkSync(file, join(directory, 'link.db'))
      const unlock = lockCatalog(join(directory, 'link.db'))
      expect(() => lockCatalog(file)).toThrow(expect.objectContaining({ code: 'CATALOG_LOCKED' }))
      unlock()
    })

    test('is held against another process, and free as soon as its holder is killed', () => {
      const script = `
        const { DatabaseSync } = require('node:sqlite')
        const lock = new DatabaseSync(process.argv[1], { timeout: 0 })
        lock.exec('BEGIN EXCLUSIVE')
        process.kill(process.pid, 'SIGKILL')`
      const unlock = lockCatalog(file)
      const run = () =>
        execFileSync(process.execPath, ['--no-warnings', '-e', script, `${file}.lock`], { stdio: 'pipe' })
      expect(run).toThrow(/locked/u)
      unlock()
      expect(run).toThrow(expect.objectContaining({ signal: 'SIGKILL' }))
      lockCatalog(file)()
    })
  })
})
