import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rucioContract } from './rucio-contract.ts'
import type { RucioRest } from './rucio-rest.ts'
import { signIn } from './rucio-rest.ts'
import type { RucioUnderTest } from './rucio-contract-fixture.ts'
import type { Interference } from './sandbox-faults.ts'
import type { RucioVersion } from './sandbox-world.ts'
import { LiteralError, pythonLiteral } from './sandbox-literal.ts'
import type { SandboxRucio } from './sandbox-rucio.ts'
import { sandboxRoot, startSandboxRucio } from './sandbox-rucio.ts'

describe.each(['41.5.1', '38.5.5'] as const)('as Rucio %s,', (version) =>
  rucioContract('the sandbox', () => sandboxOf(version)),
)

async function sandboxOf(version: RucioVersion): Promise<RucioUnderTest> {
  let later = 0
  const sandbox = await startSandboxRucio([], () => new Date(Date.now() + later), 1, version)
  return {
    version,
    url: sandbox.url,
    root: sandboxRoot,
    expireTokens(account) {
      sandbox.state.expireTokens(account)
      return Promise.resolve()
    },
    suppress(did) {
      sandbox.state.suppress(did)
      return Promise.resolve()
    },
    nextSecond() {
      later += 1000
      return Promise.resolve()
    },
    close: () => sandbox.close(),
  }
}

describe('startSandboxRucio()', () => {
  const names = Array.from({ length: 10 }, (_, i) => `ds${i}`)
  const path = `/dids/raw/dids/search?type=all&filters=${encodeURIComponent('[{"arcBackup":"X:need"}]')}`
  let directory: string
  let sandbox: SandboxRucio
  let root: RucioRest

  async function start(seed?: number): Promise<SandboxRucio> {
    const started = await startSandboxRucio([], () => new Date(), seed)
    const { state } = started
    state.addScope('raw', 'root')
    state.addRse({ name: 'DISK', prefix: directory })
    for (const name of names) state.addDid({ scope: 'raw', name }, 'DATASET', 'root')
    const changes = names.map((name) => ({ did: { scope: 'raw', name }, values: { arcBackup: 'X:need' } }))
    state.setMeta(changes, 'root')
    return started
  }
  /** Makes the next request go wrong; those after it go right. */
  function once(interference: Interference): void {
    sandbox.interfere = () => {
      sandbox.interfere = () => null
      return interference
    }
  }
  const whole = async () => (await root.call('GET', path)).lines()

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sandbox-'))
    sandbox = await start()
    root = await signIn(sandbox.url, sandboxRoot)
  })
  afterEach(async () => {
    await sandbox.close()
    rmSync(directory, { recursive: true })
  })

  test('answers in no order: another one each time, the same ones for the same seed', async () => {
    const first = [await whole(), await whole()]
    expect(first[0]).not.toEqual(first[1])
    expect([...first[0]!].sort()).toEqual(names)
    const again = await start()
    const rest = await signIn(again.url, sandboxRoot)
    expect([(await rest.call('GET', path)).lines(), (await rest.call('GET', path)).lines()]).toEqual(first)
    await again.close()
  })

  test('counts requests by method and path', async () => {
    const counts: number[] = []
    sandbox.interfere = ({ path, count }) => {
      if (path.endsWith('/search')) counts.push(count)
      return null
    }
    await whole()
    await root.ok('GET', '/scopes/')
    await whole()
    expect(counts).toEqual([1, 2])
    expect(sandbox.requests).toEqual([
      'GET /auth/userpass',
      'GET /dids/raw/dids/search',
      'GET /scopes/',
      'GET /dids/raw/dids/search',
    ])
  })

  test('answers as it is told', async () => {
    once({ status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html>' })
    const answer = await root.call('GET', path)
    expect([answer.status, answer.type, answer.text]).toEqual([502, 'text/html', '<html>'])
    expect(await whole()).toHaveLength(names.length)
  })

  test('cuts an answer at the end of a line as if it were whole', async () => {
    once('cut-at-line-end')
    expect(await whole()).toHaveLength(names.length - 1)
  })

  test('breaks an answer off in the middle of a line', async () => {
    once('cut-mid-line')
    const response = await fetch(sandbox.url + path, { headers: { 'X-Rucio-Auth-Token': root.token } })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow('terminated')
  })

  test.each([['reset', 'X:need'], ['answer-lost', 'X:done']] as const)('breaks the connection: %s', async (how, tag) => {
    sandbox.interfere = () => how
    const did = { scope: 'raw', name: 'ds1' }
    const dids = [{ ...did, meta: { arcBackup: 'X:done' } }]
    await expect(root.call('POST', '/dids/bulkdidsmeta', { dids })).rejects.toThrow('fetch failed')
    expect(sandbox.state.did(did).meta).toEqual({ arcBackup: tag })
  }) // prettier-ignore

  test('says nothing', async () => {
    once('silence')
    const signal = AbortSignal.timeout(50)
    await expect(fetch(sandbox.url + path, { signal })).rejects.toThrow('aborted due to timeout')
  })

  test('writes a file where its PFN says, and loses everything of a DID that is erased', async () => {
    const file = { scope: 'raw', name: 'night/f.fits' }
    sandbox.state.addFile('DISK', file, Buffer.from('bytes'), 'root')
    const listing = await root.ok('POST', '/replicas/list', { dids: [file], schemes: ['file'], domain: 'lan' })
    const [line] = listing.lines() as { readonly rses: Readonly<Record<string, readonly string[]>> }[]
    const pfn = line!.rses['DISK']![0]!
    expect(readFileSync(pfn.replace(/^file:\/\/[^/]*/, ''), 'utf8')).toBe('bytes')

    const dataset = { scope: 'raw', name: 'ds1' }
    sandbox.state.attach(dataset, [file], false)
    sandbox.state.erase(file)
    sandbox.state.erase({ scope: 'raw', name: 'ds2' })
    expect((await root.ok('GET', '/dids/raw/ds1/files')).lines()).toEqual([])
    expect(await whole()).not.toContain('ds2')
  })
})

test.each([
  ['[{"a.gt": -1.5e3, \'b\': True}, (None, "\\x41\\u0042\\n\\q"),]', [{ 'a.gt': -1500, b: true }, [null, 'AB\n\\q']]],
  ['{}', {}],
  [' "x" ', 'x'],
])('pythonLiteral() reads %s', (text, value) => {
  expect(pythonLiteral(text)).toEqual(value)
})

test.each(['', '[', '[1', '{"a"}', '{"a":}', '[1 2]', '"a', 'true', 'f()', '[,]', '1 +'])(
  'pythonLiteral() does not read %j',
  (text) => {
    expect(() => pythonLiteral(text)).toThrow(LiteralError)
  },
)
