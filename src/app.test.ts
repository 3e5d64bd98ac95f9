import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, transports } from 'winston'
import { archiveOnce, withAgent, type Ambient } from './app.ts'
import { loadedConfig } from './cli/config.ts'
import type { Summary } from './catalog/catalog.ts'
import { startSandboxRucio, type Interference, type SandboxRucio } from './testing/sandbox-rucio.ts'
import { numbers } from './testing/numbers.ts'

/** The agent in this process, with real movers, against a Rucio that misbehaves. */
describe('archiveOnce()', () => {
  let directory: string
  let vault: string
  let sandbox: SandboxRucio
  const never = new AbortController().signal
  const ambient: Ambient = {
    env: {},
    now: () => new Date(),
    clock: () => performance.now(),
    random: () => 0.5,
    newId: () => 'catalog-id',
    log: createLogger({ silent: true, transports: [new transports.Console()] }), // eslint-disable-line @typescript-eslint/no-unsafe-class-instance-assignment -- as in cli/log.ts
    version: '0.0.0',
    sleep: () => Promise.resolve(),
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'app-'))
    vault = join(directory, 'vault')
    mkdirSync(vault)
    mkdirSync(join(directory, 'disk'))
    writeFileSync(join(directory, 'password'), 'canary-password', { mode: 0o600 })
    sandbox = await startSandboxRucio(
      [{ account: 'agent', username: 'agent', password: 'canary-password', admin: true }],
      ambient.now,
    )
    sandbox.state.scopes.set('raw', 'root')
    sandbox.state.rses.set('DISK', { name: 'DISK', prefix: join(directory, 'disk') })
    writeFileSync(
      join(directory, 'tape-rse.yaml'),
      JSON.stringify({
        catalog: join(directory, 'catalog.db'),
        rucio: {
          host: sandbox.url,
          account: 'agent',
          auth: { type: 'userpass', username: 'agent', passwordFile: join(directory, 'password') },
        },
        pipelines: [
          {
            name: 'p',
            source: { kind: 'rucio', tapeRse: 'TAPE', diskRse: 'DISK', scopes: ['raw'], root: join(directory, 'disk') },
            vault: { kind: 'hpssfs', root: vault, mustBeMount: false },
          },
        ],
      }),
    )
  })
  afterEach(async () => {
    await sandbox.close()
    rmSync(directory, { recursive: true })
  })

  function dataset(name: string, files = 2): void {
    const did = { scope: 'raw', name }
    const { state } = sandbox
    state.addDid(did, 'DATASET', 'root')
    const children = Array.from({ length: files }, (_, index) => ({ scope: 'raw', name: `${name}/${index}` }))
    for (const child of children) state.addFile('DISK', child, Buffer.from(`content of ${child.name}`), 'root')
    state.attach(did, children, false)
    state.setOpen(did, false)
    state.setMeta([{ did, values: { arcBackup: 'TAPE:need' } }], 'root')
  }
  const run = (): Promise<Summary> =>
    loadedConfig({ config: join(directory, 'tape-rse.yaml') }, { env: {}, cwd: '/' }).then(({ config }) =>
      archiveOnce(config, ambient, never),
    )
  const tagOf = (name: string) => sandbox.state.did({ scope: 'raw', name }).meta?.['arcBackup']
  const object = (name: string, generation = 1) => join(vault, 'raw', name, `${name}.g${generation}.1-1.zip`)
  const members = (path: string): string[] =>
    execFileSync(
      'python3',
      [
        '-c',
        'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print("\\n".join(z.namelist()[1:]))',
        path,
      ],
      { encoding: 'utf8' },
    )
      .trim()
      .split('\n')

  const html = '<html>Bad gateway</html>'
  const exception = (status: number, name: string, message: string): Interference => ({
    status,
    headers: { ExceptionClass: name, ExceptionMessage: message },
    body: JSON.stringify({ ExceptionClass: name, ExceptionMessage: message }),
  })
  const faults: readonly Interference[] = [
    'reset',
    'cut-mid-line',
    'cut-at-line-end',
    { status: 200, body: '' },
    { status: 502, body: html },
    { status: 503, body: html },
    { status: 504, body: html },
    { status: 500, body: 'Internal error' },
    exception(500, 'DatabaseException', 'An unknown Database Exception has occurred.'),
    exception(503, 'DatabaseException', 'Currently there are too many requests'),
    exception(401, 'CannotAuthenticate', 'Cannot authenticate with given credentials'),
    exception(500, 'RucioException', 'something odd'),
  ]

  test.each([1, 2, 3, 4])(
    'says done only when it is true, on a line that fails at random, and gets there (seed %i)',
    async (seed) => {
      const names = ['a', 'b', 'c', 'd']
      for (const name of names) dataset(name)
      const random = numbers(seed)
      sandbox.interfere = () => (random() < 0.3 ? faults[Math.floor(random() * faults.length)]! : null)
      for (let round = 0; round < 3; round++) {
        await run()
        for (const name of names)
          if (tagOf(name) === 'TAPE:done') expect(members(object(name)).sort()).toEqual([`${name}/0`, `${name}/1`])
      }
      sandbox.interfere = () => null
      await run()
      for (const name of names) {
        expect(tagOf(name)).toBe('TAPE:done')
        expect(members(object(name)).sort()).toEqual([`${name}/0`, `${name}/1`])
      }
    },
    30_000,
  )

  test.each([
    ['bulkfiles', 'POST', '/dids/bulkfiles'],
    ['replicas', 'POST', '/replicas/list'],
  ])(
    'takes no dataset whose list of %s is cut between two lines each time, and harms no other',
    async (_, method, path) => {
      dataset('a', 3)
      sandbox.interfere = (request) => (request.method === method && request.path === path ? 'cut-at-line-end' : null)
      const summary = await run()
      expect(tagOf('a')).toBe('TAPE:need')
      expect(existsSync(object('a'))).toBe(false)
      expect(summary.pipelines[0]).toMatchObject({ failed: 1, pause: null })
      sandbox.interfere = () => null
      await run()
      expect(members(object('a'))).toHaveLength(3)
    },
  )

  test('does not ask a server for ever that refuses for good, and says so', async () => {
    dataset('a')
    sandbox.interfere = ({ path }) =>
      path === '/replicas/list'
        ? exception(500, 'InvalidRSEExpression', 'RSE Expression resulted in an empty set.')
        : null
    const summary = await run()
    expect(summary.pipelines[0]!.targets).toMatchObject([{ state: 'requested', held: true, count: 1 }])
    expect(sandbox.requests.filter((line) => line === 'POST /replicas/list').length).toBeLessThan(4)
  })

  test('writes the tag again that a write of another client undid in between', async () => {
    dataset('a')
    let undone = 0
    sandbox.interfere = ({ method, path }) => {
      const did = { scope: 'raw', name: 'a' }
      if (method === 'GET' && path.endsWith('/dids/search') && tagOf('a') === 'TAPE:done' && undone++ < 2) {
        sandbox.state.setMeta([{ did, values: { arcBackup: 'TAPE:need', other: undone } }], 'root')
      }
      return null
    }
    await run()
    expect([tagOf('a'), undone > 1]).toEqual(['TAPE:done', true])
  })

  test('takes done back from a dataset that lost a file while it was told', async () => {
    dataset('a', 3)
    let lost = false
    sandbox.interfere = () => {
      if (!lost && tagOf('a') === 'TAPE:done') {
        lost = true
        // As Rucio does by itself when the last replica of a file vanishes: the dataset stays closed.
        sandbox.state.detach({ scope: 'raw', name: 'a' }, [{ scope: 'raw', name: 'a/1' }])
      }
      return null
    }
    await run()
    // The same run archives what the dataset is now, as its next generation.
    expect(tagOf('a')).toBe('TAPE:done')
    expect(members(object('a', 2)).sort()).toEqual(['a/0', 'a/2'])
    expect(statSync(object('a')).isFile()).toBe(true)
  })

  test('sends its password to nobody but the server, and only to sign in', async () => {
    dataset('a')
    await run()
    expect(sandbox.requests.filter((line) => line.startsWith('GET /auth'))).toHaveLength(1)
    expect(sandbox.requests.some((line) => line.includes('canary'))).toBe(false)
  })

  describe('withAgent()', () => {
    const config = async () =>
      (await loadedConfig({ config: join(directory, 'tape-rse.yaml') }, { env: {}, cwd: directory })).config
    const aborted = (signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))

    test.each(['catalog.db', 'catalog.db-wal', 'catalog.db.lock'])(
      'tells work that does not ask the catalog, too, that %s is gone',
      async (name) => {
        const agent = withAgent(
          await config(),
          ambient,
          (_, lost) => {
            rmSync(join(directory, name))
            return aborted(lost)
          },
          20,
        )
        await expect(agent).rejects.toMatchObject({
          code: 'CATALOG_UNUSABLE',
          message: expect.stringContaining(`${name} is gone`),
          hint: expect.stringMatching(/./u),
        })
      },
    )

    test('says what ended the work, not what failed after that', async () => {
      const agent = withAgent(await config(), ambient, () => {
        rmSync(join(directory, 'catalog.db'))
        throw new Error('a bug')
      })
      await expect(agent).rejects.toThrow('a bug')
    })
  })
})
