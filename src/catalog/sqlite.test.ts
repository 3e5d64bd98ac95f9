import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { catalogContract } from './contract.ts'
import { lockCatalog } from './lock.ts'
import { openCatalog, readCatalog } from './sqlite.ts'
import { openQuickly } from './reader.ts'

const options = (file: string) => ({ file, newId: () => 'the-id', now: () => new Date(0), onNetworkFilesystem: false })

catalogContract('SQLite in memory', () => openCatalog(options(':memory:')))

catalogContract('a SQLite file, which is read as `status` and `get` read it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'catalog-'))
  const catalog = await openCatalog(options(join(directory, 'catalog.db')))
  const reader = openQuickly(join(directory, 'catalog.db'))
  return {
    ...catalog,
    ...reader,
    close: async () => {
      reader.close()
      await catalog.close()
      rmSync(directory, { recursive: true })
    },
  }
})

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

  describe.each([
    ['readCatalog()', readCatalog],
    ['openQuickly()', (path: string) => Promise.resolve(path).then(openQuickly)],
  ])('is refused by %s', (_, read) => {
    const changeWith = async (sql: string) => {
      await (await openCatalog(options(file))).close()
      const sqlite = new DatabaseSync(file)
      sqlite.exec(sql)
      sqlite.close()
    }
    test.each<[string, () => unknown]>([
      ['it does not exist yet', () => undefined],
      ['file is not a database', () => writeFileSync(file, 'x'.repeat(5000))],
      ['it is a database of another program', () => new DatabaseSync(file).exec('CREATE TABLE theirs (x)')],
      [
        'a newer version of tape-rse wrote it (9999)',
        () => changeWith(`INSERT INTO kysely_migration VALUES ('9999', '')`),
      ],
      ['an older version of tape-rse wrote it', () => changeWith(`DELETE FROM kysely_migration WHERE name = '0004'`)],
      ['an older version of tape-rse wrote it', () => writeFileSync(file, '')],
    ])('if %s, and left as it is', async (what, make) => {
      await make()
      const before = existsSync(file) ? readFileSync(file) : null
      await expect(read(file)).rejects.toMatchObject({
        code: 'CATALOG_UNUSABLE',
        message: expect.stringContaining(what),
        hint: expect.stringMatching(/./u),
      })
      expect(existsSync(file) ? readFileSync(file) : null).toEqual(before)
    })

    test('if its directory does not exist', async () => {
      const nowhere = join(directory, 'nope', 'c.db')
      await expect(read(nowhere)).rejects.toMatchObject({
        code: 'CATALOG_UNUSABLE',
        message: `Cannot use the catalog ${nowhere}: the directory ${join(directory, 'nope')} does not exist`,
      })
    })
  })

  test('that is damaged is the file’s fault, whoever reads the summary', async () => {
    await (await openCatalog(options(file))).close()
    const sqlite = new DatabaseSync(file)
    const { rootpage } = sqlite.prepare(`SELECT rootpage FROM sqlite_master WHERE name = 'polls'`).get() as {
      rootpage: number
    }
    sqlite.close()
    const [reader, own] = [await readCatalog(file), openQuickly(file)]
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.fill(0xaa, (rootpage - 1) * 4096, rootpage * 4096))
    for (const each of [reader, own])
      await expect(each.summary(new Date())).rejects.toMatchObject({ code: 'CATALOG_FAILED' })
    await reader.close()
    own.close()
  })

  test.each([
    ['no SQLite file', () => writeFileSync(file, 'x'.repeat(5000))],
    ['a database of another program', () => new DatabaseSync(file).exec('CREATE TABLE theirs (x)')],
  ])('that is %s is refused, and left as it is', async (_, make) => {
    make()
    await expect(openCatalog(options(file))).rejects.toMatchObject({ code: 'CATALOG_UNUSABLE' })
    expect(execFileSync('sh', ['-c', `ls ${directory}`], { encoding: 'utf8' })).not.toContain('kysely')
  })

  test('that is damaged is said to be so, with what to do', async () => {
    await (await openCatalog(options(file))).close()
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.fill(0xaa, 4096))
    await expect(openCatalog(options(file))).rejects.toMatchObject({
      code: 'CATALOG_UNUSABLE',
      message: expect.stringMatching(/catalog\.db: .*malformed/u),
      hint: expect.stringContaining('backup'),
    })
  })

  test('that a newer version wrote is refused', async () => {
    await (await openCatalog(options(file))).close()
    const sqlite = new DatabaseSync(file)
    sqlite.exec(`INSERT INTO kysely_migration VALUES ('9999', '2030-01-01')`)
    sqlite.close()
    await expect(openCatalog(options(file))).rejects.toThrow(/newer version/u)
  })

  test('in a directory that does not exist is refused with what to do', async () => {
    await expect(openCatalog(options(join(directory, 'nope', 'c.db')))).rejects.toMatchObject({
      code: 'CATALOG_UNUSABLE',
      hint: expect.stringContaining('local disk'),
    })
  })

  describe('that is no longer the one that was opened', () => {
    const later = new Date(1)
    /** A catalog that knows two vaults, and a backup of it that knows the first. */
    async function opened() {
      const catalog = await openCatalog(options(file))
      await catalog.rememberVault('/first', new Date(0))
      const sqlite = new DatabaseSync(file)
      sqlite.exec(`VACUUM INTO '${file}.backup'`)
      sqlite.close()
      await catalog.rememberVault('/second', new Date(0))
      return catalog
    }
    const vaults = (of: string) => {
      const sqlite = new DatabaseSync(of)
      const rows = sqlite
        .prepare('SELECT root FROM vaults')
        .all()
        .map(({ root }) => root)
      expect(sqlite.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
      sqlite.close()
      return rows
    }
    const unusable = (what: string) => ({
      code: 'CATALOG_UNUSABLE',
      message: expect.stringContaining(what),
      hint: expect.stringMatching(/./u),
    })

    test.each([
      ['removed', () => rmSync(file), 'catalog.db is gone'],
      ['replaced by another', () => renameSync(`${file}.backup`, file), 'catalog.db is another file'],
      ['without its log', () => rmSync(`${file}-wal`), 'catalog.db-wal is gone'],
    ])('is neither written nor read any more, when it was %s', async (_, happen, what) => {
      const catalog = await opened()
      happen()
      await expect(catalog.rememberVault('/third', later)).rejects.toMatchObject(unusable(what))
      await expect(catalog.hold([], null, later)).rejects.toMatchObject(unusable(what))
      await expect(catalog.ready('p', 1, later)).rejects.toMatchObject(unusable(what))
      await catalog.close()
    })

    test('is left as a backup that can be used: nothing of the old one gets into it', async () => {
      const catalog = await opened()
      renameSync(file, `${file}.old`)
      renameSync(`${file}.backup`, file)
      await expect(catalog.rememberVault('/third', later)).rejects.toMatchObject(unusable('another file'))
      await catalog.close()
      expect(vaults(file)).toEqual(['/first'])
      expect(vaults(`${file}.old`)).toEqual(['/first', '/second'])
    })

    test('loses nothing that was committed when its log is removed', async () => {
      const catalog = await opened()
      rmSync(`${file}-wal`)
      await expect(catalog.rememberVault('/third', later)).rejects.toMatchObject(unusable('is gone'))
      await catalog.close()
      expect(vaults(file)).toEqual(['/first', '/second'])
    })

    test('is not committed to in the middle of a transaction', async () => {
      let statements = -Infinity
      const guard = () => {
        if (++statements === 3) rmSync(file)
      }
      await (await opened()).close()
      const catalog = await openCatalog({ ...options(file), guard })
      statements = 0
      await expect(catalog.hold([{ scope: 'a', name: 'b' }], null, later)).rejects.toMatchObject(unusable('is gone'))
      expect(statements).toBe(3) // begin, insert, commit
      await catalog.close()
    })
  })

  describe('lockCatalog()', () => {
    test('lets one agent in at a time', () => {
      const lock = lockCatalog(file)
      expect(() => lockCatalog(file)).toThrow(expect.objectContaining({ code: 'CATALOG_LOCKED' }))
      lock.release()
      lockCatalog(file).release()
    })

    test('lets one agent in, by whatever name the catalog is called', async () => {
      await (await openCatalog(options(file))).close()
      symlinkSync(file, join(directory, 'link.db'))
      const lock = lockCatalog(join(directory, 'link.db'))
      expect(() => lockCatalog(file)).toThrow(expect.objectContaining({ code: 'CATALOG_LOCKED' }))
      lock.release()
    })

    test('lets one agent in, by whatever name a catalog is called that is still to be made', () => {
      symlinkSync('catalog.db', join(directory, 'link.db'))
      const lock = lockCatalog(join(directory, 'link.db'))
      expect(() => lockCatalog(file)).toThrow(expect.objectContaining({ code: 'CATALOG_LOCKED' }))
      lock.release()
    })

    test.each([
      ['gone', () => rmSync(`${file}.lock`)],
      [
        'another file',
        () => {
          rmSync(`${file}.lock`)
          lockCatalog(file)
        },
      ],
    ])('tells its holder that its file is %s', (what, happen) => {
      const lock = lockCatalog(file)
      lock.check()
      happen()
      expect(lock.check).toThrow(
        expect.objectContaining({ code: 'CATALOG_UNUSABLE', message: expect.stringContaining(`.lock is ${what}`) }),
      )
      lock.release()
    })

    test('is held against another process, and free as soon as its holder is killed', () => {
      const script = `
        const { DatabaseSync } = require('node:sqlite')
        const lock = new DatabaseSync(process.argv[1], { timeout: 0 })
        lock.exec('BEGIN EXCLUSIVE')
        process.kill(process.pid, 'SIGKILL')`
      const lock = lockCatalog(file)
      const run = () =>
        execFileSync(process.execPath, ['--no-warnings', '-e', script, `${file}.lock`], { stdio: 'pipe' })
      expect(run).toThrow(/locked/u)
      lock.release()
      expect(run).toThrow(expect.objectContaining({ signal: 'SIGKILL' }))
      lockCatalog(file).release()
    })
  })
})
