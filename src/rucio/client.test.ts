import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { ScriptedServer, Seen } from '../testing/scripted-server.ts'
import { scriptedServer } from '../testing/scripted-server.ts'
import type { RucioOptions, SentRequest } from './call.ts'
import type { RucioClient } from './client.ts'
import { rucioClient } from './client.ts'

const never = new AbortController().signal
const TOKEN = 'agent-canary-token-b3f1'
const PASSWORD = 'canary-password-77aa'
const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

export interface World {
  readonly client: RucioClient
  readonly server: ScriptedServer
  readonly sent: SentRequest[]
  /** Calls but for sign-ins. */
  readonly calls: () => readonly Seen[]
}

type Script = (request: Seen, response: ServerResponse, count: number) => void

/** A client of a server that signs in whoever asks, and answers everything else by `script`. `count` is of the latter. */
async function world(script: Script, options: Partial<RucioOptions> = {}): Promise<World> {
  let count = 0
  const server = await scriptedServer((request, response) => {
    if (request.url === '/auth/userpass') signIn(response)
    else script(request, response, ++count)
  })
  const sent: SentRequest[] = []
  const client = clientOf(server.url, { onRequest: (request) => sent.push(request), ...options })
  closing.push(() => server.close())
  return { client, server, sent, calls: () => server.seen.filter(({ url }) => url !== '/auth/userpass') }
}

function clientOf(host: string, options: Partial<RucioOptions> = {}): RucioClient {
  const client = rucioClient({
    host,
    method: {
      type: 'userpass',
      vo: null,
      account: 'agent',
      username: 'agent',
      password: () => Promise.resolve(PASSWORD),
    },
    authorities: null,
    userAgent: 'tape-rse/test',
    now: () => new Date(),
    clock: () => performance.now(),
    random: () => 0,
    sleep: () => Promise.resolve(),
    ...options,
  })
  closing.unshift(() => client.close())
  return client
}

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toUTCString().replace('GMT', 'UTC')

function signIn(response: ServerResponse, token = TOKEN): void {
  response.writeHead(200, { 'X-Rucio-Auth-Token': token, 'X-Rucio-Auth-Token-Expires': inAnHour() }).end()
}

function say(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/octet-stream' }).end(JSON.stringify(body))
}

const refuse = (response: ServerResponse, status: number, exceptionClass: string): void =>
  say(response, status, { ExceptionClass: exceptionClass, ExceptionMessage: 'said Rucio' })

const page = (response: ServerResponse, status: number): unknown =>
  response.writeHead(status, { 'Content-Type': 'text/html' }).end(`<html><body>${status}</body></html>`)

const lines = (response: ServerResponse, ...values: unknown[]): unknown =>
  response.writeHead(200).end(values.map((value) => `${JSON.stringify(value)}\n`).join(''))

const ds = { scope: 'raw', name: 'ds' }
const file = { scope: 'raw', name: 'f', bytes: 1, adler32: '00000001', parent_scope: 'raw', parent_name: 'ds' }

describe('requests', () => {
  test('search() asks for all types, the short form, and a filter that is JSON and Python alike', async () => {
    const { client, calls } = await world((_, response) => lines(response, 'a', 'b/c'))
    expect(await client.search('ra w', 'arcBackup', 'TAPE:"need"\\', never)).toEqual(['a', 'b/c'])
    const url = new URL(calls()[0]!.url, 'http://h')
    expect(url.pathname).toBe('/dids/ra%20w/dids/search')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      type: 'all',
      long: 'False',
      filters: '[{"arcBackup":"TAPE:\\"need\\"\\\\"}]',
    })
    expect(calls()[0]!.headers).toMatchObject({
      accept: 'application/x-json-stream',
      'user-agent': 'tape-rse/test',
      'x-rucio-auth-token': TOKEN,
    })
  })

  test('bulkColumns() never inherits, asks at most 1000 DIDs a call, and nothing for none', async () => {
    const { client, calls } = await world((request, response) => {
      const { dids } = JSON.parse(request.body) as { dids: { scope: string; name: string }[] }
      lines(response, ...dids.map((did) => ({ ...did, did_type: 'DATASET', is_open: false })))
    })
    const dids = Array.from({ length: 2001 }, (_, i) => ({ scope: 'raw', name: `ds${i}` }))
    expect((await client.bulkColumns(dids, never)).map(({ did }) => did)).toEqual(dids)
    const bodies = calls().map(({ body }) => JSON.parse(body) as { dids: unknown[] })
    expect(bodies.map((body) => body.dids.length)).toEqual([1000, 1000, 1])
    expect(bodies[0]).toMatchObject({ inherit: false, plugin: 'DID_COLUMN' })
    expect(await client.bulkColumns([], never)).toEqual([])
    expect(calls()).toHaveLength(3)
  })

  test('replicas() asks for all states in random order, archives unresolved', async () => {
    const { client, calls } = await world((_, response) => lines(response))
    await client.replicas([ds], 'DISK', { schemes: ['file', 'root'], domain: 'all' }, never)
    expect(JSON.parse(calls()[0]!.body)).toEqual({
      dids: [ds],
      rse_expression: 'DISK',
      schemes: ['file', 'root'],
      domain: 'all',
      all_states: true,
      resolve_archives: false,
      sort: 'random',
    })
  })

  test('setMetadata() puts names and values into the body', async () => {
    const { client, calls } = await world((_, response) => response.writeHead(201).end('Created'))
    await client.setMetadata([{ did: ds, values: { arcBackup: 'TAPE:done' } }], never)
    expect(calls()[0]).toMatchObject({ method: 'POST', url: '/dids/bulkdidsmeta' })
    expect(JSON.parse(calls()[0]!.body)).toEqual({ dids: [{ ...ds, meta: { arcBackup: 'TAPE:done' } }] })
  })

  test('bulkCustomMetadata() asks in bulk from version 41, and one by one before', async () => {
    const answers: Script = (request, response) => {
      if (request.url === '/ping') say(response, 200, { version })
      else if (request.method === 'POST') lines(response, { ...ds, key: 'bulk' })
      else say(response, 200, { key: 'single' })
    }
    let version = '41.0.0'
    const { client, calls } = await world(answers)
    expect(await client.bulkCustomMetadata([ds], never)).toEqual([{ did: ds, values: { key: 'bulk' } }])
    version = '40.4.1'
    expect(await client.bulkCustomMetadata([ds, ds], never)).toEqual([
      { did: ds, values: { key: 'single' } },
      { did: ds, values: { key: 'single' } },
    ])
    expect(calls().map(({ url }) => url)).toEqual(
      ['/ping', '/dids/bulkmeta', '/ping', '/dids/raw/ds/meta?plugin=JSON', '/dids/raw/ds/meta?plugin=JSON'], // prettier-ignore
    )
  })

  test('all go over one connection, one after another, and below the path of the host', async () => {
    const { server, sent } = await world(() => undefined)
    const hosted = await scriptedServer((request, response) => {
      if (request.url === '/rucio/auth/userpass') signIn(response)
      else say(response, 200, ['raw', request.url])
    })
    closing.push(() => hosted.close())
    const client = clientOf(`${hosted.url}/rucio/`, { onRequest: (request) => sent.push(request) })
    for (let i = 0; i < 5; i++) expect(await client.scopes(never)).toEqual(['raw', '/rucio/scopes/'])
    expect(hosted.connections).toBe(1)
    expect(server.seen).toEqual([])
    expect(sent.map(({ call, status }) => `${call} ${status}`)).toEqual([
      'auth 200',
      ...Array<string>(5).fill('scopes 200'),
    ])
  })
})

describe('metadata()', () => {
  const row = { did_type: 'DATASET', is_open: false, closed_at: 'Sat, 21 Nov 2026 21:42:54 UTC', length: 1, bytes: 1 }

  test('gives columns and custom values', async () => {
    const { client } = await world((_, response) => say(response, 200, { ...ds, ...row, arcBackup: 'TAPE:need' }))
    const metadata = await client.metadata(ds, never)
    expect(metadata).toMatchObject({ did: ds, open: false, closedAt: new Date('2026-11-21T21:42:54Z') })
    expect(metadata?.values['arcBackup']).toBe('TAPE:need')
  })

  test('is null only if Rucio itself says that the DID is gone', async () => {
    const { client } = await world((_, response) => refuse(response, 404, 'DataIdentifierNotFound'))
    expect(await client.metadata(ds, never)).toBeNull()
  })

  test.each(['a 404 of a proxy', 'an empty 200'])('throws for %s', async (oddity) => {
    const { client } = await world((_, response) => (oddity === 'an empty 200' ? response.end() : page(response, 404)))
    const code = oddity === 'an empty 200' ? 'RUCIO_BROKEN_ANSWER' : 'RUCIO_UNREACHABLE'
    await expect(client.metadata(ds, never)).rejects.toMatchObject({ code })
  })

  const slashed = { scope: 'raw', name: '2026/ds' }
  test.each([
    ['found with plain slashes', 'found', '2026/ds'],
    ['gone both ways', 'gone', null],
    ['gone, and plain slashes refused', 'bad', null],
  ] as const)('asks once more with plain slashes after a 404: %s', async (_, then, expected) => {
    const { client, calls } = await world((request, response) => {
      if (request.url.includes('%2F') || then === 'gone') refuse(response, 404, 'DataIdentifierNotFound')
      else if (then === 'bad') refuse(response, 400, 'ValueError')
      else say(response, 200, { ...slashed, ...row })
    })
    expect((await client.metadata(slashed, never))?.did.name ?? null).toBe(expected)
    expect(calls().map(({ url }) => url)).toEqual([
      '/dids/raw/2026%2Fds/meta?plugin=ALL',
      '/dids/raw/2026/ds/meta?plugin=ALL',
    ])
  })
})

describe('signing in', () => {
  test('happens once for callers that come together', async () => {
    const { client, server } = await world((_, response) => say(response, 200, []))
    await Promise.all([client.scopes(never), client.scopes(never), client.scopes(never)])
    expect(server.seen.filter(({ url }) => url === '/auth/userpass')).toHaveLength(1)
    expect(server.seen[0]!.headers).toMatchObject({
      'x-rucio-account': 'agent',
      'x-rucio-username': 'agent',
      'x-rucio-password': PASSWORD,
    })
  })

  test('happens again at four fifths of the life of the token, by the clock of the server', async () => {
    let clock = 0
    let year = 2001 // ours is wrong, each time in another way
    const wrong = { now: () => new Date(Date.UTC(year++, 0, 1)), clock: () => clock }
    const { client, sent } = await world((_, response) => say(response, 200, []), wrong)
    const after = async (minutes: number): Promise<number> => {
      clock = minutes * 60_000
      await client.scopes(never)
      return sent.filter(({ call }) => call === 'auth').length
    }
    expect([await after(0), await after(47), await after(49), await after(90)]).toEqual([1, 1, 2, 2])
  })

  test('that fails while the token is still good is tried again a minute later, and is an error only when it is dead', async () => {
    let clock = 0
    let down = false
    const server = await scriptedServer(({ url }, response) => {
      if (url !== '/auth/userpass') say(response, 200, ['raw'])
      else if (down) refuse(response, 401, 'CannotAuthenticate')
      else signIn(response)
    })
    closing.push(() => server.close())
    const client = clientOf(server.url, { clock: () => clock })
    const signIns = () => server.seen.filter(({ url }) => url === '/auth/userpass').length
    const at = async (minutes: number) => {
      clock = minutes * 60_000
      return [await client.scopes(never).catch((error: unknown) => (error as { code: string }).code), signIns()]
    }
    expect(await at(0)).toEqual([['raw'], 1])
    down = true
    expect(await at(49)).toEqual([['raw'], 2])
    expect(await at(49.5)).toEqual([['raw'], 2])
    expect(await at(51)).toEqual([['raw'], 3])
    expect(await at(61)).toEqual(['SIGN_IN_REFUSED', 4])
    down = false
    expect(await at(62)).toEqual([['raw'], 5])
  })

  test('is not waited for by a caller who gives up', async () => {
    const server = await scriptedServer(() => undefined)
    closing.push(() => server.close())
    const client = clientOf(server.url)
    const patient = new AbortController()
    const first = client.scopes(patient.signal)
    const stop = new AbortController()
    const second = client.scopes(stop.signal)
    stop.abort()
    await expect(second).rejects.toMatchObject({ code: 'INTERRUPTED' })
    patient.abort()
    await expect(first).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })

  test('happens once more after a 401, and the call is repeated', async () => {
    const { client, sent } = await world((_, response, count) => {
      if (count === 1) refuse(response, 401, 'CannotAuthenticate')
      else say(response, 200, ['raw'])
    })
    expect(await client.scopes(never)).toEqual(['raw'])
    expect(sent.map(({ call, status }) => `${call} ${status}`)).toEqual([
      'auth 200',
      'scopes 401',
      'auth 200',
      'scopes 200',
    ])
  })

  test('happens only once more: a second 401 is an error', async () => {
    const { client, sent } = await world((_, response) => refuse(response, 401, 'CannotAuthenticate'))
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'SIGN_IN_REFUSED' })
    expect(sent).toHaveLength(4)
  })

  test('does not happen again for a 401 that says AccessDenied', async () => {
    const { client, sent } = await world((_, response) => refuse(response, 401, 'AccessDenied'))
    await expect(client.setMetadata([{ did: ds, values: {} }], never)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    expect(sent).toHaveLength(2)
  })

  test.each([
    [401, 'CannotAuthenticate', 'SIGN_IN_REFUSED', 1],
    [400, 'InvalidObject', 'SIGN_IN_REFUSED', 1],
    [500, 'DatabaseException', 'RUCIO_OVERLOADED', 5],
    [503, 'ResourceTemporaryUnavailable', 'RUCIO_OVERLOADED', 5],
  ])('throws for %i %s: %s after %i tries', async (status, exceptionClass, code, tries) => {
    const server = await scriptedServer((_, response) => refuse(response, status, exceptionClass))
    closing.push(() => server.close())
    await expect(clientOf(server.url).scopes(never)).rejects.toMatchObject({ code })
    expect(server.seen).toHaveLength(tries)
  })

  test('reads the password anew each time, and says when it cannot', async () => {
    const passwords = ['', 'käse☃'].map((text) => () => Promise.resolve(text))
    for (const password of [...passwords, () => Promise.reject(new Error('ENOENT: no such file'))]) {
      const client = clientOf('http://127.0.0.1:1', {
        method: { type: 'userpass', vo: null, account: 'agent', username: 'agent', password },
      })
      await expect(client.scopes(never)).rejects.toMatchObject({ code: 'CREDENTIAL_UNUSABLE' })
    }
  })

  test('goes on for the others when the caller who began it gives up', async () => {
    let first: ServerResponse | null = null
    const began = Promise.withResolvers<undefined>()
    const server = await scriptedServer((request, response) => {
      if (request.url !== '/auth/userpass') say(response, 200, ['raw'])
      else if (first !== null) signIn(response)
      else {
        first = response // never answered
        began.resolve(undefined)
      }
    })
    closing.push(() => server.close())
    const client = clientOf(server.url)
    const impatient = new AbortController()
    const given = client.scopes(impatient.signal)
    const patient = client.scopes(never)
    await began.promise
    impatient.abort()
    await expect(given).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(await patient).toEqual(['raw'])
  })
})

describe('a server at fault', () => {
  test('that refuses connections is RUCIO_UNREACHABLE, after five tries', async () => {
    const { server, client, sent } = await world(() => undefined)
    await server.close()
    closing.splice(closing.length - 1)
    await expect(client.scopes(never)).rejects.toMatchObject({
      code: 'RUCIO_UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED') as unknown,
    })
    expect(sent).toEqual(Array(5).fill({ call: 'auth', method: 'GET', status: null }))
  })

  test.each([
    ['502 of a proxy', (response: ServerResponse) => page(response, 502), 'RUCIO_UNREACHABLE', 5],
    ['503 of a proxy', (response: ServerResponse) => page(response, 503), 'RUCIO_UNREACHABLE', 5],
    ['504 of a proxy', (response: ServerResponse) => page(response, 504), 'RUCIO_UNREACHABLE', 5],
    ['404 of a proxy', (response: ServerResponse) => page(response, 404), 'RUCIO_UNREACHABLE', 1],
    ['500 without ExceptionClass', (response: ServerResponse) => page(response, 500), 'RUCIO_FAILED', 5],
    [
      '500 DatabaseException',
      (response: ServerResponse) => refuse(response, 500, 'DatabaseException'),
      'RUCIO_FAILED',
      5,
    ],
    ['500 InvalidMetadata', (response: ServerResponse) => refuse(response, 500, 'InvalidMetadata'), 'RUCIO_REFUSED', 1],
    ['reset', (response: ServerResponse) => response.socket?.destroy(), 'RUCIO_UNREACHABLE', 5],
  ])('that always answers with a %s is tried no longer than that may help', async (_, answer, code, tries) => {
    const { client, calls } = await world((_request, response) => answer(response))
    await expect(client.bulkFiles([ds], never)).rejects.toMatchObject({ code })
    expect(calls()).toHaveLength(tries)
  })

  test('that recovers is not noticed', async () => {
    const { client, calls } = await world((_, response, count) => {
      if (count === 1) refuse(response, 500, 'DatabaseException')
      else if (count === 2) page(response, 502)
      else if (count === 3) response.socket?.destroy()
      else lines(response, file)
    })
    expect(await client.bulkFiles([ds], never)).toHaveLength(1)
    expect(calls()).toHaveLength(4)
  })

  test('that says nothing is RUCIO_UNREACHABLE, and not asked again at once', async () => {
    const { client, calls } = await world(() => undefined, { silenceMs: 50 })
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE' })
    expect(calls()).toHaveLength(1)
  })

  test('that redirects is not followed: the token stays here', async () => {
    const { client, calls } = await world((_, response) => response.writeHead(302, { Location: '/elsewhere' }).end())
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE', status: 302 })
    expect(calls()).toHaveLength(1)
  })

  test('whose refusal repeats the whole request is quoted in a few words', async () => {
    const { client } = await world((_, response) => {
      say(response, 400, {
        ExceptionClass: 'InvalidObject',
        ExceptionMessage: `Problem validating dids: ${'x'.repeat(2_000_000)}`,
      })
    })
    const error = await client.bulkFiles([ds], never).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: expect.stringMatching(/^RUCIO_/) as unknown })
    expect((error as Error).message.length).toBeLessThan(500)
  })
})

describe('an answer that is broken', () => {
  const line = `${JSON.stringify(file)}\n`
  const cut =
    (text: string): Script =>
    (_, response) => {
      response.writeHead(200)
      response.write(text, () => response.socket?.destroy())
    }

  test.each([
    ['cut in mid-line', cut(`${line}{"scope":`), 5],
    ['cut at the end of a line', cut(line), 5],
    ['silent after its first line', (_, response) => void response.write(line), 5],
    ['ended properly in mid-line', (_, response) => response.end(`${line}{"scope":"raw"`), 5],
    ['a line that is not JSON', (_, response) => response.end(`${line}Traceback:\n`), 5],
    ['a line that is something else', (_, response) => response.end(`${line}{"scope":"raw"}\n`), 1],
  ])('%s is RUCIO_BROKEN_ANSWER, and nothing of it is given', async (_, script, tries) => {
    const { client, calls } = await world(script, { silenceMs: 100 })
    await expect(client.bulkFiles([ds], never)).rejects.toMatchObject({ code: 'RUCIO_BROKEN_ANSWER' })
    expect(calls()).toHaveLength(tries)
  })

  test('an empty 200 of a list is an empty list', async () => {
    const { client } = await world((_, response) => response.writeHead(200).end())
    expect(await client.bulkFiles([ds], never)).toEqual([])
  })

  test('a long list in many pieces is whole', async () => {
    const { client } = await world((_, response) => {
      const text = Array.from({ length: 5000 }, (_, i) => `${JSON.stringify({ ...file, name: `f${i}` })}\n`).join('')
      for (let start = 0; start < text.length; start += 7777) response.write(text.slice(start, start + 7777))
      response.end()
    })
    const files = await client.bulkFiles([ds], never)
    expect(files.map(({ did }) => did.name)).toEqual(Array.from({ length: 5000 }, (_, i) => `f${i}`))
  })
})

describe('interrupting', () => {
  const silent: Script = () => undefined
  const halting: Script = (_, response) => void response.write('"a"\n')

  test.each([
    ['before an answer', silent],
    ['in the middle of one', halting],
  ])('a call %s throws INTERRUPTED', async (_, script) => {
    const stop = new AbortController()
    const { client } = await world((request, response, count) => {
      script(request, response, count)
      setImmediate(() => stop.abort())
    })
    await expect(client.search('raw', 'k', 'v', stop.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })
})

test.each([
  ['took more than a minute', { clock: 61_000, time: 61_000 }],
  ['took more than a minute, and the clock was set back meanwhile', { clock: 61_000, time: 0 }],
  ['took more than a minute, in which the machine slept', { clock: 0, time: 61_000 }],
  ['went with a clock that was set back', { clock: 0, time: -86_400_000 }],
])('setMetadata() is not sent when signing in, or a server that is away, %s', async (_, passed) => {
  const ours = { clock: 0, time: Date.now() }
  const passes = () => {
    ours.clock += passed.clock
    ours.time += passed.time
  }
  const { client, calls } = await world(
    (_, response, count) => {
      if (count === 1) refuse(response, 401, 'CannotAuthenticate')
      else if (count === 3) page(response, 502)
      else response.writeHead(201).end('Created')
      passes()
    },
    { now: () => new Date(ours.time), clock: () => ours.clock },
  )
  const set = () => client.setMetadata([{ did: ds, values: { k: 'v' } }], never)
  await expect(set()).rejects.toMatchObject({ code: 'RUCIO_OVERLOADED' })
  expect(calls()).toHaveLength(1)
  await set()
  await expect(set()).rejects.toMatchObject({ code: 'RUCIO_OVERLOADED' })
  expect(calls()).toHaveLength(3)
})

test('no error holds the token or the password, wherever one looks', async () => {
  const quoting: Script = (_, response) =>
    say(response, 500, { ExceptionClass: 'DatabaseException', ExceptionMessage: TOKEN })
  const resetting: Script = (_, response) => void response.socket?.destroy()
  const cutting: Script = (_, response) => void response.write('"a', () => response.socket?.destroy())
  const refusing: Script = (_, response) => refuse(response, 401, 'CannotAuthenticate')
  const rambling: Script = (_, response) => void response.end(`debug: token=${TOKEN}\n`)
  const breaking: Script = (_, response) =>
    void response.socket!.end(`HTTP/1.1 200 OK\r\nX: ${TOKEN}\r\nbad header\r\n\r\n`)
  for (const script of [quoting, resetting, cutting, refusing, rambling, breaking]) {
    const { client } = await world(script)
    const error = await client.search('raw', 'k', 'v', never).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(Error)
    const shown = inspect(error, { depth: Infinity, showHidden: true }) + JSON.stringify(error)
    expect(shown).not.toContain(TOKEN)
    expect(shown).not.toContain(PASSWORD)
  }
})

describe('replicasOfFiles()', () => {
  test('asks for the files themselves, at all RSEs, in all states, at most 1000 a call', async () => {
    const { client, calls } = await world((request, response) => {
      const { dids } = JSON.parse(request.body) as { dids: { scope: string; name: string }[] }
      lines(response, ...dids.map((did) => ({ ...did, bytes: 1, states: { DISK: 'AVAILABLE', OTHER: 'BAD' } })))
    })
    const files = Array.from({ length: 1001 }, (_, i) => ({ scope: 'raw', name: `f${i}` }))
    const listed = await client.replicasOfFiles(files, never)
    expect(listed.map(({ did }) => did)).toEqual(files)
    expect([...listed[1000]!.states]).toEqual([
      ['DISK', 'AVAILABLE'],
      ['OTHER', 'BAD'],
    ])
    const bodies = calls().map(({ body }) => JSON.parse(body) as { dids: unknown[] })
    expect(bodies.map(({ dids }) => dids.length)).toEqual([1000, 1])
    expect(bodies[1]).toEqual({ dids: [files[1000]], all_states: true, resolve_archives: false, sort: 'random' })
    expect(await client.replicasOfFiles([], never)).toEqual([])
    expect(calls()).toHaveLength(2)
  })
})
