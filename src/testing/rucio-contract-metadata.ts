import { describe, expect, test } from '@jest/globals'
import type { Did } from '../model/did.ts'
import {
  expectBreakdown,
  expectCreated,
  expectLines,
  expectRefusal,
  type Fixture,
  RUCIO_DATE,
} from './rucio-contract-fixture.ts'
import { datasets, didPath } from './rucio-rest.ts'

/** Every column that Rucio shows. */
const COLUMNS = (
  'access_cnt accessed_at account adler32 availability bytes campaign closed_at complete constituent created_at datatype ' +
  'deleted_at did_type eol_at events expired_at guid hidden is_archive is_new is_open length lumiblocknr md5 monotonic name ' +
  'obsolete panda_id phys_group prod_step project provenance purge_replicas run_number scope stream_name suppressed task_id ' +
  'transient updated_at version'
).split(' ')

/** Metadata, one by one and in bulk. */
export function metadataContract(fixture: () => Fixture): void {
  const meta = (did: Did, plugin: string) => fixture().root.call('GET', `${didPath(did, 'meta')}?plugin=${plugin}`)
  const custom = async (did: Did) => (await meta(did, 'JSON')).json()
  const setInBulk = (dids: readonly unknown[], rest = fixture().root) =>
    rest.call('POST', '/dids/bulkdidsmeta', { dids })
  const bulk = (body: unknown) => fixture().root.call('POST', '/dids/bulkmeta', body)

  describe('GET …/meta', () => {
    test('gives columns, custom metadata, or both', async () => {
      const { scope, dataset } = fixture()
      const did = await dataset('meta_get', { meta_get_1: 7 }, { meta: { arcBackup: 'X:need', list: [1, true, null] } })
      expect(await custom(did)).toEqual({ arcBackup: 'X:need', list: [1, true, null] })
      const columns = (await meta(did, 'DID_COLUMN')).json() as Record<string, unknown>
      expect(columns).toMatchObject({
        scope, name: 'meta_get', did_type: 'DATASET', account: 'root', is_open: false, monotonic: true, suppressed: false,
        length: 1, bytes: 7, adler32: null, md5: null, hidden: false, obsolete: false, availability: 'AVAILABLE',
        events: 0, project: null, expired_at: null,
      }) // prettier-ignore
      for (const key of ['closed_at', 'created_at', 'updated_at']) expect(columns[key]).toMatch(RUCIO_DATE)
      expect(Object.keys(columns).sort()).toEqual(COLUMNS)
      expect((await meta(did, 'all')).json()).toEqual({ ...columns, arcBackup: 'X:need', list: [1, true, null] })
      expect((await fixture().root.ok('GET', didPath(did, 'meta'))).json()).toEqual(columns)
    })

    test('of a file', async () => {
      const { dataset, did } = fixture()
      await dataset('meta_file', { meta_file_1: 7 })
      const columns = { did_type: 'FILE', is_open: null, closed_at: null, length: null, bytes: 7, adler32: '00000007' }
      expect((await meta(did('meta_file_1'), 'DID_COLUMN')).json()).toMatchObject(columns)
    })

    test('of a DID that does not exist is empty for JSON, and 404 for the others', async () => {
      const { did } = fixture()
      expect(await custom(did('nobody'))).toEqual({})
      expectRefusal(await meta(did('nobody'), 'DID_COLUMN'), 404, 'DataIdentifierNotFound')
      expectRefusal(await meta(did('nobody'), 'ALL'), 404, 'DataIdentifierNotFound')
    })

    test('refuses a plugin that is not there, and any other type than JSON', async () => {
      const { root, dataset } = fixture()
      const did = await dataset('meta_plugin', {})
      expect(await custom(did)).toEqual({})
      expectRefusal(await meta(did, 'NONSENSE'), 400, 'UnsupportedMetadataPlugin')
      const stream = { Accept: 'application/x-json-stream' }
      const answer = await root.call('GET', didPath(did, 'meta'), undefined, stream)
      expectRefusal(answer, 406, 'UnsupportedRequestedContentType')
    })
  })

  describe('setting', () => {
    test('one key or several adds to what is there', async () => {
      const { root, dataset } = fixture()
      const did = await dataset('meta_set', {})
      expectCreated(await root.call('POST', `${didPath(did, 'meta')}/one`, { value: { deep: [1] } }))
      expectCreated(await root.call('POST', didPath(did, 'meta'), { meta: { two: 2, three: 'x' } }))
      expectCreated(await setInBulk([{ ...did, meta: { three: 'y' } }]))
      expect(await custom(did)).toEqual({ one: { deep: [1] }, two: 2, three: 'y' })
    })

    test('a column goes to the columns', async () => {
      const { dataset } = fixture()
      const did = await dataset('meta_column', {})
      expectCreated(await setInBulk([{ ...did, meta: { project: 'p', other: 1 } }]))
      expect(await custom(did)).toEqual({ other: 1 })
      expect((await meta(did, 'DID_COLUMN')).json()).toMatchObject({ project: 'p' })
    })

    test('in bulk is one transaction', async () => {
      const { stranger, owner, dataset, did } = fixture()
      const set = await dataset('meta_all', {})
      const change = { ...set, meta: { k: 'v' } }
      expectRefusal(await setInBulk([change, { ...did('nobody'), meta: { k: 'v' } }]), 404, 'DataIdentifierNotFound')
      expectRefusal(await setInBulk([change], stranger), 401, 'AccessDenied')
      expectRefusal(await setInBulk([change, { ...set, meta: { is_open: true } }]), 401, 'AccessDenied')
      expectRefusal(await setInBulk([change, { ...set, meta: { 'a.b': 1 } }]), 500, 'InvalidMetadata')
      expect(await custom(set)).toEqual({})
      expectCreated(await setInBulk([change], owner))
      expect(await custom(set)).toEqual({ k: 'v' })
    })

    test('in bulk of what does not exist says whether one may', async () => {
      const { stranger, owner, admin, did } = fixture()
      const change = { ...did('there-is-no-such-thing'), meta: { k: 'v' } }
      expectRefusal(await setInBulk([change], owner), 404, 'DataIdentifierNotFound')
      expectRefusal(await setInBulk([change], admin), 404, 'DataIdentifierNotFound')
      expectRefusal(await setInBulk([change], stranger), 401, 'AccessDenied')
    })

    test('in bulk takes any number of DIDs, none as well', async () => {
      const { dataset } = fixture()
      const did = await dataset('meta_many', {})
      expectCreated(await setInBulk(Array.from({ length: 1001 }, (_, i) => ({ ...did, meta: { k: i } }))))
      expect(await custom(did)).toEqual({ k: 1000 })
      expectCreated(await setInBulk([]))
    })

    test('is refused to strangers, as a 500 where one DID is in the path', async () => {
      const { stranger, admin, dataset } = fixture()
      const did = await dataset('meta_denied', {})
      expectRefusal(await stranger.call('POST', `${didPath(did, 'meta')}/k`, { value: 1 }), 500, 'AccessDenied')
      expectRefusal(await stranger.call('POST', didPath(did, 'meta'), { meta: { k: 1 } }), 500, 'AccessDenied')
      expect(await custom(did)).toEqual({})
      expectCreated(await admin.call('POST', `${didPath(did, 'meta')}/k`, { value: 1 }))
    })

    test('refuses what it does not understand', async () => {
      const { root, dataset, did } = fixture()
      const set = await dataset('meta_odd', {})
      const one = (body: unknown, key = 'k', to = set) => root.call('POST', `${didPath(to, 'meta')}/${key}`, body)
      expectRefusal(await one({ value: 1 }, 'a.b'), 400, 'InvalidMetadata')
      expectRefusal(await one({}), 400, 'KeyError')
      expectRefusal(await one('{'), 400, 'ValueError')
      expectRefusal(await one('[]'), 400, 'TypeError')
      expectRefusal(await one({ value: 1 }, 'k', did('nobody')), 404, 'DataIdentifierNotFound')
      expectRefusal(await one({ value: 1 }, 'bytes'), 500, 'AccessDenied')
      expectRefusal(await root.call('POST', didPath(set, 'meta'), {}), 400, 'KeyError')
      expectRefusal(await root.call('POST', '/dids/bulkdidsmeta', {}), 400, 'KeyError')
      expectRefusal(await root.call('POST', '/dids/bulkdidsmeta', 'nonsense'), 400, 'ValueError')
      expectRefusal(await root.call('POST', '/dids/bulkdidsmeta', '[]'), 400, 'TypeError')
      expectBreakdown(await setInBulk([set]), /^'meta'$/)
    })
  })

  describe('DELETE …/meta', () => {
    test('is allowed to everybody', async () => {
      const { stranger, dataset } = fixture()
      const did = await dataset('meta_delete', {}, { meta: { a: 1, b: 2 } })
      const answer = await stranger.call('DELETE', `${didPath(did, 'meta')}?key=a`)
      expect([answer.status, answer.text]).toEqual([200, ''])
      expect(await custom(did)).toEqual({ b: 2 })
      expectRefusal(await stranger.call('DELETE', `${didPath(did, 'meta')}?key=a`), 404, 'KeyNotFound')
      expectRefusal(await stranger.call('DELETE', didPath(did, 'meta')), 404, 'KeyNotFound')
      expectRefusal(await stranger.call('DELETE', `${didPath(did, 'meta')}?key=project`), 409, 'NotImplementedError')
    })

    test('of a DID without any, or of none, is 404', async () => {
      const { root, dataset, did } = fixture()
      const set = await dataset('meta_without', {})
      for (const target of [set, did('nobody')])
        expectRefusal(await root.call('DELETE', `${didPath(target, 'meta')}?key=a`), 404, 'DataIdentifierNotFound')
    })
  })

  describe('POST /dids/bulkmeta', () => {
    test('gives a line for each DID that there is, in no order', async () => {
      const { scope, dataset, did } = fixture()
      const one = await dataset('in_bulk_1', {}, { meta: { a: 1 } })
      const two = await dataset('in/bulk_2', {}, { closed: false })
      const dids = [one, did('nobody'), two, one]
      const json = expectLines(await bulk({ dids, inherit: false, plugin: 'JSON' }))
      const columns = expectLines(await bulk({ dids, inherit: false, plugin: 'DID_COLUMN' })) as Record<
        string,
        unknown
      >[]
      const byName = new Map(columns.map((line) => [line['name'], line]))
      expect(byName.get('in_bulk_1')).toEqual((await meta(one, 'DID_COLUMN')).json())
      expect(byName.get('in/bulk_2')).toEqual((await meta(two, 'DID_COLUMN')).json())
      expect(new Set(expectLines(await bulk({ dids })))).toEqual(new Set(columns))
      const all = expectLines(await bulk({ dids: [one], plugin: 'ALL' }))
      if (fixture().is38) {
        // It heeds no plugin.
        expect(new Set(json)).toEqual(new Set(columns))
        expect(all).toEqual([byName.get('in_bulk_1')])
      } else {
        expect(new Set(json)).toEqual(
          new Set([
            { scope, name: 'in_bulk_1', a: 1 },
            { scope, name: 'in/bulk_2' },
          ]),
        )
        expect(all).toEqual([{ ...byName.get('in_bulk_1'), a: 1 }])
      }
      expect(json).toHaveLength(2)
    })

    test('fills in from parents when asked to, and then names what there is not', async () => {
      const { root, dataset, did } = fixture()
      const [one, two] = [await dataset('child_1', {}), await dataset('child_2', {}, { meta: { arcBackup: 'own' } })]
      await root.ok('POST', didPath(did('parent'), ''), { type: 'CONTAINER' })
      await datasets(root).attach(did('parent'), [one, two])
      await datasets(root).tag(did('parent'), { arcBackup: 'inherited' })
      const lines = expectLines(await bulk({ dids: [one, two, did('nobody')], inherit: true, plugin: 'JSON' }))
      const plain = expectLines(await bulk({ dids: [one], inherit: false, plugin: 'JSON' }))
      expect(lines).toEqual([{ ...one, arcBackup: 'inherited' }, { ...two, arcBackup: 'own' }, did('nobody')])
      expect(plain).toEqual(fixture().is38 ? expectLines(await bulk({ dids: [one] })) : [one])
    })

    test('takes up to 1000 DIDs, whose names must be legal', async () => {
      const { root, dataset, did, scope } = fixture()
      const many = (count: number) => Array.from({ length: count }, (_, i) => did(`many_${i}`))
      expect(expectLines(await bulk({ dids: many(1000) }))).toEqual([])
      expectRefusal(await bulk({ dids: many(1001) }), 500, 'InvalidObject')
      expect((await bulk({ dids: many(1001) })).text.length).toBeGreaterThan(50_000) // it repeats the request
      expect(expectLines(await bulk({ dids: [] }))).toEqual([])
      expectRefusal(await bulk({ dids: [{ scope, name: 'a+b' }] }), 500, 'InvalidObject')
      expectRefusal(await bulk({ dids: [{ scope }] }), 500, 'InvalidObject')
      expectRefusal(await bulk({ dids: [{ ...did('x'), more: 1 }] }), 500, 'InvalidObject')
      expectRefusal(await bulk({ dids: 'x' }), 500, 'InvalidObject')
      expectRefusal(await bulk({}), 400, 'KeyError')
      const set = await dataset('bulk_plugin', {})
      const [maybe, nonsense] = [
        { dids: [], inherit: 'maybe' },
        { dids: [set], plugin: 'NONSENSE' },
      ]
      if (fixture().is38) {
        expect(expectLines(await bulk(maybe))).toEqual([])
        expect(expectLines(await bulk(nonsense))).toMatchObject([set])
      } else {
        expectRefusal(await bulk(maybe), 400, 'TypeError')
        expectRefusal(await bulk(nonsense), 500, 'UnsupportedMetadataPlugin')
      }
      const json = { Accept: 'application/json' }
      const answer = await root.call('POST', '/dids/bulkmeta', { dids: [set] }, json)
      expectRefusal(answer, 406, 'UnsupportedRequestedContentType')
    })
  })
}
