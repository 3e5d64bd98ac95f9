import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Did } from '../model/did.ts'
import { compareDids, formatDid } from '../model/did.ts'
import { rucioClient } from '../rucio/client.ts'
import type { ScriptedServer, Seen } from '../testing/scripted-server.ts'
import { scriptedServer } from '../testing/scripted-server.ts'
import type { RucioSource } from './rucio.ts'
import { rucioSource } from './rucio.ts'
import type { Frozen } from './source.ts'

const never = new AbortController().signal
const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

interface File {
  readonly name: string
  bytes: number
  adler32: string
  state: string | null
}
interface Dataset {
  readonly did: Did
  type: string
  open: boolean
  closedAt: string
  suppressed: boolean
  tag: unknown
  files: File[]
}

const file = (name: string): File => ({ name, bytes: 10, adler32: '0000000a', state: 'AVAILABLE' })

function dataset(scope: string, name: string, tag: unknown = 'TAPE:need'): Dataset {
  const files = [file(`${name}.1`), file(`${name}.2`)]
  const closedAt = 'Sat, 21 Nov 2026 21:42:54 UTC'
  return { did: { scope, name }, type: 'DATASET', open: false, closedAt, suppressed: false, tag, files }
}

/** Answers instead of Rucio if it returns true. */
type Oddity = (request: Seen, response: ServerResponse) => boolean

/** Lets some requests be answered otherwise. */
const when =
  (asked: (request: Seen) => boolean, say: (response: ServerResponse) => unknown): Oddity =>
  (request, response) => {
    if (!asked(request)) return false
    say(response)
    return true
  }

interface World {
  readonly source: RucioSource
  readonly server: ScriptedServer
  readonly datasets: Dataset[]
  /** What was called so far, without sign-ins; forgets it. */
  readonly calls: () => string[]
  odd: Oddity
}

/** A source over a Rucio of a few datasets that answers over HTTP, the way a test wants it. */
async function world(...datasets: Dataset[]): Promise<World> {
  let calls: string[] = []
  const it = { odd: (() => false) as Oddity }
  const server = await scriptedServer((request, response) => {
    if (it.odd(request, response)) return
    answer(datasets, request, response)
  })
  const client = rucioClient({
    host: server.url,
    method: { type: 'userpass', vo: null, account: 'a', username: 'a', password: () => Promise.resolve('p') },
    authorities: null,
    userAgent: 'tape-rse/test',
    now: () => new Date(),
    clock: () => performance.now(),
    random: () => 0,
    sleep: () => Promise.resolve(),
    onRequest: ({ call }) => call !== 'auth' && calls.push(call),
  })
  closing.push(
    () => client.close(),
    () => server.close(),
  )
  const scopes = ['raw', 'u']
  const source = rucioSource({ client, tapeRse: 'TAPE', diskRse: 'DISK', scopes, root: '/disk', paths: [] })
  return Object.assign(it, {
    source,
    server,
    datasets,
    calls: () => {
      const made = calls
      calls = []
      return made
    },
  })
}

function answer(datasets: Dataset[], { url, body }: Seen, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url, 'http://h')
  const [, , scope, name] = pathname.split('/').map(decodeURIComponent)
  const asked = (body === '' ? {} : JSON.parse(body)) as { dids?: (Did & { meta: { arcBackup: unknown } })[] }
  const found = (asked.dids ?? []).flatMap((did) => datasets.filter((each) => compareDids(each.did, did) === 0))
  const lines = (values: readonly unknown[]): unknown =>
    response.end(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  if (pathname === '/auth/userpass') response.writeHead(200, { 'X-Rucio-Auth-Token': 't' }).end()
  else if (pathname === '/ping') response.end('{"version":"41.5.1"}')
  else if (pathname === '/scopes/') response.end('["raw","u"]')
  else if (pathname.endsWith('/dids/search')) {
    const [filter] = JSON.parse(searchParams.get('filters')!) as [{ arcBackup: string }]
    lines(
      datasets.filter((each) => each.did.scope === scope && each.tag === filter.arcBackup).map((each) => each.did.name),
    )
  } else if (pathname === '/dids/bulkmeta') {
    lines(
      found
        .toReversed()
        .map((each) => (body.includes('"JSON"') ? { ...each.did, arcBackup: each.tag } : columnsOf(each))),
    )
  } else if (pathname === '/dids/bulkfiles') lines(found.toReversed().flatMap(filesOf))
  else if (pathname === '/replicas/list') lines(found.flatMap(replicasOf).toReversed())
  else if (pathname === '/dids/bulkdidsmeta') {
    if (found.length < asked.dids!.length) refuse(response, 404, 'DataIdentifierNotFound')
    else if (found.some(({ did }) => did.name === 'forbidden')) refuse(response, 401, 'AccessDenied')
    else {
      for (const each of found) each.tag = asked.dids!.find((did) => compareDids(did, each.did) === 0)!.meta.arcBackup
      response.writeHead(201).end('Created')
    }
  } else {
    const one = datasets.find(({ did }) => did.scope === scope && did.name === name)
    if (one === undefined) refuse(response, 404, 'DataIdentifierNotFound')
    else response.end(JSON.stringify({ ...columnsOf(one), arcBackup: one.tag }))
  }
}

const refuse = (response: ServerResponse, status: number, exceptionClass: string): unknown =>
  response.writeHead(status).end(JSON.stringify({ ExceptionClass: exceptionClass, ExceptionMessage: 'said Rucio' }))

const columnsOf = (each: Dataset): object => ({
  ...each.did,
  did_type: each.type,
  is_open: each.open,
  closed_at: each.closedAt,
  length: each.files.length,
  bytes: each.files.reduce((sum, file) => sum + file.bytes, 0),
  suppressed: each.suppressed,
})
const filesOf = ({ did, files }: Dataset): unknown[] =>
  files.map(({ name, bytes, adler32 }) => ({
    scope: did.scope,
    name,
    bytes,
    adler32,
    parent_scope: did.scope,
    parent_name: did.name,
  }))
const replicasOf = ({ did: { scope }, files }: Dataset): unknown[] =>
  files
    .filter(({ state }) => state !== null)
    .map(({ name, bytes, adler32, state }) => {
      return {
        scope,
        name,
        bytes,
        adler32,
        md5: null,
        rses: { DISK: [`file:///disk/${scope}/${name}`] },
        states: { DISK: state },
      }
    })

/** Lets an answer of `path` be cut between two lines, with all that a proper end has, `times` times. */
function cutting(path: string, times: number): (datasets: Dataset[]) => Oddity {
  return (datasets) => (request, response) => {
    if (request.url !== path || times-- <= 0) return false
    const half = Object.assign(Object.create(response) as ServerResponse, {
      end: (text: string) => response.end(`${text.split('\n')[0]!}\n`),
    })
    answer(datasets, request, half)
    return true
  }
}

async function frozen({ source }: World): Promise<Frozen[]> {
  const sightings = (await source.poll(never)).flatMap((poll) => ('sightings' in poll ? poll.sightings : []))
  const freezings = await source.freeze(sightings, never)
  return freezings.map((freezing, i) => {
    if ('problems' in freezing) throw new Error(freezing.problems[0].message)
    const { closedAt, bytes, fingerprint, entries } = freezing.content
    return { did: sightings[i]!.did, closedAt, length: entries.length, bytes, fingerprint }
  })
}

describe('poll()', () => {
  test('leaves out the one DID whose name Rucio’s own schema refuses, and sees all others', async () => {
    const names = ['a', 'b', 'old name', 'c', 'd']
    const it = await world(...names.map((name) => dataset('raw', name)))
    it.odd = when(
      ({ url, body }) => url === '/dids/bulkmeta' && body.includes('old name'),
      (response) => refuse(response, 500, 'InvalidObject'),
    )
    const [poll] = await it.source.poll(never)
    expect('sightings' in poll! && poll.sightings.map(({ did }) => did.name).sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('qualifies everything it finds, scope by scope', async () => {
    const it = await world(
      dataset('raw', 'taken'),
      { ...dataset('raw', 'open'), open: true },
      { ...dataset('raw', 'container'), type: 'CONTAINER' },
      { ...dataset('raw', 'file'), type: 'FILE' },
      { ...dataset('raw', 'suppressed'), suppressed: true, open: true },
      dataset('raw', 'other', 'OTHER:need'),
      dataset('u', 'mine'),
      dataset('not-configured', 'ds'),
    )
    const polls = await it.source.poll(never)
    const seen = polls.map((poll) =>
      'sightings' in poll ? poll.sightings.map(({ did, waiting }) => [formatDid(did), waiting]) : null,
    )
    expect(seen).toEqual([
      [
        ['raw:taken', null],
        ['raw:open', 'open'],
        ['raw:container', 'container'],
        ['raw:file', 'file'],
        ['raw:suppressed', 'suppressed'],
      ],
      [['u:mine', null]],
    ])
    expect('sightings' in polls[0]! && polls[0].sightings[0]).toEqual({
      did: { scope: 'raw', name: 'taken' },
      waiting: null,
      closedAt: new Date('2026-11-21T21:42:54Z'),
      length: 2,
      bytes: 20,
    })
    expect(it.calls()).toEqual(['search', 'bulkdidsmeta', 'search', 'bulkdidsmeta', 'bulkmeta'])
  })

  test('asks once whether we may set the tag, and until then takes nothing of a scope in which we may not', async () => {
    const it = await world(dataset('raw', 'a'), dataset('u', 'b'))
    it.odd = when(
      ({ url, body }) => url === '/dids/bulkdidsmeta' && body.includes('"scope":"raw"'),
      (response) => refuse(response, 401, 'AccessDenied'),
    )
    const polls = await it.source.poll(never)
    expect(polls[0]).toMatchObject({
      scope: 'raw',
      error: {
        code: 'NOT_ALLOWED',
        message: expect.stringContaining('Cannot set arcBackup in scope raw: Rucio says 401 AccessDenied') as unknown,
        hint: expect.stringContaining('owner of the scope') as unknown,
      },
    })
    expect(polls[1]).toMatchObject({ scope: 'u', sightings: [{ did: { name: 'b' } }] })
    const asked = it.server.seen.find(({ url }) => url === '/dids/bulkdidsmeta')!
    expect(JSON.parse(asked.body)).toEqual({
      dids: [
        {
          scope: 'raw',
          name: expect.stringMatching(/^tape-rse-asks-\w+$/u) as unknown,
          meta: { arcBackup: 'TAPE:need' },
        },
      ],
    })
    it.calls()
    it.odd = () => false
    expect(await it.source.poll(never)).toMatchObject([{ sightings: [{ did: { name: 'a' } }] }, { scope: 'u' }])
    expect(it.calls()).toEqual(['search', 'bulkdidsmeta', 'search', 'bulkmeta'])
    await it.source.poll(never)
    expect(it.calls()).toEqual(['search', 'search', 'bulkmeta'])
  })

  test('drops a DID that is gone before it could be qualified', async () => {
    const it = await world(dataset('raw', 'ds'))
    it.odd = when(
      ({ url }) => url.includes('/raw/dids/search'),
      (response) => response.end('"gone"\n"ds"\n'),
    )
    expect(await it.source.poll(never)).toMatchObject([{ sightings: [{ did: { name: 'ds' } }] }, { sightings: [] }])
  })

  test('says that a scope does not exist, and looks only while it has not been seen', async () => {
    const it = await world(dataset('raw', 'ds'))
    it.odd = when(
      ({ url }) => url === '/scopes/',
      (response) => response.end('["raw"]'),
    )
    const polls = await it.source.poll(never)
    expect(polls).toMatchObject([{ scope: 'raw' }, { scope: 'u', error: { code: 'SCOPE_UNKNOWN' } }])
    it.odd = () => false
    it.calls()
    await it.source.poll(never)
    await it.source.poll(never)
    expect(it.calls().filter((call) => call === 'scopes')).toHaveLength(1)
  })

  test('gives the error of a scope to that scope alone', async () => {
    const it = await world(dataset('u', 'ds'))
    it.odd = when(
      ({ url }) => url.includes('/raw/dids/search'),
      (response) => refuse(response, 500, 'InvalidMetadata'),
    )
    expect(await it.source.poll(never)).toMatchObject([
      { scope: 'raw', error: { code: 'RUCIO_REFUSED' } },
      { scope: 'u', sightings: [{ did: { name: 'ds' } }] },
    ])
  })

  test('throws when Rucio as a whole is at fault', async () => {
    const it = await world()
    it.odd = when(
      () => true,
      (response) => response.writeHead(502).end('<html>'),
    )
    await expect(it.source.poll(never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE' })
    it.odd = when(
      ({ url }) => url.startsWith('/auth'),
      (response) => refuse(response, 401, 'CannotAuthenticate'),
    )
    const before = it.server.seen.length
    await expect(it.source.poll(never)).rejects.toMatchObject({ code: 'SIGN_IN_REFUSED' })
    expect(it.server.seen).toHaveLength(before + 1) // not once a scope: too many would lock the account
  })
})

test('missing() is null for what is still requested, and says what became of the rest', async () => {
  const tags = ['TAPE:need', 'TAPE:done', 'OTHER:need', undefined, { a: 1 }]
  const it = await world(...tags.map((tag, i) => ({ ...dataset('raw', `2026/${i}`), tag })))
  const whys = []
  for (let i = 0; i <= tags.length; i++)
    whys.push((await it.source.missing({ scope: 'raw', name: `2026/${i}` }, never))?.why)
  expect(whys).toEqual([
    undefined,
    'the tag is now "TAPE:done"',
    'the tag is now "OTHER:need"',
    'the tag is gone',
    'the tag is now {"a":1}',
    'Rucio no longer knows it',
  ])
})

describe('freeze()', () => {
  test('asks for many datasets in four calls', async () => {
    const it = await world(...Array.from({ length: 50 }, (_, i) => dataset('raw', `ds${i}`)))
    expect(await frozen(it)).toHaveLength(50)
    const polling = ['search', 'bulkdidsmeta', 'search', 'scopes', 'bulkdidsmeta', 'bulkmeta']
    expect(it.calls()).toEqual([...polling, 'bulkfiles', 'replicas', 'ping', 'bulkmeta'])
  })

  test('holds a file without replica against its own dataset only', async () => {
    const lost = dataset('raw', 'lost')
    lost.files[1]!.state = null
    const it = await world(dataset('raw', 'a'), lost, dataset('raw', 'b'))
    const [poll] = await it.source.poll(never)
    const freezings = await it.source.freeze('sightings' in poll! ? poll.sightings : [], never)
    expect(
      freezings.map((freezing) => ('problems' in freezing ? freezing.problems.map(({ message }) => message) : [])),
    ).toEqual([[], ['Cannot archive raw:lost.2 of raw:lost: it has no replica at DISK'], []])
  })

  test('asks each dataset alone whose replica it is that no list explains', async () => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    it.odd = ({ url, body }, response) => {
      if (url !== '/replicas/list' || !body.includes('"b"')) return false
      const both = it.datasets.filter(({ did }) => body.includes(`"${did.name}"`)).flatMap(replicasOf)
      const stranger = { scope: 'raw', name: 'stranger', bytes: 1 }
      response.end([...both, stranger].map((line) => `${JSON.stringify(line)}\n`).join(''))
      return true
    }
    const [poll] = await it.source.poll(never)
    const [a, b] = await it.source.freeze('sightings' in poll! ? poll.sightings : [], never)
    expect(a).toHaveProperty('content')
    expect(b).toMatchObject({
      problems: [{ code: 'DATASET_DISAGREES', message: expect.stringContaining('raw:stranger') as unknown }],
    })
  })

  test.each(['/dids/bulkfiles', '/replicas/list'])(
    'does not hold an answer of %s that was cut between two lines against anyone',
    async (path) => {
      const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
      it.odd = cutting(path, 1)(it.datasets)
      expect(await frozen(it)).toHaveLength(2)
    },
  )

  test('throws for an answer that is broken', async () => {
    const it = await world(dataset('raw', 'a'))
    it.odd = when(
      ({ url }) => url === '/dids/bulkfiles',
      (response) => response.end('{"scope":'),
    )
    await expect(frozen(it)).rejects.toMatchObject({ code: 'RUCIO_BROKEN_ANSWER' })
  })
})

describe('standing()', () => {
  test('asks for all in one search a scope and two calls', async () => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'), dataset('u', 'c'))
    const targets = await frozen(it)
    it.calls()
    expect(await it.source.standing(targets, false, never)).toEqual(Array(3).fill({ standing: 'requested' }))
    // The tag last: between it and the telling somebody may withdraw it.
    expect(it.calls()).toEqual(['bulkmeta', 'bulkfiles', 'search', 'search'])
  })

  const changes: [string, (ds: Dataset) => unknown, string][] = [
    ['reopened', (ds) => (ds.open = true), 'it was reopened'],
    [
      'closed again',
      (ds) => (ds.closedAt = 'Sun, 22 Nov 2026 00:00:00 UTC'),
      'it was closed again at 2026-11-22T00:00:00.000Z',
    ],
    ['shortened', (ds) => ds.files.pop(), 'it now has 1 files, not 2'],
    ['grown', (ds) => (ds.files[0]!.bytes = 11), 'it now has 21 bytes, not 20'],
    ['exchanged in part', (ds) => (ds.files[0]!.adler32 = '1'), 'its files are not those that were archived'],
  ]
  test.each(changes)('says that a dataset was %s, and whether it was told', async (_, change, why) => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    const targets = await frozen(it)
    change(it.datasets[0]!)
    expect(await it.source.standing(targets, false, never)).toEqual([
      { standing: 'changed', why, told: false },
      { standing: 'requested' },
    ])
    it.datasets[0]!.tag = 'TAPE:done'
    expect((await it.source.standing(targets, false, never))[0]).toEqual({ standing: 'changed', why, told: true })
    expect((await it.source.standing(targets, true, never))[0]).toEqual({ standing: 'changed', why, told: true })
  })

  test.each([
    ['TAPE:done', { standing: 'done' }],
    ['TAPE:Done', { standing: 'withdrawn', why: 'the tag is now "TAPE:Done"' }],
    ['OTHER:done', { standing: 'withdrawn', why: 'the tag is now "OTHER:done"' }],
    [undefined, { standing: 'withdrawn', why: 'the tag is gone' }],
  ])('asks alone who is no longer requested: a tag of %s', async (tag, expected) => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    const targets = await frozen(it)
    it.datasets[0]!.tag = tag
    expect(await it.source.standing(targets, false, never)).toEqual([expected, { standing: 'requested' }])
  })

  test('asks nobody alone after telling, and shows an update that was lost', async () => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    const targets = await frozen(it)
    it.datasets[0]!.tag = 'TAPE:done'
    it.calls()
    expect(await it.source.standing(targets, true, never)).toEqual([{ standing: 'done' }, { standing: 'requested' }])
    expect(it.calls()).toEqual(['bulkmeta', 'bulkfiles', 'search'])
  })

  test('takes a dataset that is gone for withdrawn', async () => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    const targets = await frozen(it)
    it.datasets.shift()
    const gone = { standing: 'withdrawn', why: 'Rucio no longer knows it' }
    expect(await it.source.standing(targets, false, never)).toEqual([gone, { standing: 'requested' }])
    expect(await it.source.standing(targets, true, never)).toEqual([gone, { standing: 'requested' }])
  })

  test('does not take a list that was cut between two lines for a change', async () => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    const targets = await frozen(it)
    it.odd = cutting('/dids/bulkfiles', 1)(it.datasets)
    expect(await it.source.standing(targets, false, never)).toEqual(Array(2).fill({ standing: 'requested' }))
  })

  test.each([false, true])(
    'does not take columns that were cut between two lines for a withdrawal (told: %s)',
    async (told) => {
      const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
      const targets = await frozen(it)
      it.odd = cutting('/dids/bulkmeta', 1)(it.datasets)
      expect(await it.source.standing(targets, told, never)).toEqual(Array(2).fill({ standing: 'requested' }))
    },
  )

  test('does not take a search that was cut for a withdrawal', async () => {
    const it = await world(dataset('raw', 'a'))
    const targets = await frozen(it)
    it.odd = when(
      ({ url }) => url.includes('dids/search'),
      (response) => response.end(),
    )
    expect(await it.source.standing(targets, false, never)).toEqual([{ standing: 'requested' }])
  })
})

describe('a question that only one dataset makes too long for the server', () => {
  /** A proxy that gives up on each question about the files of b. */
  const tooLong = (status: number) =>
    when(
      ({ url, body }) => url.startsWith('/dids/bulkfiles') && body.includes('"b"'),
      (response) => response.writeHead(status).end(),
    )

  test.each([502, 504])('is not taken for an outage (%i): the others are not paused for it', async (status) => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    const targets = await frozen(it)
    it.odd = tooLong(status)
    const [poll] = await it.source.poll(never)
    const sightings = 'sightings' in poll! ? poll.sightings : []
    await expect(it.source.freeze(sightings, never)).rejects.toMatchObject({ code: 'RUCIO_FAILED' })
    await expect(it.source.standing(targets, false, never)).rejects.toMatchObject({ code: 'RUCIO_FAILED' })
    expect(await it.source.standing(targets.slice(0, 1), false, never)).toEqual([{ standing: 'requested' }])
  })

  test('is one when nothing else is answered either', async () => {
    const it = await world(dataset('raw', 'a'))
    const targets = await frozen(it)
    it.odd = when(
      ({ url }) => !url.startsWith('/auth'),
      (response) => response.writeHead(502).end(),
    )
    await expect(it.source.standing(targets, false, never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE' })
  })
})

describe('tellDone() and tellNeed()', () => {
  test('write the two exact strings, fifty in a call', async () => {
    const it = await world(...Array.from({ length: 51 }, (_, i) => dataset('raw', `ds${i}`)))
    const dids = it.datasets.map(({ did }) => did)
    expect(await it.source.tellDone(dids, never)).toEqual(Array(51).fill({ told: true }))
    expect(it.datasets.map(({ tag }) => tag)).toEqual(Array(51).fill('TAPE:done'))
    expect(it.calls()).toEqual(['bulkdidsmeta', 'bulkdidsmeta'])
    await it.source.tellNeed(dids, never)
    expect(it.datasets.map(({ tag }) => tag)).toEqual(Array(51).fill('TAPE:need'))
  })

  test('find the culprits of a refused batch, each with its own error', async () => {
    const names = ['a', 'b', 'forbidden', 'c', 'd', 'e', 'gone', 'f']
    const it = await world(...names.filter((name) => name !== 'gone').map((name) => dataset('raw', name)))
    const tellings = await it.source.tellDone(
      names.map((name) => ({ scope: 'raw', name })),
      never,
    )
    expect(tellings.map((telling) => (telling.told ? 'told' : (telling.error as { code?: string }).code))).toEqual(
      ['told', 'told', 'NOT_ALLOWED', 'told', 'told', 'told', 'DID_GONE', 'told'], // prettier-ignore
    )
  })

  test('find the one whose transaction always fails, as long as Rucio can be read', async () => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    it.odd = when(
      ({ url, body }) => url === '/dids/bulkdidsmeta' && body.includes('"a"'),
      (response) => refuse(response, 500, 'DatabaseException'),
    )
    const tellings = await it.source.tellDone(
      it.datasets.map(({ did }) => did),
      never,
    )
    expect(tellings).toMatchObject([{ told: false, error: { code: 'RUCIO_FAILED' } }, { told: true }])
  })

  test.each([
    [502, 'RUCIO_UNREACHABLE', 5],
    [500, 'RUCIO_FAILED', 10],
  ])('throw when all fails with %i, and search for no culprit', async (status, code, calls) => {
    const it = await world(dataset('raw', 'a'), dataset('raw', 'b'))
    it.odd = when(
      ({ url }) => !url.startsWith('/auth'),
      (response) => response.writeHead(status).end(),
    )
    await expect(
      it.source.tellDone(
        it.datasets.map(({ did }) => did),
        never,
      ),
    ).rejects.toMatchObject({ code })
    expect(it.calls()).toHaveLength(calls)
  })
})

describe('describe()', () => {
  test('says all that Rucio knows of a dataset, and what is wrong with it', async () => {
    const lost = dataset('raw', 'lost', 'OTHER:need')
    lost.files[0]!.state = 'BAD'
    lost.files[1]!.state = null
    const it = await world(lost)
    const description = await it.source.describe(lost.did, never)
    expect(description).toMatchObject({
      type: 'DATASET',
      waiting: null,
      tag: 'OTHER:need',
      length: 2,
      bytes: 20,
      files: 2,
    })
    expect([...description!.replicas]).toEqual(expect.arrayContaining([['BAD', 1], [null, 1]])) // prettier-ignore
    expect(description!.problems.map(({ code }) => code).sort()).toEqual(['REPLICA_MISSING', 'REPLICA_UNAVAILABLE'])
  })

  test('does not hold the stale count of an open dataset against it', async () => {
    const it = await world({ ...dataset('raw', 'ds', undefined), open: true })
    it.odd = ({ url }, response) => {
      if (!url.includes('/meta?')) return false
      response.end(JSON.stringify({ ...columnsOf(it.datasets[0]!), length: 7 }))
      return true
    }
    expect(await it.source.describe(it.datasets[0]!.did, never)).toMatchObject({
      waiting: 'open',
      tag: null,
      problems: [],
    })
  })

  test('says what a container is, and null for what Rucio does not know', async () => {
    const it = await world({ ...dataset('raw', 'c'), type: 'CONTAINER' })
    expect(await it.source.describe(it.datasets[0]!.did, never)).toMatchObject({
      type: 'CONTAINER',
      waiting: 'container',
      files: 0,
    })
    expect(await it.source.describe({ scope: 'raw', name: 'nope' }, never)).toBeNull()
  })
})
