import { once } from 'node:events'
import http from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { makeAuthority, makeServer, makeUser, type Certificate } from '../testing/certificates.ts'
import { scriptedServer } from '../testing/scripted-server.ts'
import type { Rereading } from '../io/rereading.ts'
import type { ClientCertificate } from './client-certificate.ts'
import { UnusableFile } from './secret-file.ts'
import type { HttpAnswer, HttpOptions } from './http.ts'
import { Http } from './http.ts'

const never = new AbortController().signal
const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

let authority: Certificate
let other: Certificate
let tls: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Authority')
  other = await makeAuthority('Other Authority')
  tls = await makeServer(authority, ['127.0.0.1', 'localhost'])
})

function open(options: Partial<HttpOptions> = {}): Http {
  const defaults = {
    authorities: trust(authority),
    unverified: false,
    proxy: null,
    connectMs: 10_000,
    silenceMs: 10_000,
  }
  const made = new Http({ ...defaults, ...options })
  closing.unshift(() => made.close())
  return made
}

function trust(...certificates: readonly Certificate[]): Rereading<readonly string[]> {
  const texts = certificates.map(({ cert }) => cert)
  return always(() => Promise.resolve(texts))
}

const always = <T>(read: () => Promise<T>): Rereading<T> => ({ current: read, renewed: read })

async function hello(options: Parameters<typeof scriptedServer>[1] = tls) {
  const server = await scriptedServer((_, response) => response.end('hello'), options)
  closing.push(() => server.close())
  return server
}

async function text({ body }: HttpAnswer): Promise<string> {
  let text = ''
  for await (const chunk of body) text += Buffer.from(chunk).toString()
  return text
}

const get = (url: string, certificate?: ClientCertificate) =>
  ({
    what: 'ask',
    method: 'GET',
    url,
    headers: {},
    body: null,
    ...(certificate !== undefined && { certificate }),
  }) as const

describe('whom send() trusts', () => {
  test('the authorities it is given, and nobody else', async () => {
    const { url } = await hello()
    expect(await text(await open().send(get(url), never))).toBe('hello')
    for (const authorities of [null, trust(other)])
      await expect(open({ authorities }).send(get(url), never)).rejects.toMatchObject({
        code: 'RUCIO_NOT_TRUSTED',
        again: false,
        message: `Cannot ask: ${url}: no authority that is trusted here has signed its certificate`,
        hint: expect.stringContaining('rucio.ca') as unknown,
      })
  })

  test('nobody else because of the environment', async () => {
    const { url } = await hello()
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const refused = open({ authorities: trust(other) }).send(get(url), never)
      await expect(refused).rejects.toMatchObject({ code: 'RUCIO_NOT_TRUSTED' })
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    }
  })

  test('nobody who has the certificate of another host', async () => {
    const { url } = await hello(await makeServer(authority, ['rucio.example.org']))
    await expect(open().send(get(url), never)).rejects.toMatchObject({
      code: 'RUCIO_NOT_TRUSTED',
      message: expect.stringMatching(/another host .*127\.0\.0\.1/) as unknown,
      hint: expect.stringContaining('rucio.host') as unknown,
    })
  })

  test.each([
    ['has expired', -2, -1],
    ['is not valid yet', 1, 2],
  ])('nobody whose certificate %s', async (what, from, until) => {
    const day = (days: number) => new Date(Date.now() + days * 86_400_000)
    const { url } = await hello(await makeServer(authority, ['127.0.0.1'], { from: day(from), until: day(until) }))
    await expect(open().send(get(url), never)).rejects.toMatchObject({
      code: 'RUCIO_NOT_TRUSTED',
      message: expect.stringContaining(what) as unknown,
    })
  })

  test('everybody where that is said', async () => {
    const { url } = await hello(await makeServer(other, ['rucio.example.org']))
    expect(await text(await open({ unverified: true }).send(get(url), never))).toBe('hello')
  })

  test('others when the authorities change, without a request that fails or breaks', async () => {
    let trusted: readonly string[] = [other.cert]
    let held: readonly string[] = trusted
    const authorities = {
      current: () => Promise.resolve(held),
      renewed: () => Promise.resolve((held = trusted)),
    }
    const http = open({ authorities })
    const late = Promise.withResolvers<undefined>()
    const server = await scriptedServer((request, response) => {
      if (request.url === '/late') void late.promise.then(() => response.end('late'))
      else response.end('hello')
    }, tls)
    closing.push(() => server.close())
    await expect(http.send(get(server.url), never)).rejects.toMatchObject({ code: 'RUCIO_NOT_TRUSTED' })
    trusted = [authority.cert]
    const slow = http.send(get(`${server.url}/late`), never)
    expect(await text(await http.send(get(server.url), never))).toBe('hello')
    held = trusted = [other.cert]
    await expect(http.send(get(server.url), never)).rejects.toMatchObject({ code: 'RUCIO_NOT_TRUSTED' })
    late.resolve(undefined)
    expect(await text(await slow)).toBe('late')
  })

  test('nobody while the authorities hang, and then nobody waits who is told to stop', async () => {
    const { url } = await hello()
    const stop = new AbortController()
    const authorities = always(() => {
      setImmediate(() => stop.abort())
      return new Promise<never>(() => undefined)
    })
    await expect(open({ authorities }).send(get(url), stop.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })

  test('nobody while the authorities cannot be read', async () => {
    const { url } = await hello()
    const authorities = always(() => Promise.reject(new UnusableFile('/etc/ca does not exist', 'Correct the name.')))
    await expect(open({ authorities }).send(get(url), never)).rejects.toMatchObject({
      code: 'CREDENTIAL_UNUSABLE',
      again: true,
      message: 'Cannot ask: /etc/ca does not exist',
      hint: 'Correct the name.',
    })
  })
})

describe('TLS', () => {
  test('older than 1.2 is not spoken', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    const { url } = await hello({ ...tls, ...old })
    await expect(open().send(get(url), never)).rejects.toMatchObject({
      code: 'RUCIO_UNREACHABLE',
      message: expect.stringContaining('TLS fails') as unknown,
      hint: expect.stringContaining('TLS 1.2') as unknown,
    })
    const { url: newer } = await hello({ ...tls, maxVersion: 'TLSv1.2' })
    expect(await text(await open().send(get(newer), never))).toBe('hello')
  })

  test('that a server does not speak is said', async () => {
    const { url } = await hello(null)
    await expect(open().send(get(url.replace('http:', 'https:')), never)).rejects.toMatchObject({
      code: 'RUCIO_UNREACHABLE',
    })
  })

  test('shows who we are where asked to, on a connection of its own', async () => {
    const user = await makeUser(other, 'Tape Agent')
    const certificate = {
      ...user,
      kind: 'certificate',
      file: '/x',
      subject: '/CN=x',
      life: { from: null, until: null, issued: null },
    } as const
    const shown: unknown[] = []
    const server = await scriptedServer(
      (_, response) => {
        const subject = (response.socket as TLSSocket).getPeerCertificate().subject as object | undefined
        shown.push(subject === undefined ? null : { ...subject })
        response.end()
      },
      { ...tls, ca: other.cert, requestCert: true, rejectUnauthorized: false },
    )
    closing.push(() => server.close())
    const http = open()
    for (const request of [get(server.url), get(server.url, certificate), get(server.url)])
      await text(await http.send(request, never))
    expect(shown).toEqual([null, { DC: ['org', 'example'], CN: 'Tape Agent' }, null])
    expect(server.connections).toBe(2)
  })
})

describe('connections', () => {
  test('are used again', async () => {
    const server = await hello()
    const http = open()
    for (let i = 0; i < 3; i++) await text(await http.send(get(server.url), never))
    expect(server.connections).toBe(1)
  })

  test('that do not come to stand are given up', async () => {
    const server = await scriptedServer(() => undefined) // takes the connection, but does not speak TLS
    closing.push(() => server.close())
    const silent = get(server.url.replace('http:', 'https:'))
    await expect(open({ connectMs: 1 }).send(silent, never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE' })
  })

  test('that stand wait for their answer as long as is said, and no longer', async () => {
    const server = await scriptedServer((_, response) => void setTimeout(() => response.end('late'), 100), tls)
    closing.push(() => server.close())
    expect(await text(await open({ connectMs: 5000 }).send(get(server.url), never))).toBe('late')
    await expect(open({ silenceMs: 20 }).send(get(server.url), never)).rejects.toMatchObject({
      code: 'RUCIO_UNREACHABLE',
      again: false,
    })
  })

  test('that are reset, before an answer or in it, are an error that may be tried again', async () => {
    const server = await scriptedServer((request, response) => {
      const reset = () => response.socket!.resetAndDestroy()
      if (request.url === '/before') reset()
      else response.write('he', () => setImmediate(reset))
    })
    closing.push(() => server.close())
    await expect(open().send(get(`${server.url}/before`), never)).rejects.toMatchObject({
      code: 'RUCIO_UNREACHABLE',
      again: true,
    })
    await expect(open().send(get(server.url), never).then(text)).rejects.toThrow()
  })

  test('are not redirected', async () => {
    const { url } = await hello()
    const server = await scriptedServer((_, response) => response.writeHead(302, { Location: url }).end(), tls)
    closing.push(() => server.close())
    expect((await open().send(get(server.url), never)).status).toBe(302)
  })
})

describe('a proxy', () => {
  async function tunnel() {
    const asked: string[] = []
    const server = http.createServer((request, response) => {
      asked.push(`${request.method!} ${request.url!}`)
      response.end('from the proxy')
    })
    server.on('connect', ({ url }, socket) => {
      asked.push(`CONNECT ${url!}`)
      const [host, port] = url!.split(':')
      const onward = connect(Number(port), host)
      onward.once('connect', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
      socket.pipe(onward).pipe(socket)
      for (const end of [socket, onward]) end.on('error', () => [socket, onward].forEach((each) => each.destroy()))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return { asked, port: (server.address() as AddressInfo).port }
  }

  test('of the environment is not heeded', async () => {
    const { asked, port } = await tunnel()
    const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'ALL_PROXY']
    const before = names.map((name) => process.env[name])
    try {
      for (const name of names) process.env[name] = `http://127.0.0.1:${port}`
      for (const { url } of [await hello(), await hello(null)])
        expect(await text(await open().send(get(url), never))).toBe('hello')
    } finally {
      names.forEach((name, index) => {
        process.env[name] = before[index] ?? '' // empty: none
      })
    }
    expect(asked).toEqual([])
  })

  test('that is configured is told where to, and nothing of what is said', async () => {
    const { asked, port } = await tunnel()
    const { url } = await hello()
    const http = open({ proxy: new URL(`http://127.0.0.1:${port}`) })
    expect(await text(await http.send(get(`${url}/secret`), never))).toBe('hello')
    expect(asked).toEqual([`CONNECT ${new URL(url).host}`])
    const proxy = new URL(`http://127.0.0.1:${port}`)
    await expect(open({ authorities: trust(other), proxy }).send(get(url), never)).rejects.toMatchObject({
      code: 'RUCIO_NOT_TRUSTED',
    })
    asked.length = 0
    const [through, plain] = [open({ proxy }), await hello(null)]
    for (const target of [url, url, plain.url, plain.url])
      expect(await text(await through.send(get(target), never))).toBe('hello')
    expect(asked.map((each) => each.trim())).toEqual([
      `CONNECT ${new URL(url).host}`,
      `CONNECT ${new URL(plain.url).host}`,
    ])
  })

  test('leads to nobody who has the certificate of another host', async () => {
    const { port } = await tunnel()
    const { url } = await hello(await makeServer(authority, ['rucio.example.org']))
    const http = open({ proxy: new URL(`http://127.0.0.1:${port}`) })
    await expect(http.send(get(url), never)).rejects.toMatchObject({ code: 'RUCIO_NOT_TRUSTED' })
  })

  test('leads to answers that take longer than a connection may', async () => {
    const { port } = await tunnel()
    const server = await scriptedServer((_, response) => void setTimeout(() => response.end('late'), 1500), tls)
    closing.push(() => server.close())
    const http = open({ proxy: new URL(`http://127.0.0.1:${port}`), connectMs: 1000 })
    expect(await text(await http.send(get(server.url), never))).toBe('late')
  })

  test('that is not there, refuses, or does not answer is an error of the connection', async () => {
    const door = createServer().listen(0, '127.0.0.1')
    await once(door, 'listening')
    const { port } = door.address() as AddressInfo
    door.close()
    const refusing = await scriptedServer((_, response) => response.end())
    closing.push(() => refusing.close())
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    closing.push(() => void silent.close())
    for (const proxy of [
      `http://127.0.0.1:${port}`,
      refusing.url,
      `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    ])
      await expect(
        open({ proxy: new URL(proxy), connectMs: 50 }).send(get('https://rucio.example.org'), never),
      ).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE', again: true })
  })
})

test('send() takes compressed answers', async () => {
  const server = await scriptedServer((_, response) =>
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('hello')),
  )
  closing.push(() => server.close())
  const answer = await open().send(get(server.url), never)
  expect(await text(answer)).toBe('hello')
})
