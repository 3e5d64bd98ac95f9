import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import type { Catalog, CatalogReader } from '../src/catalog/catalog.ts'
import { finish, live } from './catalog-life.ts'

/** A process that is killed between any two statements leaves a catalog that is as it was before, or after: never between. */

const script = join(import.meta.dirname, 'catalog-life.ts')

/** Everything that is in a catalog. */
function contentOf(file: string): unknown {
  const sqlite = new DatabaseSync(file)
  try {
    expect(sqlite.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    const tables = sqlite.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'kysely%' ORDER BY name`,
    )
    return tables.all().map(({ name }) => [name, sqlite.prepare(`SELECT * FROM ${String(name)}`).all()])
  } finally {
    sqlite.close()
  }
}

const reading: Readonly<
  Record<
    | keyof CatalogReader
    | 'confirmedObject'
    | 'lastBackup'
    | 'requested'
    | 'clashes'
    | 'planned'
    | 'debris'
    | 'ready'
    | 'knowsVault',
    true
  >
> = {
  ...{
    id: true,
    summary: true,
    list: true,
    count: true,
    find: true,
    holds: true,
    drained: true,
    entries: true,
    manifest: true,
    objects: true,
    filesOf: true,
    filesNamed: true,
    places: true,
    unverified: true,
    verifications: true,
    recalls: true,
    confirmedObject: true,
    lastBackup: true,
  },
  ...{ close: true, requested: true, clashes: true, planned: true, debris: true, ready: true, knowsVault: true },
}

// Thousands of commits: in memory, where there is a file system in memory.
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(base, 'catalog-kills-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

interface State {
  readonly step: string
  /** How many statements came before it. */
  readonly statements: number
  readonly content: unknown
}

/** A whole life: the state after each step. `before` is called before each statement. */
async function wholeLife(file: string, before: (statement: number) => void): Promise<readonly State[]> {
  const states: State[] = []
  let statements = 0
  let methods: readonly string[] = []
  await live(file, {
    statement: () => before(++statements),
    after(step, catalog: Catalog) {
      states.push({ step, statements, content: contentOf(file) })
      methods = Object.keys(catalog)
    },
  })
  // Nothing that writes is left out.
  const steps = new Set(states.map(({ step }) => step.split(' ')[0]))
  expect(methods.filter((method) => !(method in reading) && !steps.has(method))).toEqual([])
  return states
}

/** What a life left that ended before a statement is the state before the step of that, or after; and it can be finished. */
async function expectWhole(file: string, statement: number, states: readonly State[]): Promise<void> {
  const index = states.findIndex(({ statements }) => statement <= statements)
  const { step, content } = states[index]!
  // Opening a new catalog is more than one transaction: that it can be opened is what counts.
  if (index > 0) {
    const left = contentOf(file)
    const before = isDeepStrictEqual(left, states[index - 1]!.content)
    expect({ statement, step, left }).toEqual({ statement, step, left: before ? left : content })
  }
  expect({ statement, step, left: await finish(file) }).toEqual({ statement, step, left: [] })
}

test('whatever is on disk between any two statements of a whole life is the state before or after, and can be gone on with', async () => {
  const copies: string[] = []
  const whole = join(directory, 'whole.db')
  const states = await wholeLife(whole, (statement) => {
    const copy = join(directory, `${statement}.db`)
    copies.push(copy)
    for (const end of ['', '-wal']) if (existsSync(whole + end)) copyFileSync(whole + end, copy + end)
  })
  expect(copies.length).toBeGreaterThan(150)
  for (const [index, copy] of copies.entries()) await expectWhole(copy, index + 1, states)
}, 120_000)

test('a kill -9 before every twelfth statement leaves the same', async () => {
  const states = await wholeLife(join(directory, 'whole.db'), () => undefined)
  for (let statement = 5; statement <= states.at(-1)!.statements; statement += 12) {
    const file = join(directory, `${statement}.db`)
    const args = ['--disable-warning=ExperimentalWarning', script, file, String(statement)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    expect(await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))).toBe('SIGKILL')
    await expectWhole(file, statement, states)
  }
}, 120_000)
