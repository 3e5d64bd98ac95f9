import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { catalogNamed } from './catalog-key.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'config-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const named = (text: string | Uint8Array) => {
  writeFileSync(join(directory, 'tape-rse.yaml'), text)
  return catalogNamed(undefined, { env: {}, cwd: directory })
}

test('catalogNamed() finds the catalog, whatever else is wrong in the config', async () => {
  expect(await named('catalog: /var/lib/catalog.db\nmovers: many\npipelines: 5\n')).toBe('/var/lib/catalog.db')
  expect(await named('at: &at /var/lib/catalog.db\ncatalog: *at\n')).toBe('/var/lib/catalog.db')
})

test.each([
  ['catalog: /a/b.db # on a local disk\nmovers: 2\n', '/a/b.db'],
  ['# mine\n\nmovers: 2\ncatalog:   /a/b.db\n', '/a/b.db'],
  ['catalog: /a/b.db\n  c.db\n', '/a/b.db c.db'],
  ['catalog: "/a/b.db"\n', '/a/b.db'],
  ["'catalog': /a/b.db\n", '/a/b.db'],
  ['{ movers: 2,\ncatalog: /a/b.db\n}\n', '/a/b.db'],
  ['catalog: /a#b.db\n', '/a#b.db'],
  ['catalog:\n  /a/b.db\n', '/a/b.db'],
  ['note: |\n  catalog: /no/b.db\ncatalog: /a/b.db', '/a/b.db'],
])('catalogNamed() reads %j as YAML has it', async (text, path) => {
  expect(await named(text)).toBe(path)
})

test.each([
  ['no YAML', 'catalog: [/var/lib\n'],
  ['no text', Buffer.from([0x63, 0xff])],
  ['a list', '- catalog: /var/lib/catalog.db\n'],
  ['none', 'movers: 2\n'],
  ['another database', 'catalog: postgres://host/db\n'],
  ['a relative path', 'catalog: lib/catalog.db\n'],
  ['no text', 'catalog: 5\n'],
])('catalogNamed() leaves it to who checks the whole config (%s)', async (_, text) => {
  expect(await named(text)).toBeNull()
})

test('catalogNamed() refuses where there is no config', async () => {
  await expect(catalogNamed(undefined, { env: {}, cwd: '/proc/self/ns' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  })
})
