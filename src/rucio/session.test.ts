import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { makeAuthority, makeServer, makeUser, type Certificate } from '../testing/certificates.ts'
import { scriptedServer, type Seen } from '../testing/scripted-server.ts'
import type { Life } from '../model/credential.ts'
import type { ClientCertificate } from './client-certificate.ts'
import { rucioClient, type RucioClient } from './client.ts'
import { UnusableFile } from './secret-file.ts'
import type { SignInMethod } from './session.ts'

const never = new AbortController().signal
const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

let authority: Certificate
let tls: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Authority')
  tls = await makeServer(authority, ['127.0.0.1'])
})

const now = new Date()
const inHours = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000)

async function setUp(
  method: SignInMethod,
  answer: (request: Seen, response: ServerResponse, count: number) => void,
  clock: () => number = () => 0,
): Promise<{ client: RucioClient; seen: readonly Seen[] }> {
  const server = await scriptedServer(answer, {
    ...tls,
    ca: authority.cert,
    requestCert: true,
    rejectUnauthorized: false,
  })
  const trusted = [authority.cert]
  const client = rucioClient({
    host: server.url,
    method,
    authorities: { current: () => Promise.resolve(trusted), renewed: () => Promise.resolve(trusted) },
    userAgent: 'tape-rse/test',
    now: () => now,
    clock,
    random: () => 0,
    sleep: () => Promise.resolve(),
  })
  closing.push(
    () => client.close(),
    () => server.close(),
  )
  return { client, seen: server.seen }
}

const inAnHour = (): string => inHours(1).toUTCString().replace('GMT', 'UTC')
const signIn = (response: ServerResponse) =>
  response.writeHead(200, { 'X-Rucio-Auth-Token': 'issued', 'X-Rucio-Auth-Token-Expires': inAnHour() }).end()
const refuse = (response: ServerResponse, status: number, ExceptionClass: string) =>
  response.writeHead(status).end(JSON.stringify({ ExceptionClass, ExceptionMessage: 'said Rucio' }))
const scopes = (response: ServerResponse) => response.writeHead(200).end('["raw"]')

async function identity(
  life: Partial<Life> = {},
  kind: ClientCertificate['kind'] = 'proxy',
): Promise<ClientCertificate> {
  const user = await makeUser(authority, 'Tape Agent')
  const lasting = { from: inHours(-1), until: inHours(1), issued: null, ...life }
  return { ...user, kind, file: '/tmp/x509up_u1000', subject: '/DC=org/DC=example/CN=Tape Agent', life: lasting }
}

const certified = (identity: () => Promise<ClientCertificate>, account: string | null = 'tapeagent'): SignInMethod => ({
  type: 'x509_proxy',
  account,
  vo: null,
  certificate: identity,
})

describe('a certificate or proxy', () => {
  test.each(['x509', 'x509_proxy'] as const)('of type %s signs in, and is shown for nothing else', async (type) => {
    const mine = await identity()
    const shown: string[] = []
    const credentials = { type, account: 'tapeagent', vo: 'lsst', certificate: () => Promise.resolve(mine) } as const
    const { client, seen } = await setUp(credentials, ({ url }, response) => {
      const subject = (response.socket as TLSSocket).getPeerCertificate().subject as object | undefined
      shown.push(`${url}: ${subject === undefined ? 'nobody' : 'somebody'}`)
      if (url.startsWith('/auth')) signIn(response)
      else scopes(response)
    })
    expect(await client.scopes(never)).toEqual(['raw'])
    expect(shown).toEqual([`/auth/${type}: somebody`, '/scopes/: nobody'])
    expect(seen[0]!.headers).toMatchObject({ 'x-rucio-account': 'tapeagent', 'x-rucio-vo': 'lsst' })
    expect(seen[1]!.headers).toMatchObject({ 'x-rucio-auth-token': 'issued' })
  })

  test.each([
    ['expired', { until: inHours(-2) }, `expired at ${inHours(-2).toISOString()}`],
    ['is not valid yet', { from: inHours(2) }, `is not valid before ${inHours(2).toISOString()}`],
  ])('that %s is said to be so when the server breaks the connection, and read anew', async (_, life, what) => {
    let mine = await identity(life)
    const { client } = await setUp(
      certified(() => Promise.resolve(mine)),
      ({ url }, response) => {
        if (!url.startsWith('/auth')) scopes(response)
        else if (mine.life.until! < now || mine.life.from! > now) response.socket?.destroy()
        else signIn(response)
      },
    )
    await expect(client.scopes(never)).rejects.toMatchObject({
      code: 'CREDENTIAL_NOT_VALID',
      message: `Cannot sign in to Rucio as tapeagent: the proxy /tmp/x509up_u1000 ${what}`,
    })
    mine = await identity()
    expect(await client.scopes(never)).toEqual(['raw'])
  })

  test('that is good is not blamed for a connection that breaks', async () => {
    const mine = await identity()
    const { client, seen } = await setUp(
      certified(() => Promise.resolve(mine)),
      (_, response) => response.socket?.destroy(),
    )
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'RUCIO_UNREACHABLE' })
    expect(seen).toHaveLength(5)
  })

  test('that is too old for nginx is said to be so', async () => {
    const mine = await identity({ until: inHours(-2) })
    const { client } = await setUp(
      certified(() => Promise.resolve(mine)),
      (_, response) => response.writeHead(400).end('<html>The SSL certificate error</html>'),
    )
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_VALID' })
  })

  test('that Rucio does not know is said with its subject', async () => {
    const mine = await identity({}, 'certificate')
    const { client, seen } = await setUp(
      certified(() => Promise.resolve(mine)),
      (_, response) => refuse(response, 401, 'CannotAuthenticate'),
    )
    await expect(client.scopes(never)).rejects.toMatchObject({
      code: 'SIGN_IN_REFUSED',
      message: expect.stringContaining('/tmp/x509up_u1000 of /DC=org/DC=example/CN=Tape Agent') as unknown,
      hint: expect.stringContaining('type X509') as unknown,
    })
    expect(seen).toHaveLength(1)
  })

  test('that cannot be read is looked at again, and then said', async () => {
    let looks = 0
    const { client } = await setUp(
      certified(() => (++looks < 3 ? Promise.reject(new UnusableFile('/x is empty', 'Write it.')) : identity())),
      ({ url }, response) => (url.startsWith('/auth') ? signIn(response) : scopes(response)),
    )
    expect(await client.scopes(never)).toEqual(['raw'])
    let reads = 0
    const { client: other } = await setUp(
      certified(() => Promise.reject(new UnusableFile('/x is empty', `Write it. ${++reads}`))),
      (_, response) => signIn(response),
    )
    await expect(other.scopes(never)).rejects.toMatchObject({
      code: 'CREDENTIAL_UNUSABLE',
      message: 'Cannot sign in to Rucio as tapeagent: /x is empty',
      hint: 'Write it. 5',
    })
  })
})

describe('without an account', () => {
  const anybody = (): Promise<ClientCertificate> => identity()

  test('Rucio is asked which one the identity has', async () => {
    const { client, seen } = await setUp(certified(anybody, null), ({ url }, response) =>
      url.startsWith('/auth') ? signIn(response) : scopes(response),
    )
    expect(await client.scopes(never)).toEqual(['raw'])
    expect(seen[0]!.headers).toMatchObject({ 'x-rucio-allow-return-multiple-accounts': 'true' })
    expect(seen[0]!.headers).not.toHaveProperty('x-rucio-account')
  })

  test('an identity that has several is an error that names them', async () => {
    const { client, seen } = await setUp(certified(anybody, null), (_, response) =>
      response.writeHead(206, { 'X-Rucio-Auth-Accounts': 'root,tapeagent' }).end('["root", "tapeagent"]'),
    )
    await expect(client.scopes(never)).rejects.toMatchObject({
      code: 'SIGN_IN_REFUSED',
      message: 'Cannot sign in to Rucio: the identity has several accounts: root, tapeagent',
      hint: expect.stringContaining('rucio.account') as unknown,
    })
    expect(seen).toHaveLength(1)
  })
})

describe('a token in a file', () => {
  function inFile(first: string, life: Life = { from: null, until: null, issued: null }) {
    const file = { value: first, life, file: '/run/token' }
    const looks = { renewed: 0 }
    const credentials: SignInMethod = {
      type: 'token',
      account: 'tapeagent',
      vo: null,
      token: {
        current: () => Promise.resolve({ ...file }),
        renewed: () => {
          looks.renewed++
          return Promise.resolve({ ...file })
        },
      },
    }
    return { file, looks, credentials }
  }
  const knowing =
    (...good: string[]) =>
    ({ url, headers }: Seen, response: ServerResponse) =>
      good.includes(headers['x-rucio-auth-token'] as string)
        ? answer(url, response)
        : refuse(response, 401, 'CannotAuthenticate')
  const answer = (url: string, response: ServerResponse) =>
    url === '/accounts/whoami' ? response.writeHead(303, { Location: 'tapeagent' }).end() : scopes(response)

  test('is shown as it is, without a sign-in, and first by one call alone', async () => {
    const { client, seen } = await setUp(inFile('good').credentials, knowing('good'))
    await Promise.all([client.scopes(never), client.scopes(never)])
    expect(await client.scopes(never)).toEqual(['raw'])
    expect(seen.map(({ url }) => url)).toEqual(['/accounts/whoami', '/scopes/', '/scopes/', '/scopes/'])
  })

  test('that another program shows at the same moment is shown again', async () => {
    const { client, seen } = await setUp(inFile('good').credentials, (request, response, count) =>
      knowing(...(count === 1 ? [] : ['good']))(request, response),
    )
    expect(await client.scopes(never)).toEqual(['raw'])
    expect(seen).toHaveLength(3)
  })

  test('that was refused is shown again after a minute: its account may have been mapped', async () => {
    let good: string[] = []
    let time = 0
    const { client, seen } = await setUp(
      inFile('new').credentials,
      (request, response) => knowing(...good)(request, response),
      () => time,
    )
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'SIGN_IN_REFUSED' })
    good = ['new']
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'SIGN_IN_REFUSED' })
    expect(seen).toHaveLength(2)
    time += 60_000
    expect(await client.scopes(never)).toEqual(['raw'])
  })

  test.each(['https://h:443:443/accounts/a', 'http://', '/accounts/%E0%A4%A', '/somewhere'])(
    'is taken when Rucio says whose it is by %s',
    async (location) => {
      const { client } = await setUp(inFile('good').credentials, ({ url }, response) =>
        url === '/scopes/' ? scopes(response) : response.writeHead(303, { Location: location }).end(),
      )
      expect(await client.scopes(never)).toEqual(['raw'])
    },
  )

  test('of another account is refused', async () => {
    const { credentials } = inFile('good')
    const { client } = await setUp({ ...credentials, account: 'root' }, knowing('good'))
    await expect(client.scopes(never)).rejects.toMatchObject({
      code: 'SIGN_IN_REFUSED',
      message: 'Cannot sign in to Rucio as root: the token in /run/token is that of the account tapeagent',
    })
  })

  test('that Rucio refuses is shown once, until the file holds another', async () => {
    const { file, looks, credentials } = inFile('canary-old')
    const { client, seen } = await setUp(credentials, knowing('good'))
    for (let i = 0; i < 2; i++) {
      const error = await client.scopes(never).catch((error: unknown) => error)
      expect(error).toMatchObject({
        code: 'SIGN_IN_REFUSED',
        message:
          'Cannot sign in to Rucio as tapeagent: Rucio refused the token in /run/token: Rucio says 401 CannotAuthenticate: said Rucio',
      })
      expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain('canary-old')
    }
    expect(seen).toHaveLength(2)
    file.value = 'good'
    expect(await client.scopes(never)).toEqual(['raw'])
    expect(looks.renewed).toBe(3)
  })

  test('that was renewed just now is shown in the same call', async () => {
    const { file, credentials } = inFile('old')
    const { client } = await setUp(credentials, (request, response) => {
      knowing(...(file.value === 'old' && request.url !== '/scopes/' ? ['old'] : ['good']))(request, response)
      if (request.url === '/scopes/') file.value = 'good'
    })
    expect(await client.scopes(never)).toEqual(['raw'])
  })

  test.each([
    [{ from: null, until: inHours(-1), issued: null }, `expired at ${inHours(-1).toISOString()}`],
    [{ from: inHours(1), until: null, issued: null }, `is not valid before ${inHours(1).toISOString()}`],
  ])('that Rucio refuses and that says why: %o', async (life, what) => {
    const { client } = await setUp(inFile('dead', life).credentials, knowing())
    await expect(client.scopes(never)).rejects.toMatchObject({
      code: 'CREDENTIAL_NOT_VALID',
      message: `Cannot sign in to Rucio as tapeagent: the token /run/token ${what}`,
    })
  })

  test('that no header can carry is refused', async () => {
    const { client, seen } = await setUp(inFile('two\nlines').credentials, knowing())
    await expect(client.scopes(never)).rejects.toMatchObject({ code: 'CREDENTIAL_UNUSABLE' })
    expect(seen).toEqual([])
  })
})
