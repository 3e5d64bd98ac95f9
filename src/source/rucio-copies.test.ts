import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Did } from '../model/did.ts'
import type { Entry } from '../model/target.ts'
import { rucioClient, type RucioClient } from '../rucio/client.ts'
import { datasets, signIn } from '../testing/rucio-rest.ts'
import { sandboxRoot, startSandboxRucio, type SandboxRucio } from '../testing/sandbox-rucio.ts'
import { copiesOf } from './rucio-copies.ts'

const never = new AbortController().signal
const did = (name: string): Did => ({ scope: 'raw', name })
const file = (name: string, adler32 = '00000001') => ({ ...did(name), bytes: 5, adler32, md5: '0'.repeat(32) })
const entry = (name: string, more: Partial<Entry> = {}): Entry => ({
  did: did(name),
  bytes: 5,
  adler32: '00000001',
  md5: null,
  pfn: '',
  path: '',
  ...more,
})

let sandbox: SandboxRucio
let client: RucioClient
beforeEach(async () => {
  sandbox = await startSandboxRucio([], () => new Date())
  sandbox.state.addScope('raw', 'root')
  for (const name of ['DISK', 'OTHER', 'TAPE']) sandbox.state.addRse({ name, prefix: `/${name}/` })
  client = rucioClient({
    host: sandbox.url,
    method: { type: 'userpass', vo: null, ...sandboxRoot, password: () => Promise.resolve(sandboxRoot.password) },
    authorities: null,
    userAgent: 'test',
    now: () => new Date(),
    clock: () => performance.now(),
    random: () => 0,
  })
})
afterEach(async () => {
  client.close()
  await sandbox.close()
})
const copies = async (...entries: Entry[]) =>
  (await copiesOf(client, entries, 'TAPE', never)).map(({ entry: { did }, rses }) => [did.name, rses])

test('copiesOf() names the RSEs that have the same bytes, but for the tape RSE, in the order of the question', async () => {
  const root = await signIn(sandbox.url, sandboxRoot)
  const calls = datasets(root)
  await calls.addReplicas('DISK', [file('both'), file('bad'), file('changed')])
  await calls.addReplicas('OTHER', [file('both')])
  await calls.addReplicas('TAPE', [file('both'), file('taped')])
  await root.ok('POST', '/replicas/bad', { replicas: [{ ...did('bad'), rse: 'DISK' }], reason: 'a test' })
  const changed = entry('changed', { adler32: '00000002' })
  expect(await copies(entry('taped'), entry('both'), changed, entry('gone'), entry('bad'), entry('both'))).toEqual([
    ['taped', []],
    ['both', ['DISK', 'OTHER']],
    ['changed', []],
    ['gone', []],
    ['bad', []],
    ['both', ['DISK', 'OTHER']],
  ])
  const unknown = entry('both', { adler32: null, md5: null })
  expect(await copies(unknown, entry('both', { bytes: 6 }))).toEqual([
    ['both', []],
    ['both', []],
  ])
})

test('copiesOf() asks for any number of files', async () => {
  const names = Array.from({ length: 1203 }, (_, index) => `f${index}`)
  const calls = datasets(await signIn(sandbox.url, sandboxRoot))
  await calls.addReplicas(
    'DISK',
    names.map((name) => file(name)),
  )
  const found = await copiesOf(
    client,
    names.map((name) => entry(name)),
    'TAPE',
    never,
  )
  expect(found.map(({ entry: { did } }) => did.name)).toEqual(names)
  expect(found.every(({ rses }) => rses.join() === 'DISK')).toBe(true)
})
