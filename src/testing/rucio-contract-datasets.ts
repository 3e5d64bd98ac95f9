import { describe, expect, test } from '@jest/globals'
import type { Did } from '../model/did.ts'
import {
  expectCreated,
  expectLines,
  expectRefusal,
  fileDid,
  type Fixture,
  RUCIO_DATE,
} from './rucio-contract-fixture.ts'
import { datasets, didPath } from './rucio-rest.ts'

/** Datasets, what is in them, and their states. */
export function datasetsContract(fixture: () => Fixture): void {
  const status = async (did: Did, query = ''): Promise<Record<string, unknown>> =>
    (await fixture().root.ok('GET', `${didPath(did, 'status')}${query}`)).json() as Record<string, unknown>
  const closedAt = async (did: Did) => (await datasets(fixture().root).meta(did))['closed_at'] as string | null
  const setOpen = (did: Did, open: boolean, rest = fixture().root) => rest.call('PUT', didPath(did, 'status'), { open })
  const sorted = (values: readonly unknown[]) =>
    [...values].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))

  describe('creating', () => {
    test('is done once, in a scope that is there, by whoever owns it', async () => {
      const { root, owner, stranger, admin, did } = fixture()
      const create = (rest = root, name = 'made', type: unknown = 'DATASET') =>
        rest.call('POST', didPath(did(name), ''), { type })
      expectCreated(await create(owner))
      expectRefusal(await create(), 409, 'DataIdentifierAlreadyExists')
      expectRefusal(await create(stranger, 'made2'), 401, 'AccessDenied')
      expectCreated(await create(admin, 'made2'))
      expectRefusal(await root.call('POST', '/dids/no_such_scope/x', { type: 'DATASET' }), 404, 'ScopeNotFound')
      expectRefusal(await create(root, 'file', 'FILE'), 409, 'UnsupportedOperation')
      expectRefusal(await create(root, 'bad', 'NONSENSE'), 400, 'InvalidObject')
      expectRefusal(await root.call('POST', didPath(did('x'), ''), {}), 400, 'KeyError')
    })

    test.each(['with+plus', 'with space', '../up', 'a'.repeat(251)])('refuses the name %j', async (name) => {
      const { root, did } = fixture()
      expectRefusal(await root.call('POST', didPath(did(name), ''), { type: 'DATASET' }), 400, 'InvalidObject')
    })

    test.each(['a/b/c', '/leading/slash', 'foo/../../bar'])('takes the name %j, and finds it', async (name) => {
      const { root, did } = fixture()
      expectCreated(await root.call('POST', didPath(did(name), ''), { type: 'DATASET' }))
      expect(await status(did(name))).toMatchObject({ ...did(name), open: true })
    })

    test('can be done in bulk, with metadata', async () => {
      const { owner, root, did } = fixture()
      const dids = [
        { ...did('bulk1'), type: 'DATASET', meta: { a: 'b' } },
        { ...did('bulk2'), type: 'CONTAINER' },
      ]
      expectCreated(await owner.call('POST', '/dids', dids))
      expect(await datasets(root).meta(did('bulk1'))).toMatchObject({ did_type: 'DATASET', a: 'b' })
      expect(await status(did('bulk2'))).toMatchObject({ type: 'CONTAINER' })
    })
  })

  describe('names with slashes in a URL', () => {
    test.each(['status', 'meta', 'files', 'dids'] as const)('are the same encoded and plain: …/%s', async (suffix) => {
      const { root, scope, dataset } = fixture()
      const did = await dataset(`in/url/${suffix}x`, { [`in/url/${suffix}.dat`]: 1 })
      const encoded = await root.ok('GET', didPath(did, suffix))
      const plain = await root.ok('GET', `/dids/${scope}/${did.name}/${suffix}`)
      const values = (text: string) =>
        text.split('\n').map((line) => (line === '' ? '' : (JSON.parse(line) as unknown)))
      expect(values(plain.text)).toEqual(values(encoded.text))
    })

    test('are not decoded twice', async () => {
      const { root, scope } = fixture()
      expectRefusal(await root.call('GET', `/dids/${scope}/in%252Furl/status`), 404, 'DataIdentifierNotFound')
    })
  })

  describe('…/status', () => {
    test('of a new dataset has no numbers; closing counts, reopening keeps them, closing again counts anew', async () => {
      const { rucio, root, dataset, disk } = fixture()
      const did = await dataset('states', { 'states/1': 10, 'states/2': 20 }, { closed: false })
      const { scope, name } = did
      const shown = { scope, name, type: 'DATASET', account: 'root', monotonic: true, expired_at: null }
      expect(await status(did)).toEqual({ ...shown, open: true, length: null, bytes: null })
      expect(await status(did, '?dynamic_depth=FILE')).toEqual({ ...shown, open: true, length: 2, bytes: 30 })
      expect(await closedAt(did)).toBeNull()

      expect((await setOpen(did, false)).status).toBe(200)
      expect(await status(did)).toEqual({ ...shown, open: false, length: 2, bytes: 30 })
      const first = await closedAt(did)
      expect(first).toMatch(RUCIO_DATE)

      await rucio.nextSecond()
      expect((await setOpen(did, true)).text).toBe('')
      const third = fileDid({ scope, name: 'states/3' }, 40)
      await datasets(root).addReplicas(disk, [third])
      await datasets(root).attach(did, [third])
      expect(await status(did)).toEqual({ ...shown, open: true, length: 2, bytes: 30 })
      expect(await closedAt(did)).toBe(first)

      await setOpen(did, false)
      expect(await status(did)).toEqual({ ...shown, open: false, length: 3, bytes: 70 })
      const second = await closedAt(did)
      expect(Date.parse(second!)).toBeGreaterThan(Date.parse(first!))

      await rucio.nextSecond()
      await datasets(root).detach(did, [third])
      expect(await status(did)).toEqual({ ...shown, open: false, length: 2, bytes: 30 })
      expect(await closedAt(did)).toBe(second)
    })

    test('of an empty dataset that is closed is zero', async () => {
      expect(await status(await fixture().dataset('empty_closed', {}))).toMatchObject({ length: 0, bytes: 0 })
    })

    test('of a file', async () => {
      const { dataset, did } = fixture()
      await dataset('of_file', { of_file_1: 255 })
      const { scope, name } = did('of_file_1')
      expect(await status({ scope, name })).toEqual({
        scope, name, type: 'FILE', account: 'root', bytes: 255, length: 1, md5: null, adler32: '000000ff',
      }) // prettier-ignore
    })

    test('is refused where it cannot change', async () => {
      const { root, stranger, dataset, did } = fixture()
      const set = await dataset('refuses', { refuses_1: 1 })
      expectRefusal(await setOpen(set, false), 409, 'UnsupportedOperation')
      expectRefusal(await setOpen(did('refuses_1'), false), 409, 'UnsupportedOperation')
      expectRefusal(await setOpen(did('nobody'), false), 404, 'DataIdentifierNotFound')
      expectRefusal(await setOpen(set, true, stranger), 401, 'AccessDenied')
      expectRefusal(await root.call('PUT', didPath(set, 'status'), { colour: 1 }), 409, 'UnsupportedStatus')
      expectRefusal(await root.call('GET', didPath(did('nobody'), 'status')), 404, 'DataIdentifierNotFound')
    })

    test('is set by the owner and by admins', async () => {
      const { owner, admin, dataset } = fixture()
      const set = await dataset('by_others', {})
      expect((await setOpen(set, true, owner)).status).toBe(200)
      expect((await setOpen(set, false, admin)).status).toBe(200)
    })
  })

  describe('attaching', () => {
    test('an existing child again is refused, or skipped when asked to', async () => {
      const { root, dataset, did } = fixture()
      const set = await dataset('twice', { twice_1: 1, twice_2: 2 }, { closed: false })
      await dataset('twice_more', { twice_3: 3 })
      const dids = [did('twice_1'), did('twice_3')]
      expectRefusal(await root.call('POST', didPath(set, 'dids'), { dids }), 409, 'FileAlreadyExists')
      const attachments = [{ ...set, dids }]
      expectRefusal(await root.call('POST', '/dids/attachments', { attachments }), 409, 'FileAlreadyExists')
      expect(await status(set, '?dynamic_depth=FILE')).toMatchObject({ length: 2 })
      expectCreated(await root.call('POST', '/dids/attachments', { attachments, ignore_duplicate: true }))
      expect(await status(set, '?dynamic_depth=FILE')).toMatchObject({ length: 3 })
    })

    test('is refused for what does not fit, all of it', async () => {
      const { root, stranger, dataset, did } = fixture()
      const set = await dataset('fits', { fits_1: 1 }, { closed: false })
      const closed = await dataset('fits_closed', { fits_2: 1 })
      const attach = (to: Did, dids: readonly unknown[], rest = root) =>
        rest.call('POST', didPath(to, 'dids'), { dids })
      expectRefusal(await attach(closed, [did('fits_1')]), 409, 'UnsupportedOperation')
      expectRefusal(await attach(set, [did('fits_2'), did('nobody')]), 404, 'DataIdentifierNotFound')
      expectRefusal(await attach(set, [closed]), 409, 'UnsupportedOperation')
      expectRefusal(await attach(did('nobody'), [did('fits_1')]), 404, 'DataIdentifierNotFound')
      expectRefusal(await attach(did('fits_1'), [did('fits_2')]), 409, 'UnsupportedOperation')
      expectRefusal(await attach(set, [did('fits_2')], stranger), 401, 'AccessDenied')
      expectRefusal(await attach(set, []), 500, 'InvalidObject')
      const wrong = [{ ...set, dids: [{ ...did('fits_2'), bytes: 99 }] }]
      expectRefusal(
        await root.call('POST', '/dids/attachments', { attachments: wrong }),
        412,
        'FileConsistencyMismatch',
      )
      expect(await status(set, '?dynamic_depth=FILE')).toMatchObject({ length: 1 })
    })

    test('to a container takes collections alone', async () => {
      const { root, dataset, did } = fixture()
      const set = await dataset('in_container', { in_container_1: 1 })
      await root.ok('POST', didPath(did('container'), ''), { type: 'CONTAINER' })
      const attach = (dids: readonly Did[]) => root.call('POST', didPath(did('container'), 'dids'), { dids })
      expectRefusal(await attach([did('in_container_1')]), 409, 'UnsupportedOperation')
      expectCreated(await attach([set]))
      const content = await root.call('GET', didPath(did('container'), 'dids'))
      expect(expectLines(content)).toEqual([{ ...set, type: 'DATASET', bytes: null, adler32: null, md5: null }])
      const files = await root.call('GET', didPath(did('container'), 'files'))
      expect(expectLines(files)).toMatchObject([did('in_container_1')])
    })
  })

  describe('detaching', () => {
    test('from a dataset that is open again counts down what was counted when it was closed', async () => {
      const { root, dataset, did } = fixture()
      const set = await dataset('down', { down_1: 10, down_2: 20 }, { closed: false })
      await dataset('down_other', { down_3: 5 }, { closed: false })
      await datasets(root).detach(did('down_other'), [did('down_3')])
      expect(await status(did('down_other'))).toMatchObject({ length: null, bytes: null })
      await datasets(root).close(set)
      await datasets(root).open(set)
      await datasets(root).detach(set, [did('down_1')])
      expect(await status(set)).toMatchObject({ open: true, length: 1, bytes: 20 })
    })

    test('is refused for what is not there, all of it', async () => {
      const { root, stranger, dataset, did } = fixture()
      const set = await dataset('off', { off_1: 1, off_2: 2 })
      const detach = (from: Did, dids: readonly Did[], rest = root) =>
        rest.call('DELETE', didPath(from, 'dids'), { dids })
      expectRefusal(await detach(set, [did('off_1'), did('nobody')]), 404, 'DataIdentifierNotFound')
      expectRefusal(await detach(did('nobody'), [did('off_1')]), 404, 'DataIdentifierNotFound')
      expectRefusal(await detach(did('off_1'), [did('off_2')]), 404, 'DataIdentifierNotFound')
      expectRefusal(await detach(set, [did('off_1')], stranger), 401, 'AccessDenied')
      expectRefusal(await root.call('DELETE', didPath(set, 'dids'), {}), 400, 'KeyError')
      expect(await status(set)).toMatchObject({ length: 2, bytes: 3 })
    })
  })

  describe('listing', () => {
    test('…/files and …/dids give a line for each file, md5 only the latter', async () => {
      const { root, scope, dataset, did } = fixture()
      const set = await dataset('lists', { lists_1: 1, 'lists/2': 2 })
      const files = expectLines(await root.call('GET', didPath(set, 'files')))
      expect(sorted(files)).toEqual(sorted([
        { scope, name: 'lists_1', bytes: 1, adler32: '00000001', guid: null, events: null },
        { scope, name: 'lists/2', bytes: 2, adler32: '00000002', guid: null, events: null },
      ])) // prettier-ignore
      const content = expectLines(await root.call('GET', didPath(set, 'dids')))
      expect(sorted(content)).toEqual(sorted([
        { scope, name: 'lists_1', type: 'FILE', bytes: 1, adler32: '00000001', md5: null },
        { scope, name: 'lists/2', type: 'FILE', bytes: 2, adler32: '00000002', md5: null },
      ])) // prettier-ignore
      expect(expectLines(await root.call('GET', didPath(did('lists_1'), 'files')))).toMatchObject([did('lists_1')])
    })

    test.each(['files', 'dids'] as const)('…/%s is empty for an empty dataset, and 404 for none', async (suffix) => {
      const { root, dataset, did } = fixture()
      const set = await dataset(`nothing_in_${suffix}`, {})
      expect(expectLines(await root.call('GET', didPath(set, suffix)))).toEqual([])
      expectRefusal(await root.call('GET', didPath(did('nobody'), suffix)), 404, 'DataIdentifierNotFound')
      const json = { Accept: 'application/json' }
      const answer = await root.call('GET', didPath(set, suffix), undefined, json)
      expectRefusal(answer, 406, 'UnsupportedRequestedContentType')
    })

    test('bulkfiles names the parent of each file, and leaves out what it does not know', async () => {
      const { root, scope, dataset, did } = fixture()
      const [one, two] = [await dataset('bulk_a', { bulk_1: 1, bulk_2: 2 }), await dataset('bulk_b', { bulk_3: 3 })]
      await datasets(root).open(two)
      await datasets(root).attach(two, [did('bulk_1')])
      const empty = await dataset('bulk_c', {})
      const dids = [one, did('nobody'), empty, two, did('bulk_3')]
      const answer = await root.call('POST', '/dids/bulkfiles', { dids })
      const line = (n: number, parent: Did) => ({
        scope, name: `bulk_${n}`, bytes: n, adler32: `0000000${n}`, guid: null, events: null,
        parent_scope: parent.scope, parent_name: parent.name,
      }) // prettier-ignore
      const expected = [line(1, one), line(2, one), line(1, two), line(3, two), line(3, did('bulk_3'))]
      expect(sorted(expectLines(answer))).toEqual(sorted(expected))
      const many = Array.from({ length: 1001 }, (_, i) => did(`many_${i}`))
      expect(expectLines(await root.call('POST', '/dids/bulkfiles', { dids: many }))).toEqual([])
      expectRefusal(await root.call('POST', '/dids/bulkfiles', 'nonsense'), 400, 'ValueError')
    })
  })
}
