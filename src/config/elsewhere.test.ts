import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { checkCredentials } from '../sign-in.ts'
import { makeAuthority, makeProxy, makeUser } from '../testing/certificates.ts'
import type { TapeRseError } from '../model/errors.ts'
import { passwordIn } from './client-file.ts'
import { expandPath } from './python-path.ts'
import { fillRucio, missingIn } from './elsewhere.ts'
import { loadConfig, type LoadedConfig } from './load.ts'
import { configText, shownConfig } from './show.ts'

type Env = Readonly<Record<string, string>>

describe('what a config does not say', () => {
  let directory: string
  let file: string
  let client: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'elsewhere-'))
    file = join(directory, 'tape-rse.yaml')
    client = join(directory, 'rucio.cfg')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const load = (rucio: object | null, env: Env = {}): Promise<LoadedConfig> => {
    const pipeline = {
      name: 'raw',
      source: { kind: 'rucio', tapeRse: 'TAPE', diskRse: 'DISK', scopes: ['raw'], root: '/data' },
      vault: { root: '/hpss' },
    }
    writeFileSync(
      file,
      stringify({ catalog: '/var/lib/catalog.db', ...(rucio !== null && { rucio }), pipelines: [pipeline] }),
    )
    return loadConfig(file, { env, cwd: directory, checkCredentials: checkCredentials(env) })
  }
  const problems = (rucio: object | null, env: Env = {}): Promise<string[]> =>
    load(rucio, env).then(
      () => [],
      (error: unknown) => (error as TapeRseError).problems.map(({ message }) => message.replaceAll(directory, '')),
    )
  const writeClient = (...lines: string[]) =>
    writeFileSync(client, ['[client]', ...lines, ''].join('\n'), { mode: 0o600 })
  async function writeProxy(path: string): Promise<string> {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, await makeProxy(await makeUser(await makeAuthority('Authority'), 'Tape Agent')), {
      mode: 0o600,
    })
    return path
  }

  test('the client file of the site says, as its clients read it', async () => {
    const proxy = await writeProxy(join(directory, 'x509up'))
    writeFileSync(
      client,
      `[DEFAULT]
domain = example.org
[common]
logdir = /var/log
[client]
# the first site
RUCIO_HOST = https://rucio.%(domain)s:443
auth_host: https://auth.%(domain)s:443
account = tapeagent
vo = lsst
auth_type = x509_proxy
client_x509_proxy = $SOMEWHERE/x509up
ca_cert = ~/certificates
request_retries = 3
`,
    )
    const grid = join(directory, 'certificates')
    mkdirSync(grid)
    writeFileSync(join(grid, 'a.pem'), (await makeAuthority('Authority')).cert)
    const { config, originOf } = await load({ config: client }, { SOMEWHERE: directory, HOME: directory })
    expect(config.rucio).toEqual({
      config: client,
      host: 'https://rucio.example.org:443',
      authHost: 'https://auth.example.org:443',
      account: 'tapeagent',
      vo: 'lsst',
      auth: { type: 'x509_proxy', proxy },
      ca: grid,
      secretsReadableByGroup: false,
      insecureLocalhost: false,
    })
    expect(originOf(['rucio', 'host'])).toEqual({ kind: 'option', file: client, line: 7, option: 'rucio_host' })
  })

  test('YAML wins over the environment, and that over the client file', async () => {
    writeClient(
      'rucio_host = https://file',
      'account = file',
      'vo = file',
      'auth_type = gss',
      'username = u',
      'password = p',
    )
    const env = {
      RUCIO_ACCOUNT: 'env',
      RUCIO_VO: 'env',
      RUCIO_AUTH_TYPE: 'userpass',
      RUCIO_CONFIG: client,
      RUCIO_CFG_CLIENT_USERNAME: 'overlay',
    }
    const loaded = await load({ vo: 'yaml' }, env)
    expect(loaded.config.rucio).toMatchObject({
      host: 'https://file',
      account: 'env',
      vo: 'yaml',
      auth: { type: 'userpass', username: 'overlay' },
    })
    expect(shownConfig(loaded).origins).toMatchObject({
      'rucio.config': '$RUCIO_CONFIG',
      'rucio.host': `${client}:2`,
      'rucio.account': '$RUCIO_ACCOUNT',
      'rucio.vo': 'line 3',
      'rucio.auth.type': '$RUCIO_AUTH_TYPE',
      'rucio.auth.username': '$RUCIO_CFG_CLIENT_USERNAME',
      'rucio.auth.password': `${client}:7`,
      movers: 'default',
    })
  })

  test('a config without a mapping rucio is whole by what others say', async () => {
    writeClient('rucio_host = https://file', 'auth_type = userpass', 'username = u', 'password = p')
    expect((await load(null, { RUCIO_CONFIG: client })).config.rucio.host).toBe('https://file')
    mkdirSync(join(directory, 'etc'))
    writeFileSync(
      join(directory, 'etc/rucio.cfg'),
      '[client]\nrucio_host=https://home\nauth_type=userpass\nusername=u\npassword=p\n',
      { mode: 0o600 },
    )
    expect((await load(null, { RUCIO_HOME: directory })).config.rucio.host).toBe('https://home')
    expect((await load(null, { RUCIO_HOME: directory, RUCIO_CONFIG: client })).config.rucio.host).toBe('https://file')
    expect(await problems(null, { RUCIO_HOME: '/nowhere' })).toHaveLength(2)
  })

  test('a password is never shown, and where it is is', async () => {
    writeClient('rucio_host = https://file', 'auth_type = userpass', 'username = u', 'password = canary%%-pass')
    const loaded = await load({ config: client })
    const shown = `${configText(loaded)}${JSON.stringify(shownConfig(loaded))}${JSON.stringify(loaded.config)}`
    expect(shown).not.toContain('canary')
    expect(configText(loaded)).toContain(`username: u # ${client}:4; password: *** ${client}:5`)
    writeFileSync(file, configText(loaded))
    const again = await loadConfig(file, { env: {}, cwd: '/', checkCredentials: checkCredentials({}) })
    expect(again.config).toEqual(loaded.config)
    expect(passwordIn('[client]\npassword = canary%%-pass\n')).toBe('canary%-pass')
    const overlaid = await load({ config: client }, { RUCIO_CFG_CLIENT_PASSWORD: 'canary' })
    expect(JSON.stringify(shownConfig(overlaid))).not.toContain('canary')
    expect(shownConfig(overlaid).origins['rucio.auth.password']).toBe('$RUCIO_CFG_CLIENT_PASSWORD')
  })

  test('a client file with a password is as secret as that', async () => {
    writeClient('rucio_host = https://file', 'auth_type = userpass', 'username = u', 'password = p')
    chmodSync(client, 0o644)
    expect(await problems({ config: client })).toEqual([
      '/rucio.cfg:5: password (rucio.auth.passwordFile): /rucio.cfg is readable by others (mode 0644)',
    ])
    const passwordFile = join(directory, 'password')
    writeFileSync(passwordFile, 'p', { mode: 0o600 })
    expect(await problems({ config: client, auth: { type: 'userpass', passwordFile } })).toEqual([])
  })

  test('a password that cannot be read is said with its line, and not shown', async () => {
    writeClient('rucio_host = https://file', 'auth_type = userpass', 'username = u', 'password = canary%d')
    const found = await problems({ config: client })
    expect(found).toContain(
      '/rucio.cfg:5: password (rucio.auth.passwordFile): has a "%" that is neither "%%" nor "%(option)s"',
    )
    expect(found.join()).not.toContain('canary')
  })

  test('a client file that is not UTF-8 is refused, as its clients refuse it', async () => {
    writeFileSync(client, Buffer.from('[client]\naccount = m\xfcller\n', 'latin1'))
    expect(await problems({ config: client })).toContain('/tape-rse.yaml:3: rucio.config: /rucio.cfg is not UTF-8')
  })

  test('what no header can carry is refused', async () => {
    expect(
      await problems({ host: 'https://x', account: 'żółw', vo: 'a\nb', auth: { type: 'userpass', username: '☃' } }),
    ).toEqual(
      expect.arrayContaining([
        expect.stringContaining('rucio.account: has characters that a header'),
        expect.stringContaining('rucio.vo: has characters that a header'),
        expect.stringContaining('rucio.auth.username: has characters that a header'),
      ]),
    )
  })

  describe('a proxy is looked for', () => {
    const signIn = { host: 'https://x', auth: { type: 'x509_proxy' } }
    const proxyOf = async (env: Env, rucio: object = {}): Promise<string> => {
      const { auth } = (await load({ ...signIn, ...rucio }, env)).config.rucio
      return auth.type === 'x509_proxy' ? auth.proxy : ''
    }

    test('in $RUCIO_CLIENT_PROXY, the client file, $X509_USER_PROXY, in that order', async () => {
      const [first, second, third] = await Promise.all(['1', '2', '3'].map((name) => writeProxy(join(directory, name))))
      const env = { RUCIO_CLIENT_PROXY: '1', X509_USER_PROXY: `${directory}/./3` }
      writeClient(`client_x509_proxy = ${second!}`)
      expect(await proxyOf(env, { config: client })).toBe(first)
      expect(await proxyOf({ ...env, RUCIO_CLIENT_PROXY: '' }, { config: client })).toBe(second)
      expect(await proxyOf({ ...env, RUCIO_CLIENT_PROXY: '' })).toBe(third)
    })

    test.each([
      ['/tmp/x509up_u1000', { auth: { type: 'x509_proxy', proxy: '/tmp/x509up_u1000' } }],
      ['/run/user/1000/bt_u1000', { auth: { type: 'token', tokenFile: '/run/user/1000/bt_u1000' } }],
      ['/tmp/bt_u1000', { auth: { type: 'token', tokenFile: '/tmp/bt_u1000' } }],
    ])('as a token is, at its usual place last, if it is there: %s', async (there, expected) => {
      const world = {
        env: { XDG_RUNTIME_DIR: '/run/user/1000' },
        cwd: '/',
        home: '/home/me',
        uid: 1000,
        readText: () => Promise.reject(new Error('there is none')),
        exists: () => Promise.resolve(false),
        isOurs: (path: string) => Promise.resolve(path === there),
      }
      const { type } = expected.auth
      const key = `rucio.auth.${type === 'token' ? 'tokenFile' : 'proxy'}`
      const found = await fillRucio({ auth: { type } }, world)
      expect(found.value).toEqual(expected)
      expect(found.origins.get(key)).toEqual({ kind: 'usual file' })
      const nowhere = await fillRucio({ auth: { type } }, { ...world, isOurs: () => Promise.resolve(false) })
      expect(nowhere.origins.size).toBe(0)
      expect(missingIn(nowhere).map(({ path, hint }) => [path.join('.'), hint])).toContainEqual([
        key,
        expect.stringContaining('_u<uid>.') as unknown,
      ])
    })
  })

  test('oidc of the site is a token that somebody renews', async () => {
    const token = join(directory, 'token')
    writeFileSync(token, 'x', { mode: 0o600 })
    const env = { RUCIO_AUTH_TYPE: 'oidc', BEARER_TOKEN_FILE: token }
    expect((await load({ host: 'https://x' }, env)).config.rucio.auth).toEqual({ type: 'token', tokenFile: token })
    mkdirSync(join(directory, 'run'))
    writeFileSync(join(directory, 'run', `bt_u${process.geteuid!()}`), 'x', { mode: 0o600 })
    const runtime = { RUCIO_AUTH_TYPE: 'oidc', XDG_RUNTIME_DIR: join(directory, 'run') }
    expect((await load({ host: 'https://x' }, runtime)).config.rucio.auth).toMatchObject({
      tokenFile: join(directory, 'run', `bt_u${process.geteuid!()}`),
    })
  })

  test('what is wrong there is said with its place', async () => {
    writeClient('rucio_host = rucio.example.org', 'account = %(nobody)s', 'auth_type = gss')
    expect(await problems({ config: client }, { RUCIO_VO: ' ' })).toEqual([
      expect.stringMatching(/^\/rucio\.cfg:4: auth_type \(rucio\.auth\.type\): "gss" is not for a service/u),
      '/rucio.cfg:3: account (rucio.account): refers to %(nobody)s, which is not there',
      expect.stringMatching(/^\/rucio\.cfg:2: rucio_host \(rucio\.host\): has to be a URL/u),
    ])
    expect(await problems({ host: 'https://x' }, { RUCIO_AUTH_TYPE: 'magic' })).toEqual([
      '$RUCIO_AUTH_TYPE: rucio.auth.type: "magic" is not possible',
    ])
    expect(await problems({ host: 'https://x', auth: { type: 'x509_proxy' } }, { X509_USER_PROXY: '/nope' })).toEqual([
      '$X509_USER_PROXY: rucio.auth.proxy: /nope does not exist',
    ])
    writeFileSync(client, 'rucio_host = x\n')
    expect(await problems({ config: client })).toContain(
      '/tape-rse.yaml:3: rucio.config: /rucio.cfg:1: stands above the first [section]',
    )
    expect(await problems({ config: '/nope.cfg' })).toContain(
      '/tape-rse.yaml:3: rucio.config: /nope.cfg does not exist',
    )
  })

  test('what is nowhere is said with where it could be', async () => {
    await expect(load({ auth: { type: 'userpass' } })).rejects.toMatchObject({
      problems: [
        {
          message: expect.stringContaining('rucio.host: is missing') as unknown,
          hint: expect.stringContaining('rucio_host in section [client] of rucio.cfg') as unknown,
        },
        { message: expect.stringContaining('rucio.auth.passwordFile: is missing') as unknown },
        { message: expect.stringContaining('rucio.auth.username: is missing') as unknown },
      ],
    })
    await expect(load({ host: 'https://x' })).rejects.toMatchObject({
      problems: [
        {
          message: expect.stringContaining('rucio.auth.type: is missing') as unknown,
          hint: expect.stringContaining('$RUCIO_AUTH_TYPE') as unknown,
        },
      ],
    })
  })
})

test.each([
  ['/a//b/../c/', '/a/c'],
  ['a', '/cwd/a'],
  ['~/x', '/home/me/x'],
  ['~', '/home/me'],
  ['~you/x', '/cwd/~you/x'],
  ['$A/${B}/$NOPE/${NO}', '/a/b b/$NOPE/${NO}'],
])('expandPath(%s) is %s, as Python has it', (path, expected) => {
  expect(expandPath(path, { env: { A: '/a', B: 'b b' }, home: '/home/me', cwd: '/cwd' })).toBe(expected)
})
