import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from '@jest/globals'
import { scriptedServer } from '../testing/scripted-server.ts'
import type { HttpAnswer } from './http.ts'
import { Http } from './http.ts'

const never = new AbortController().signal
const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** For 127.0.0.1, from 2020 to 2120; signed by itself. */
const tls = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTii5byVnL0xJORIs
OBDN354A8rZ1Gr2rkzSc/Cqa0X6hRANCAASPl15aRa1hb8JDrh/4F9+VXgsq+Cc2
iYUmpz48v9a2rPJdNNl66S/vKao1o+Hyp8BASmfdR4QBKDaG5ieKqKQ4
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBPDCB46ADAgECAgEBMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCTEyNy4wLjAu
MTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDESMBAGA1UEAwwJ
MTI3LjAuMC4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEj5deWkWtYW/CQ64f
+BfflV4LKvgnNomFJqc+PL/WtqzyXTTZeukv7ymqNaPh8qfAQEpn3UeEASg2huYn
iqikOKMkMCIwDwYDVR0RBAgwBocEfwAAATAPBgNVHRMBAf8EBTADAQH/MAoGCCqG
SM49BAMCA0gAMEUCIQCMFyJfdtTl7UzZh0b6rrzgrttE6bDSuvKUx704p6T+tgIg
CoPfZpeoLPRqwv5OrYtKiFR4qpLZU2QwIzgAF7xgbFg=
-----END CERTIFICATE-----`,
}

function http(ca: readonly string[] | null, connectMs = 10_000): Http {
  const made = new Http({ ca, connectMs, silenceMs: 10_000 })
  closing.unshift(() => made.close())
  return made
}

async function text({ body }: HttpAnswer): Promise<string> {
  let text = ''
  for await (const chunk of body) text += Buffer.from(chunk).toString()
  return text
}

const get = (url: string) => ({ what: 'ask', method: 'GET', url, headers: {}, body: null }) as const

test('send() trusts the authorities it is given, and nobody else', async () => {
  const server = await scriptedServer((_, response) => response.end('hello'), tls)
  closing.push(() => server.close())
  const answer = await http([tls.cert]).send(get(server.url), never)
  expect(await text(answer)).toBe('hello')
  await expect(http(null).send(get(server.url), never)).rejects.toMatchObject({
    code: 'RUCIO_UNREACHABLE',
    again: false,
    message: expect.stringContaining('rucio.ca') as unknown,
  })
})

test('send() says so when a server that should speak TLS does not', async () => {
  const server = await scriptedServer((_, response) => response.end())
  closing.push(() => server.close())
  await expect(http(null).send(get(server.url.replace('http:', 'https:')), never)).rejects.toMatchObject({
    code: 'RUCIO_UNREACHABLE',
  })
})

test('send() gives up a connection that does not come to stand', async () => {
  const server = await scriptedServer(() => undefined) // takes the connection, but does not speak TLS
  closing.push(() => server.close())
  const silent = get(server.url.replace('http:', 'https:'))
  await expect(http(null, 1).send(silent, never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE' })
})

test('send() takes compressed answers', async () => {
  const server = await scriptedServer((_, response) =>
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('hello')),
  )
  closing.push(() => server.close())
  const answer = await http(null).send(get(server.url), never)
  expect(await text(answer)).toBe('hello')
})
