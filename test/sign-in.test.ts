import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import {
  lately,
  makeAuthority,
  makeProxy,
  makeUser,
  type Certificate,
  type Lifetime,
} from '../src/testing/certificates.ts'
import { readCatalog } from '../src/catalog/sqlite.ts'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { startIssuer, type Issuer } from './rucio/issuer.ts'
import { seedDataset, sql } from './rucio/testbed.ts'
import { endServices, startService, until, type Service } from './running.ts'
import { makeSite, type Site } from './site.ts'
import { describeWithEachRucio } from './with-rucio.ts'

/** Signing in as sites do: the built command, behind TLS, with certificates, proxies and tokens. */

const never = new AbortController().signal
const content = (label: string) => createHash('shake256', { outputLength: 5000 }).update(label).digest()
const seconds = (from: number, until: number): Lifetime => ({
  from: new Date(Date.now() + from * 1000),
  until: new Date(Date.now() + until * 1000),
})

describeWithEachRucio('signing in', (bed) => {
  let root: RucioRest
  let authority: Certificate
  /** Whose identity `account` has. */
  let user: Certificate
  let account: string
  let scope: string
  let site: Site
  let services: Service[]
  const closing: (() => unknown)[] = []

  const newName = () => `x${randomBytes(5).toString('hex')}`
  async function newAccount(admin: boolean): Promise<string> {
    const name = newName()
    await root.ok('POST', `/accounts/${name}`, { type: 'SERVICE', email: 'nobody@example.org' })
    if (admin) await root.ok('POST', `/accounts/${name}/attr/admin`, { key: 'admin', value: 'true' })
    return name
  }
  const identify = (account: string, name: string) =>
    root.ok('POST', `/accounts/${account}/identities`, {
      identity: `/DC=org/DC=example/CN=${name}`,
      authtype: 'X509',
      email: 'nobody@example.org',
      default: false,
    })

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
    authority = { cert: readFileSync(bed.tls.ca, 'utf8'), key: readFileSync(bed.tls.ca_key, 'utf8') }
    account = await newAccount(true)
    user = await makeUser(authority, account)
    await identify(account, account)
  })
  beforeEach(async () => {
    scope = newName()
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.tls.url, agent: bed.agent, disk: bed.disk }, [scope])
    services = []
    await writeProxy()
    configure({})
  })
  afterEach(async () => {
    await endServices(services)
    for (const close of closing.splice(0)) close()
    site.dispose()
  })

  const file = (name: string) => join(site.directory, name)
  function writeSecret(name: string, text: string): string {
    writeFileSync(`${file(name)}.new`, text, { mode: 0o600 })
    renameSync(`${file(name)}.new`, file(name))
    return file(name)
  }
  const writeProxy = async (life?: Lifetime, of = user) => writeSecret('proxy', await makeProxy(of, life))
  /** The proxy signs in, and the authority of the server is trusted, unless `rucio` says otherwise. */
  const configure = (rucio: Record<string, unknown>) => {
    site.configure((config) => {
      const auth = { type: 'x509_proxy', proxy: file('proxy') }
      config.rucio = { host: bed.tls.url, account, auth, ca: bed.tls.ca, ...rucio }
      config['schedule'] = { every: '1s' }
    })
  }
  function start(): Service {
    const service = startService(site)
    services.push(service)
    return service
  }
  const seed = (name: string) =>
    seedDataset(bed, {
      scope,
      name,
      files: [{ name: `${name}/a.fits`, content: content(name) }],
      closed: true,
      tag: 'TAPE:need',
    })
  const isDone = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup'] === 'TAPE:done'
  const done = (name: string) => until(() => isDone(name))
  const endTokens = () =>
    sql(
      bed,
      `UPDATE tokens SET expired_at = now() at time zone 'utc' - interval '1 hour' WHERE account = '${account}'`,
      never,
    )
  interface Status {
    readonly credential: { readonly kind: string; readonly file: string; readonly until: string } | null
    readonly pipelines: readonly {
      readonly polls: readonly { readonly problem: { readonly code: string; readonly message: string } | null }[]
    }[]
  }
  const status = async () => JSON.parse((await site.run('status', '--json')).out) as Status
  const pause = async () => {
    const catalog = await readCatalog(site.catalog).catch(() => null) // there may be none yet
    const summary = await catalog?.summary(new Date())
    await catalog?.close()
    return summary?.pipelines[0]?.pause?.problem ?? null
  }
  const paused = (code: string) => until(async () => (await pause())?.code === code)

  describe('by a proxy', () => {
    test('that is good', async () => {
      await seed('good')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await isDone('good')).toBe(true)
      expect((await status()).credential).toMatchObject({ kind: 'proxy', file: file('proxy') })
      expect((await site.run('status')).out).toMatch(
        /^Signs in with the proxy \/.*\/proxy, good for (\d+ h|2 days)\.$/mu,
      )
      expect((await site.run('config', 'check')).out).toMatch(/is valid: main\.\nSigns in with the proxy .* good for/u)
    })

    test.each([
      ['expired', seconds(-7200, -3600), /expired at \d{4}-/u, /EXPIRED 1 h ago/u],
      ['is not valid yet', seconds(3600, 7200), /is not valid before \d{4}-/u, /is not valid before/u],
    ])('that %s is said to be so, and nothing is done', async (_, life, what, shown) => {
      await writeProxy(life)
      await seed('waits')
      const { code, err } = await site.run('run', '--once')
      expect(code).toBe(6)
      expect(err).toMatch(what)
      expect(await pause()).toMatchObject({
        code: 'CREDENTIAL_NOT_VALID',
        message: expect.stringMatching(what) as unknown,
      })
      expect((await site.run('status')).out).toMatch(shown)
      expect(site.objects()).toEqual([])
    })

    test('of a user whom the server’s authorities do not know, or who has no account, is refused with who that is', async () => {
      await writeProxy(lately(), await makeUser(await makeAuthority('Other'), account))
      expect((await site.run('run', '--once')).code).toBe(6)
      expect(await pause()).toMatchObject({
        code: 'SIGN_IN_REFUSED',
        message: expect.stringContaining('the server refuses our certificate: unknown authority') as unknown,
      })
      await writeProxy(lately(), await makeUser(authority, 'Nobody'))
      expect((await site.run('run', '--once')).code).toBe(6)
      expect(await pause()).toMatchObject({
        code: 'SIGN_IN_REFUSED',
        message: expect.stringContaining('/DC=org/DC=example/CN=Nobody') as unknown,
        hint: expect.stringContaining('type X509') as unknown,
      })
    })

    test('that is renewed while the agent runs, and whose token dies, goes on without a restart', async () => {
      await writeProxy(seconds(-60, -10))
      await seed('first')
      const service = start()
      await paused('CREDENTIAL_NOT_VALID')
      await writeProxy()
      await done('first')
      await writeProxy(seconds(-60, -10))
      await endTokens()
      await seed('second')
      await paused('CREDENTIAL_NOT_VALID')
      await writeProxy()
      await done('second')
      expect(await service.stop()).toMatchObject({ code: 0 })
      expect(service.log().match(/pipeline main paused/gu)).toHaveLength(2)
      expect(service.log().match(/pipeline main goes on/gu)).toHaveLength(2)
    }, 120_000)

    test('whose token dies in the database in the middle of the work is signed in anew, and no work is lost', async () => {
      const names = Array.from({ length: 4 }, (_, i) => `d${i}`)
      const tokens = new Set<string>()
      start()
      for (const name of names) {
        await seed(name)
        await endTokens()
        await done(name)
        tokens.add(await sql(bed, `SELECT max(token) FROM tokens WHERE account = '${account}'`, never))
      }
      expect(await pause()).toBeNull()
      expect(tokens.size).toBe(names.length)
    }, 120_000)
  })

  test('by a certificate and its key', async () => {
    writeSecret('key', user.key)
    writeFileSync(file('cert'), user.cert)
    configure({ auth: { type: 'x509', cert: file('cert'), key: file('key') } })
    await seed('good')
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await isDone('good')).toBe(true)
    chmodSync(file('key'), 0o644)
    for (const [code, command] of [
      [6, ['run', '--once']],
      [6, ['plan', `${scope}:good`]],
      [4, ['config', 'check']],
    ] as const)
      expect(await site.run(...command)).toMatchObject({
        code,
        err: expect.stringContaining('is readable by others (mode 0644)') as unknown,
      })
    expect(await site.run('status')).toMatchObject({ code: 0 })
  })

  test('by what the site’s client file and environment say', async () => {
    writeFileSync(
      file('rucio.cfg'),
      `[client]
rucio_host = ${bed.tls.url}
auth_host = ${bed.tls.url}
auth_type = x509_proxy
account = nobody
client_x509_proxy = $SITE/proxy
ca_cert = $SITE/none
`,
    )
    mkdirSync(file('certificates'))
    writeFileSync(join(file('certificates'), '5ab1c2d3.0'), authority.cert)
    site.configure((config) => (config.rucio = {}))
    Object.assign(site.env, {
      RUCIO_CONFIG: file('rucio.cfg'),
      RUCIO_ACCOUNT: account,
      X509_CERT_DIR: file('certificates'),
      SITE: site.directory,
    })
    await seed('good')
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await isDone('good')).toBe(true)
    const shown = (await site.run('config', 'show')).out
    expect(shown).toContain(`account: ${account} # $RUCIO_ACCOUNT`)
    expect(shown).toContain(`proxy: ${file('proxy')} # ${file('rucio.cfg')}:6`)
    expect(shown).toContain(`ca: ${file('certificates')} # $X509_CERT_DIR`)
  })

  describe('to a server', () => {
    test('whose authority is not known, or whose certificate is of another host, is not done', async () => {
      writeFileSync(file('other.pem'), (await makeAuthority('Other')).cert)
      for (const [rucio, what] of [
        [{ ca: file('other.pem') }, /not trusted here/u],
        [{ ca: undefined }, /not trusted here/u],
        [{ host: bed.tls.url.replace('localhost', '127.0.0.1') }, /that of another host .*127\.0\.0\.1/u],
      ] as const) {
        configure(rucio)
        expect((await site.run('run', '--once')).code).toBe(5)
        expect(await pause()).toMatchObject({
          code: 'RUCIO_NOT_TRUSTED',
          message: expect.stringMatching(what) as unknown,
        })
      }
      configure({ ca: undefined, insecureLocalhost: true })
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    })

    test('waits while its authority is not in the directory, and goes on when it is', async () => {
      const other = await makeAuthority('Other')
      const swap = (certificate: Certificate) => {
        mkdirSync(file('next'))
        writeFileSync(join(file('next'), 'authority.pem'), certificate.cert)
        rmSync(file('grid'), { recursive: true, force: true })
        renameSync(file('next'), file('grid'))
      }
      swap(other)
      configure({ ca: file('grid') })
      await seed('first')
      start()
      await paused('RUCIO_NOT_TRUSTED')
      swap(authority)
      await done('first')
      swap(other)
      await paused('RUCIO_NOT_TRUSTED')
      await seed('second')
      swap({ ...other, cert: `${other.cert}\n${authority.cert}` })
      await done('second')
    }, 120_000)

    test('that resets connections, in the handshake and in answers, gets there', async () => {
      let connections = 0
      let resets = 0
      // Of four connections one is reset at once, one at the first word of the server, one in the middle of what it says.
      const resetting = await door(Number(new URL(bed.tls.url).port), (socket, onward) => {
        const chunks = [null, 0, 1, 4][connections++ % 4]!
        const reset = () => {
          resets++
          socket.resetAndDestroy()
        }
        if (chunks === 0) reset()
        let seen = 0
        onward.on('data', () => ++seen === chunks && reset())
      })
      configure({ host: `https://localhost:${resetting}` })
      const names = ['a', 'b', 'c']
      for (const name of names) await seed(name)
      start()
      for (const name of names) await done(name)
      expect(resets).toBeGreaterThanOrEqual(2)
    }, 120_000)
  })

  /** A port that leads to another one; `spoil` gets each connection. */
  async function door(port: number, spoil: (socket: Socket, onward: Socket) => void): Promise<number> {
    const server: Server = createServer((socket) => {
      const onward = connect(port, '127.0.0.1')
      for (const [end, far] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        end.on('error', () => far.destroy())
        end.on('close', () => far.destroy())
        end.pipe(far)
      }
      spoil(socket, onward)
    })
    server.listen(0, '127.0.0.1')
    await until(() => server.listening)
    closing.push(() => server.close())
    return (server.address() as AddressInfo).port
  }

  describe('by a token in a file', () => {
    let issuer: Issuer
    beforeAll(async () => {
      issuer = await startIssuer(bed.issuer)
    })
    afterAll(() => issuer.close())
    const useToken = (token: string) => {
      writeSecret('token', token)
      configure({ account: bed.agent.account, auth: { type: 'token', tokenFile: file('token') } })
    }

    test('of an issuer, or of Rucio itself', async () => {
      await seed('jwt')
      useToken(issuer.token())
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await isDone('jwt')).toBe(true)
      expect((await site.run('status')).out).toMatch(/^Signs in with the token .*\/token, good for 59 min\.$/mu)
      await seed('rucio')
      useToken((await signIn(bed.url, bed.agent)).token)
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await isDone('rucio')).toBe(true)
    })

    test('that is over, unknown, or another account’s is said to be so', async () => {
      const past = Math.floor(Date.now() / 1000) - 60
      for (const [token, account, code, what] of [
        [issuer.token({ exp: past }), bed.agent.account, 'CREDENTIAL_NOT_VALID', /the token .*\/token expired at/u],
        ['nonsense', bed.agent.account, 'SIGN_IN_REFUSED', /Rucio refused the token in .*\/token/u],
        [issuer.token(), 'alice', 'SIGN_IN_REFUSED', /is that of the account tapeagent/u],
      ] as const) {
        useToken(token)
        site.configure((config) => (config.rucio['account'] = account))
        expect((await site.run('run', '--once')).code).toBe(6)
        expect(await pause()).toMatchObject({ code, message: expect.stringMatching(what) as unknown })
      }
    })

    test('that is renewed while the agent runs goes on by itself', async () => {
      useToken(issuer.token())
      await seed('first')
      start()
      await done('first')
      writeSecret('token', issuer.token({ exp: Math.floor(Date.now() / 1000) - 60 }))
      await seed('second')
      await paused('CREDENTIAL_NOT_VALID')
      writeSecret('token', issuer.token())
      await seed('third')
      await done('third')
      await done('second')
    }, 120_000)
  })

  describe('is asked for what it may', () => {
    test('an identity that has several accounts has to choose', async () => {
      const [one, two] = [await newAccount(true), await newAccount(true)]
      for (const each of [one, two]) await identify(each, `Many ${one}`)
      await writeProxy(lately(), await makeUser(authority, `Many ${one}`))
      configure({ account: undefined })
      const { code, err } = await site.run('run', '--once')
      expect(code).toBe(6)
      expect(err).toMatch(new RegExp(`the identity has several accounts: (${one}, ${two}|${two}, ${one})`, 'u'))
      configure({ account: two })
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    })

    test('an identity that has one account needs not', async () => {
      configure({ account: undefined })
      await seed('good')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await isDone('good')).toBe(true)
    })

    test('an account that may not set the tag is told before anything is written', async () => {
      const weak = await newAccount(false)
      await identify(weak, weak)
      await writeProxy(lately(), await makeUser(authority, weak))
      configure({ account: weak })
      await seed('waits')
      const { code, err } = await site.run('run', '--once')
      expect(code).toBe(3)
      expect(err).toContain(`Cannot set arcBackup in scope ${scope}: Rucio says 401 AccessDenied`)
      expect((await status()).pipelines[0]!.polls[0]!.problem).toMatchObject({ code: 'NOT_ALLOWED' })
      expect((await site.run('status')).out).toMatch(/owner of the scope.*"admin".*policy of your site/u)
      expect(site.objects()).toEqual([])
      await root.ok('POST', `/accounts/${weak}/attr/admin`, { key: 'admin', value: 'true' })
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await isDone('waits')).toBe(true)
    })
  })
})
