import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from './load.ts'
import { configReference } from './reference.ts'
import { configText, schemaText, shownConfig } from './show.ts'

const page = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const examples = readdirSync(new URL('../../config', import.meta.url))

test('docs/config.md is what scripts/docs.mjs makes of the schema', () => {
  expect(page('docs/config.md')).toBe(configReference())
})

describe('an example config', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'config-'))
    writeFileSync(join(directory, 'password'), 'canary\n')
    const client = ['[client]', 'rucio_host = https://rucio.example.org', 'auth_type = x509_proxy']
    writeFileSync(join(directory, 'rucio.cfg'), [...client, 'client_x509_proxy = /opt/proxy/x509up'].join('\n'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  const load = (text: string) => {
    const file = join(directory, 'tape-rse.yaml')
    writeFileSync(file, text)
    return loadConfig(file, { env: {}, cwd: '/', checkCredentials: () => Promise.resolve([]) })
  }
  // As a site would do, that has these files elsewhere.
  const example = (name: string) =>
    page(`config/${name}`)
      .replace(/\/run\/secrets\/[\w-]+/u, `${directory}/password`)
      .replace('/opt/rucio/etc', directory)

  test('there are some', () => expect(examples).toEqual(['grid-site.yaml', 'minimal.yaml', 'tape-rse.example.yaml']))

  test.each(examples)('%s is valid, and what is shown of it loads to the same config', async (name) => {
    const loaded = await load(example(name))
    expect((await load(configText(loaded))).config).toEqual(loaded.config)
  })

  test('tape-rse.example.yaml names every key that has a default', async () => {
    const { origins } = shownConfig(await load(example('tape-rse.example.yaml')))
    expect(Object.keys(origins).filter((key) => origins[key] === 'default')).toEqual([])
  })

  test('is shown with the line of each value, or as a default', async () => {
    const loaded = await load(example('minimal.yaml'))
    const shown = configText(loaded)
    for (const line of [
      'catalog: /var/lib/tape-rse/catalog.db # line 2',
      '    passwordFile: .*/password # line 6',
      'movers: 2 # default',
      '        - raw # line 9',
      '      paths: \\[\\] # default',
      '      targetSize: 100000000000 # default',
    ]) {
      expect(shown).toMatch(new RegExp(`^${line}$`, 'mu'))
    }
    expect(shownConfig(loaded).origins).toMatchObject({
      'pipelines[0].vault.root': 'line 10',
      'pipelines[0].vault.publish': 'default',
      'pipelines[0].source.scopes[0]': 'line 9',
    })
    expect((await load(shown)).config).toEqual(shownConfig(loaded).config)
    expect(shown).not.toContain('canary')
  })

  test('that uses an alias is shown with the line of the anchor', async () => {
    const text = example('minimal.yaml')
      .replace('account: tapeagent', 'account: &who tapeagent')
      .replace('username: tapeagent', 'username: *who')
    expect(shownConfig(await load(text)).origins).toMatchObject({
      'rucio.account': 'line 5',
      'rucio.auth.username': 'line 6',
    })
  })
})

test('schemaText() is a JSON Schema that describes every key and allows no other', () => {
  const schema = JSON.parse(schemaText()) as Record<string, unknown>
  expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema')
  const seen: string[] = []
  const visit = (key: string, node: Record<string, unknown>): void => {
    if (node['properties'] !== undefined) {
      expect([key, node['additionalProperties']]).toEqual([key, false])
      for (const [name, value] of Object.entries(node['properties'] as Record<string, Record<string, unknown>>)) {
        seen.push(name)
        expect([`${key}.${name}`, typeof value['description']]).toEqual([`${key}.${name}`, 'string'])
        visit(`${key}.${name}`, value)
      }
    }
    if (node['items'] !== undefined) visit(`${key}[]`, node['items'] as Record<string, unknown>)
    for (const option of ((node['oneOf'] ?? node['anyOf']) as Record<string, unknown>[] | undefined) ?? [])
      visit(key, option)
  }
  visit('', schema)
  expect(seen).toEqual(expect.arrayContaining(['catalog', 'passwordFile', 'proxy', 'cron', 'pfn', 'minFree', 'listen']))
})
