import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { TapeRseError } from '../model/errors.ts'
import { loadConfig } from './load.ts'

const server = { host: 'https://rucio.example.org', account: 'tapeagent' }

describe('loadConfig()', () => {
  let directory: string
  let file: string
  let password: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'config-'))
    file = join(directory, 'tape-rse.yaml')
    password = join(directory, 'password')
    writeFileSync(password, 'canary-password\n')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

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
    return loadConfig(file, env, directory)
  }
  const problems = (config: object | string): string[] => {
    try {
      load(config)
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
      for (const { hint } of (error as TapeRseError).problems) expect(hint).not.toBe('')
      return (error as TapeRseError).problems.map(({ message }) => message.replace(`${file}:`, ''))
    }
    throw new Error('it was accepted')
  }

  test('fills in the defaults', () => {
    expect(load(good()).config).toMatchObject({
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

  test('reads sizes', () => {
    const { config } = load(good({ pipelines: [pipeline({ format: { targetSize: '64MiB', maxSize: '1.5GB' } })] }))
    expect(config.pipelines[0]!.format).toMatchObject({ targetSize: 64 * 2 ** 20, maxSize: 1.5e9 })
  })

  test('lists all problems at once, with line and key', () => {
    const text = [
      'catalog: relative.db', // 1
      'rucio:', // 2
      '  hots: https://x', // 3
      '  account: 7', // 4
      '  auth: { type: userpass, username: a }', // 5
      'pipelines:', // 6
      '  - name: raw', // 7
      '    source: { kind: rucio, tapeRse: "*", diskRse: DISK, scopes: [], root: /data/../etc }', // 8
      '    vault: { root: /hpss, minFree: lots, publish: renam }', // 9
    ].join('\n')
    const found = problems(text)
    for (const expected of [
      /^1: catalog: /u,
      /^3: rucio\.hots: there is no such key; did you mean "host"\?/u,
      /^2: rucio\.host: is missing/u,
      /^4: rucio\.account: has to be a string, is number 7/u,
      /^5: rucio\.auth\.passwordFile: is missing/u,
      /^8: pipelines\[0\]\.source\.tapeRse: "\*" is a name that/u,
      /^8: pipelines\[0\]\.source\.scopes: /u,
      /^8: pipelines\[0\]\.source\.root: /u,
      /^9: pipelines\[0\]\.vault\.minFree: /u,
      /^9: pipelines\[0\]\.vault\.publish: string "renam" is not possible; did you mean "rename"\?/u,
    ]) {
      expect(found).toContainEqual(expect.stringMatching(expected))
    }
    expect(found).toHaveLength(10)
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
      /vault\.root: it is in the source/u,
    ],
    ['a catalog in the vault', { catalog: '/hpss/catalog.db' }, /catalog: it is in the vault/u],
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
  ])('refuses %s', (_, more, expected) => {
    expect(problems(good(more))).toContainEqual(expect.stringMatching(expected))
  })

  test.each([
    ['a missing', () => rmSync(password), /does not exist/u],
    ['an empty', () => writeFileSync(password, ' \n'), /is empty/u],
  ])('refuses %s password file', (_, spoil, expected) => {
    spoil()
    expect(problems(good())).toEqual([expect.stringMatching(expected)])
  })

  test.each([
    ['the layout ossarc', { pipelines: [pipeline({ format: { layout: 'ossarc' } })] }, 'layout'],
    ['x509', { rucio: { ...server, auth: { type: 'x509', cert: '/c', key: '/k' } } }, 'auth.type'],
    ['a token', { rucio: { ...server, auth: { type: 'token', tokenFile: '/t' } } }, 'auth.type'],
    [
      'a rucio.cfg',
      {
        rucio: {
          ...server,
          config: '/etc/rucio.cfg',
          auth: { type: 'userpass', username: 'a', passwordFile: '/dev/null' },
        },
      },
      'rucio.config',
    ],
    ['PostgreSQL', { catalog: 'postgres://x/y' }, 'catalog'],
    ['waiting for tape', { pipelines: [pipeline({ confirm: { onTape: 'required' } })] }, 'onTape'],
    ['not reading back', { pipelines: [pipeline({ confirm: { readBack: false } })] }, 'readBack'],
    ['addenda', { pipelines: [pipeline({ reopened: 'addendum' })] }, 'reopened'],
    ['a schedule', { schedule: { every: '15m' } }, 'schedule'],
    ['a page', { server: { listen: '127.0.0.1:8080' } }, 'server'],
    ['another flow', { pipelines: [pipeline({ source: { ...pipeline().source, kind: 'directory' } })] }, 'source.kind'],
  ])('refuses %s by name, because it is not built yet', (_, more, key) => {
    const problem = problems(good(more)).find((each) => each.includes('not built yet'))
    expect(problem).toContain(key)
  })

  test('says line and reason of what is no YAML, and of a key that is there twice', () => {
    expect(problems('catalog: [')[0]).toMatch(/^\d+: not valid YAML/u)
    expect(problems('catalog: /a\ncatalog: /b\n')[0]).toMatch(/^2: not valid YAML: Map keys must be unique/u)
    expect(problems('')[0]).toContain('has to be a mapping')
  })

  test('looks where it is told, then where configs are', () => {
    load(good())
    expect(loadConfig(undefined, { TAPE_RSE_CONFIG: file }, '/').file).toBe(file)
    expect(loadConfig(undefined, {}, directory).file).toBe(file)
    expect(() => loadConfig('nope.yaml', {}, directory)).toThrow(/Cannot read the config .*nope\.yaml/u)
    rmSync(file)
    expect(() => loadConfig(undefined, {}, directory)).toThrow(/there is none at/u)
  })

  test('never shows what is in the password file', () => {
    chmodSync(password, 0o600)
    expect(JSON.stringify(load(good()).config)).not.toContain('canary')
  })
})
