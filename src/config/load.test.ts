import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocument, stringify } from 'yaml'
import type { TapeRseError } from '../model/errors.ts'
import { checkCredentials } from '../sign-in.ts'
import { makeAuthority, makeProxy, makeUser } from '../testing/certificates.ts'
import { loadConfig } from './load.ts'

const loading = (env: Record<string, string>, cwd: string) => ({ env, cwd, checkCredentials: checkCredentials(env) })
const server = { host: 'https://rucio.example.org', account: 'tapeagent' }

describe('loadConfig()', () => {
  let directory: string
  let file: string
  let password: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'config-'))
    file = join(directory, 'tape-rse.yaml')
    password = join(directory, 'password')
    writeFileSync(password, 'canary-password\n', { mode: 0o600 })
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const replace = (make: (path: string) => void) => {
    rmSync(password)
    make(password)
  }
  const pipeline = (more: object = {}) => ({
    name: 'raw',
    source: { kind: 'rucio', tapeRse: 'TAPE', diskRse: 'DISK', scopes: ['raw'], root: '/data' },
    vault: { root: '/hpss' },
    ...more,
  })
  const good = (more: object = {}) => ({
    catalog: '/var/lib/tape-rse/catalog.db',
    rucio: {
      host: 'https://rucio.example.org',
      account: 'tapeagent',
      auth: { type: 'userpass', username: 'tapeagent', passwordFile: password },
    },
    pipelines: [pipeline()],
    ...more,
  })
  const load = (config: object | string, env: Record<string, string> = {}) => {
    writeFileSync(file, typeof config === 'string' ? config : stringify(config))
    return loadConfig(file, loading(env, directory))
  }
  const problems = async (config: object | string, env: Record<string, string> = {}): Promise<string[]> => {
    try {
      await load(config, env)
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
      for (const { hint } of (error as TapeRseError).problems) expect(hint).not.toBe('')
      return (error as TapeRseError).problems.map(({ message }) => message.replace(`${file}:`, ''))
    }
    throw new Error('it was accepted')
  }

  test('fills in the defaults', async () => {
    expect((await load(good())).config).toMatchObject({
      movers: 2,
      pipelines: [
        {
          format: { kind: 'zip', layout: 'rucio', targetSize: 100e9, maxSize: 500e9 },
          vault: { mustBeMount: true, publish: 'rename', minFree: 0 },
          reopened: 'hold',
        },
      ],
    })
  })

  test('reads sizes', async () => {
    const { config } = await load(
      good({ pipelines: [pipeline({ format: { targetSize: '64MiB', maxSize: '1.5GB' } })] }),
    )
    expect(config.pipelines[0]!.format).toMatchObject({ targetSize: 64 * 2 ** 20, maxSize: 1.5e9 })
  })

  test('lists all problems at once, with line and key, in the order of the file', async () => {
    const text = [
      'catalog: relative.db', // 1
      'rucio:', // 2
      '  hots: https://x', // 3
      '  account: 7', // 4
      `  auth: { type: userpass, username: a, passwordFile: ${directory}/nope }`, // 5
      'pipelines:', // 6
      '  - name: raw', // 7
      '    source: { kind: rucio, tapeRse: "*", diskRse: DISK, scopes: [], root: /data/../etc }', // 8
      '    vault: { root: /hpss, minFree: lots, publish: renam }', // 9
      '    confirm: { readBack: false }', // 10
      '  - name: raw', // 11
      '    vault: { root: /hpss/b }', // 12
    ].join('\n')
    const expected = [
      /^1: catalog: has to be the absolute path/u,
      /^2: rucio\.host: is missing/u,
      /^3: rucio\.hots: there is no such key; did you mean "host"\?/u,
      /^4: rucio\.account: has to be a string, is a number/u,
      /^5: rucio\.auth\.passwordFile: .*\/nope does not exist/u,
      /^8: pipelines\[0\]\.source\.tapeRse: "\*" is a name that/u,
      /^8: pipelines\[0\]\.source\.scopes: names no scope/u,
      /^8: pipelines\[0\]\.source\.root: has to be an absolute path/u,
      /^9: pipelines\[0\]\.vault\.publish: "renam" is not possible; did you mean "rename"\?/u,
      /^9: pipelines\[0\]\.vault\.minFree: has to be a size/u,
      /^10: pipelines\[0\]\.confirm\.readBack: false is not built yet/u,
      /^11: pipelines\[1\]\.source: is missing/u,
      /^11: pipelines\[1\]\.name: "raw" names another pipeline/u,
      /^12: pipelines\[1\]\.vault\.root: \/hpss\/b and the root of pipeline "raw"/u,
    ]
    expect(await problems(text)).toEqual(expected.map((each) => expect.stringMatching(each)))
  })

  test('does not look into what is not built yet', async () => {
    const flowB = pipeline({ source: { kind: 'directory', list: '/etc/directories' } })
    expect(await problems(good({ pipelines: [flowB], server: { listen: 5 } }))).toEqual([
      expect.stringMatching(/pipelines\[0\]\.source\.kind: "directory" is not built yet/u),
      expect.stringMatching(/server: is not built yet/u),
    ])
  })

  test.each([
    ['a mapping for a text', { catalog: { file: '/a' } }, 'catalog: has to be a string, is a mapping'],
    ['a text for a mapping', { rucio: 'https://x' }, 'rucio: has to be a mapping, is a string'],
    ['a mapping for a list', { pipelines: pipeline() }, 'pipelines: has to be a list, is a mapping'],
    ['nothing for a mapping', { pipelines: [pipeline({ vault: null })] }, 'vault: has to be a mapping, is empty'],
    ['a text for a number', { movers: 'many' }, 'movers: has to be a number, is a string'],
    ['a fraction', { movers: 1.5 }, 'movers: has to be a whole number, is a fraction'],
    ['no mover', { movers: 0 }, 'movers: has to be 1 or more'],
    ['a list for a word', { pipelines: [pipeline({ reopened: [] })] }, 'reopened: has to be a word, is a list'],
    ['no list item', { pipelines: [7] }, 'pipelines[0]: has to be a mapping, is a number'],
    ['no pipeline', { pipelines: [] }, 'pipelines: names no pipeline'],
    ['no way to sign in', { rucio: { ...server, auth: {} } }, 'rucio.auth.type: is missing'],
    [
      'a misspelt way to sign in',
      { rucio: { ...server, auth: { type: 'userpas' } } },
      'rucio.auth.type: "userpas" is not possible; did you mean "userpass"?',
    ],
  ])('says what was expected and what it found: %s', async (_, more, expected) => {
    expect(await problems(good(more))).toContainEqual(expect.stringContaining(expected))
  })

  test.each([
    [
      'two pipelines with one root',
      { pipelines: [pipeline(), pipeline({ name: 'b' })] },
      /pipelines\[1\]\.vault\.root: .*pipeline "raw"/u,
    ],
    [
      'a vault inside another',
      { pipelines: [pipeline(), pipeline({ name: 'b', vault: { root: '/hpss/b' } })] },
      /pipelines\[1\]\.vault\.root/u,
    ],
    [
      'two pipelines of one name',
      { pipelines: [pipeline(), pipeline({ vault: { root: '/b' } })] },
      /pipelines\[1\]\.name/u,
    ],
    [
      'a vault in the source',
      { pipelines: [pipeline({ vault: { root: '/data/tape' } })] },
      /vault\.root: \/data\/tape and the source/u,
    ],
    ['a catalog in the vault', { catalog: '/hpss/catalog.db' }, /catalog: \/hpss\/catalog\.db is in the vault/u],
    ['a catalog in the source', { catalog: '/data/catalog.db' }, /catalog: \/data\/catalog\.db is in the source/u],
    [
      'a vault in the source of another pipeline',
      {
        pipelines: [
          pipeline(),
          pipeline({
            name: 'b',
            source: { ...pipeline().source, tapeRse: 'B', root: '/other' },
            vault: { root: '/data/b' },
          }),
        ],
      },
      /pipelines\[1\]\.vault\.root: \/data\/b and the source of pipeline "raw"/u,
    ],
    [
      'one scope for two pipelines',
      { pipelines: [pipeline(), pipeline({ name: 'b', vault: { root: '/b' } })] },
      /pipelines\[1\]\.source\.scopes\[0\]: pipeline "raw" takes what is tagged for TAPE in "raw" as well/u,
    ],
    [
      'a scope that is named twice',
      { pipelines: [pipeline({ source: { ...pipeline().source, scopes: ['a', 'b', 'a'] } })] },
      /scopes\[2\]: "a" is named twice/u,
    ],
    [
      'a scope that is no directory',
      { pipelines: [pipeline({ source: { ...pipeline().source, scopes: ['..'] } })] },
      /scopes\[0\]: has to be the name of a scope/u,
    ],
    [
      'an expression for an RSE',
      { pipelines: [pipeline({ source: { ...pipeline().source, diskRse: 'A|B' } })] },
      /diskRse: has to be the name of one RSE/u,
    ],
    [
      'a path rule that climbs out of the root',
      {
        pipelines: [
          pipeline({ source: { ...pipeline().source, paths: [{ pfn: 'root://x/', local: '/data/../x/' }] } }),
        ],
      },
      /paths\[0\]\.local: has to be an absolute path/u,
    ],
    [
      'a mount that is not above the root',
      { pipelines: [pipeline({ vault: { root: '/hpss', mount: '/hpss/lsst' } })] },
      /vault\.mount: \/hpss\/lsst is not at or above/u,
    ],
    [
      'a URL with a password',
      {
        rucio: { ...server, host: 'https://a:canary@x', auth: { type: 'userpass', username: 'a', passwordFile: '/' } },
      },
      /rucio\.host: has to be a URL/u,
    ],
    [
      'a target above the maximum',
      { pipelines: [pipeline({ format: { targetSize: '2GB', maxSize: '1GB' } })] },
      /format\.maxSize: is smaller/u,
    ],
    [
      'an RSE that the search misreads',
      { pipelines: [pipeline({ source: { ...pipeline().source, tapeRse: 'SITE_TRUE' } })] },
      /tapeRse: "SITE_TRUE"/u,
    ],
    [
      'a path rule that leads out of the root',
      { pipelines: [pipeline({ source: { ...pipeline().source, paths: [{ pfn: 'root://x/', local: '/other/' }] } })] },
      /paths\[0\]\.local/u,
    ],
  ])('refuses %s', async (_, more, expected) => {
    expect(await problems(good(more))).toContainEqual(expect.stringMatching(expected))
  })

  test.each([
    ['a missing', () => rmSync(password), /does not exist/u],
    ['an empty', () => writeFileSync(password, ' \n'), /is empty/u],
    ['a directory as', () => replace(mkdirSync), /is a directory/u],
    ['a pipe as', () => replace((path) => execFileSync('mkfifo', [path])), /is not a regular file/u],
    ['a loop as', () => replace((path) => symlinkSync(path, path)), /cannot be read \(ELOOP\)/u],
  ])('refuses %s password file', async (_, spoil, expected) => {
    spoil()
    expect(await problems(good())).toEqual([expect.stringMatching(expected)])
  })

  const withRucio = (more: object) => good({ rucio: { ...good().rucio, ...more } })

  test('takes authorities from a PEM file, or a directory of them', async () => {
    const pem = join(directory, 'ca.pem')
    writeFileSync(pem, (await makeAuthority('Authority')).cert)
    expect((await load(withRucio({ ca: pem }))).config.rucio.ca).toBe(pem)
    expect((await load(withRucio({ ca: directory }))).config.rucio.ca).toBe(directory)
    rmSync(pem)
    expect(await problems(withRucio({ ca: password }))).toEqual([expect.stringContaining('holds no PEM certificate')])
    expect(await problems(withRucio({ ca: directory }))).toEqual([expect.stringContaining('no certificate authority')])
    expect(await problems(withRucio({ ca: '/nope' }))).toEqual([expect.stringContaining('/nope does not exist')])
  })

  describe('how to sign in', () => {
    const withAuth = (auth: object, more: object = {}) => withRucio({ auth, ...more })
    let proxy: string
    beforeEach(async () => {
      const user = await makeUser(await makeAuthority('Authority'), 'Tape Agent')
      proxy = join(directory, 'proxy')
      writeFileSync(proxy, await makeProxy(user), { mode: 0o600 })
    })

    test('is by any type whose files can be used', async () => {
      for (const auth of [
        { type: 'x509', cert: proxy, key: proxy },
        { type: 'x509_proxy', proxy },
        { type: 'token', tokenFile: password },
      ])
        expect((await load(withAuth(auth))).config.rucio.auth).toEqual(auth)
    })

    test('is refused with what others may read, but for the group where that is allowed', async () => {
      chmodSync(proxy, 0o640)
      const byGroup = [expect.stringMatching(/rucio\.auth\.proxy: .*\/proxy is readable by its group \(mode 0640\)$/u)]
      expect(await problems(withAuth({ type: 'x509_proxy', proxy }))).toEqual(byGroup)
      await load(withAuth({ type: 'x509_proxy', proxy }, { secretsReadableByGroup: true }))
      chmodSync(proxy, 0o644)
      const byOthers = [expect.stringContaining('is readable by others (mode 0644)')]
      expect(await problems(withAuth({ type: 'x509_proxy', proxy }, { secretsReadableByGroup: true }))).toEqual(
        byOthers,
      )
    })

    test.each(['gss', 'ssh', 'oidc', 'saml'])('is not by %s, which says what works instead', async (type) => {
      writeFileSync(file, stringify(withAuth({ type })))
      await expect(loadConfig(file, loading({}, directory))).rejects.toMatchObject({
        problems: [
          {
            message: expect.stringContaining(`rucio.auth.type: "${type}" is not for a service`) as unknown,
            hint: expect.stringContaining('x509_proxy') as unknown,
          },
        ],
      })
    })

    test('by a certificate needs https', async () => {
      const host = 'http://rucio.example.org'
      expect(await problems(withAuth({ type: 'x509_proxy', proxy }, { host }))).toEqual([
        expect.stringContaining('rucio.host: has to begin with https:'),
      ])
      await load(withAuth({ type: 'x509_proxy', proxy }, { host, authHost: 'https://auth.example.org' }))
    })

    test('asks every server but one on this machine who it is', async () => {
      for (const name of ['localhost', '127.0.0.1', '[::1]'])
        await load(withRucio({ host: `https://${name}:8443`, insecureLocalhost: true }))
      expect(
        await problems(
          withRucio({ host: 'https://localhost', authHost: 'https://127.0.0.1.evil.org', insecureLocalhost: true }),
        ),
      ).toEqual([expect.stringContaining('rucio.authHost: is not this machine')])
    })

    test.each([['http://user:pass@proxy:3128'], ['https://proxy:3128'], ['proxy:3128'], ['http://proxy:3128/x']])(
      'is not through %s',
      async (httpProxy) => {
        expect(await problems(withRucio({ httpProxy }))).toEqual([
          expect.stringContaining('rucio.httpProxy: has to be'),
        ])
      },
    )
  })

  test('of what is on tape nothing is promised, and nothing asked for, that nobody can know', async () => {
    const recall = { kind: 'command', command: ['/usr/bin/stage'] }
    const vault = { ...pipeline().vault, recall }
    expect(await problems(good({ pipelines: [pipeline({ vault, confirm: { onTape: 'required' } })] }))).toEqual([
      expect.stringContaining('pipelines[0].vault.recall: asks for what is on tape only'),
      expect.stringContaining('pipelines[0].confirm.onTape: cannot be required'),
    ])
    const known = { ...vault, residency: { kind: 'xattr' } }
    const { config } = await load(good({ pipelines: [pipeline({ vault: known, confirm: { onTape: 'required' } })] }))
    expect(config.pipelines[0]!.vault).toMatchObject({ recall, residency: { attribute: 'system.hpss.level' } })
  })

  test.each([
    ['the layout ossarc', { pipelines: [pipeline({ format: { layout: 'ossarc' } })] }, 'layout'],
    ['PostgreSQL', { catalog: 'postgres://x:canary@y/z' }, 'catalog'],
    ['not reading back', { pipelines: [pipeline({ confirm: { readBack: false } })] }, 'readBack'],
    ['addenda', { pipelines: [pipeline({ reopened: 'addendum' })] }, 'reopened'],
    ['a page', { server: { listen: '127.0.0.1:8080' } }, 'server'],
    ['another flow', { pipelines: [pipeline({ source: { ...pipeline().source, kind: 'directory' } })] }, 'source.kind'],
  ])('refuses %s by name, because it is not built yet', async (_, more, key) => {
    const problem = (await problems(good(more))).find((each) => each.includes('not built yet'))
    expect(problem).toContain(key)
    expect(problem).not.toContain('canary')
  })

  test.each([
    [{ every: '90s' }, { every: 90_000 }],
    [
      { cron: '*/15 6-18 * * 1-5', timezone: 'America/Los_Angeles' },
      { cron: '*/15 6-18 * * 1-5', timezone: 'America/Los_Angeles' },
    ],
    [undefined, { every: 900_000 }],
  ])('takes the schedule %j', async (schedule, expected) => {
    expect((await load(good(schedule === undefined ? {} : { schedule }))).config.schedule).toEqual(expected)
  })

  test.each([
    [{ every: 15 }, 'schedule'],
    [{ every: '500ms' }, 'schedule'],
    [{ every: '30d' }, 'schedule'],
    [{ cron: 'every day' }, 'schedule'],
    [{ cron: '0 * * * *', timezone: 'Mars/Olympus' }, 'schedule'],
    [{ every: '1h', cron: '0 * * * *' }, 'schedule'],
  ])('refuses the schedule %j', async (schedule, key) => {
    expect(await problems(good({ schedule }))).toEqual([expect.stringContaining(key)])
  })

  test('says line and reason of what is no YAML, and of a key that is there twice', async () => {
    expect((await problems('catalog: ['))[0]).toMatch(/^\d+: not valid YAML/u)
    expect((await problems('catalog: /a\ncatalog: /b\n'))[0]).toMatch(/^2: not valid YAML: Map keys must be unique/u)
    expect(await problems('a: 1\nb: *nobody')).toEqual([expect.stringMatching(/^2: not valid YAML: an alias/u)])
    expect(await problems('a: !secret canary')).toEqual([expect.stringMatching(/^1: not valid YAML: Unresolved tag/u)])
    expect(await problems('a: 1\n--- \nb: 2')).toEqual([
      expect.stringMatching(/^2: not valid YAML: Source contains multiple/u),
    ])
    expect(await problems('')).toEqual(['1: has to be a mapping, is empty'])
  })

  test('looks where it is told, then where configs are', async () => {
    await load(good())
    expect((await loadConfig(undefined, loading({ TAPE_RSE_CONFIG: file }, '/'))).file).toBe(file)
    expect((await loadConfig(undefined, loading({}, directory))).file).toBe(file)
    await expect(loadConfig('nope.yaml', loading({}, directory))).rejects.toThrow(
      /Cannot read the config: .*\/nope\.yaml does not exist/u,
    )
    await expect(loadConfig('.', loading({}, directory))).rejects.toThrow(/is a directory/u)
    rmSync(file)
    await expect(loadConfig(undefined, loading({ TAPE_RSE_CONFIG: '' }, directory))).rejects.toThrow(
      `there is none at ${directory}/tape-rse.yaml and /etc/tape-rse/tape-rse.yaml`,
    )
  })

  test('takes it or refuses it, whatever stands at any place of it', async () => {
    const paths = pathsOf(good())
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 }), async (path, value) => {
        const document = parseDocument(stringify(good()))
        document.setIn(path, value)
        try {
          await load(document.toString())
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
        }
      }),
    )
  })

  test('takes an alias for what its anchor says', async () => {
    const format = { targetSize: '1GB', maxSize: '2GB' }
    const other = { name: 'b', source: { ...pipeline().source, tapeRse: 'B' }, vault: { root: '/b' } }
    const text = stringify(good({ pipelines: [pipeline({ format }), pipeline({ ...other, format })] }))
    expect(text).toContain('format: *')
    expect((await load(text)).config.pipelines.map((each) => each.format.targetSize)).toEqual([1e9, 1e9])
  })

  test('repeats no value of a credential, even of the wrong type or place', async () => {
    const auth = { type: 'userpass', username: 'a', passwordFile: 20_261_127, password: 'canary' }
    const found = (await problems(good({ rucio: { ...server, auth, ca: 'canary' } }))).join('\n')
    expect(found).not.toMatch(/canary|20261127/u)
    expect(JSON.stringify(await load(good()))).not.toContain('canary')
  })
})

/** All places in a value, the outer ones as well. */
const pathsOf = (value: unknown, path: (string | number)[] = []): (string | number)[][] =>
  typeof value !== 'object' || value === null
    ? [path]
    : [
        path,
        ...Object.entries(value).flatMap(([key, inner]) =>
          pathsOf(inner, [...path, Array.isArray(value) ? Number(key) : key]),
        ),
      ]
