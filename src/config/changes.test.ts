import { describe, expect, test } from '@jest/globals'
import { changesBetween } from './changes.ts'
import { configSchema, type Config } from './schema.ts'

const file = (more: object = {}, raw: object = {}, others: readonly object[] = []) => ({
  catalog: '/var/lib/tape-rse/catalog.db',
  rucio: {
    host: 'https://rucio.example.org',
    account: 'a',
    auth: { type: 'userpass', username: 'a', passwordFile: '/run/password' },
  },
  pipelines: [
    {
      name: 'raw',
      source: { kind: 'rucio', tapeRse: 'TAPE', diskRse: 'DISK', scopes: ['raw'], root: '/data' },
      vault: { root: '/hpss/raw' },
      ...raw,
    },
    ...others,
  ],
  ...more,
})
const config = (...args: Parameters<typeof file>): Config => configSchema.parse(file(...args)) as Config
const base = config()
const second = {
  name: 'user',
  source: { kind: 'rucio', tapeRse: 'USER_TAPE', diskRse: 'DISK', scopes: ['user'], root: '/data' },
  vault: { root: '/hpss/user' },
}

describe('changesBetween()', () => {
  test('finds nothing where nothing is', () => {
    expect(changesBetween(base, config())).toEqual({ keys: [], fixed: [] })
  })

  test('names what changed, a pipeline by its name wherever it stands', () => {
    const scopes = { source: { kind: 'rucio', tapeRse: 'TAPE', diskRse: 'DISK', scopes: ['raw', 'u'], root: '/data' } }
    const changed = config({ movers: 4, schedule: { cron: '0 * * * *' } }, scopes, [second])
    expect(changesBetween(base, changed)).toEqual({
      keys: ['movers', 'schedule.every', 'schedule.cron', 'pipelines[raw].source.scopes', 'pipelines[user]'].sort(),
      fixed: [],
    })
  })

  test.each([
    [config({ catalog: '/elsewhere/catalog.db' }), 'catalog'],
    [config({}, { vault: { root: '/hpss/other' } }), 'pipelines[raw].vault.root'],
  ])('knows what a running agent cannot change (%#)', (changed, key) => {
    expect(changesBetween(base, changed)).toEqual({ keys: [key], fixed: [key] })
  })

  test('takes a pipeline that comes or goes for a change that can be made', () => {
    expect(changesBetween(base, config({}, {}, [second])).fixed).toEqual([])
    expect(changesBetween(config({}, {}, [second]), base)).toEqual({ keys: ['pipelines[user]'], fixed: [] })
  })
})
