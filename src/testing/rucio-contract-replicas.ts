import { describe, expect, test } from '@jest/globals'
import {
  expectBreakdown,
  expectCreated,
  expectLines,
  expectRefusal,
  fileDid,
  type Fixture,
} from './rucio-contract-fixture.ts'
import { didPath } from './rucio-rest.ts'

type Line = Readonly<Record<string, unknown>> & { readonly name: string }

/** Replicas: registered, listed, declared bad. */
export function replicasContract(fixture: () => Fixture): void {
  const add = (rse: string, files: readonly unknown[], rest = fixture().root) =>
    rest.call('POST', '/replicas', { rse, files })
  const list = (body: Readonly<Record<string, unknown>>) =>
    fixture().root.call('POST', '/replicas/list', {
      rse_expression: fixture().disk,
      schemes: ['file'],
      domain: 'lan',
      all_states: true,
      resolve_archives: false,
      sort: 'random',
      ...body,
    })
  const listed = async (body: Readonly<Record<string, unknown>>): Promise<Line[]> =>
    (expectLines(await list(body)) as Line[]).sort((a, b) => (a.name < b.name ? -1 : 1))
  const pfn = (name: string) => `file://localhost/contract/disk/${fixture().scope}/${name}`

  describe('POST /replicas', () => {
    test('makes the file; an existing replica stays as it is, whatever is said of it', async () => {
      const { root, did, disk } = fixture()
      expectCreated(await add(disk, [fileDid(did('rep/1'), 10)]))
      expectCreated(await add(disk, [fileDid(did('rep/1'), 11)]))
      const status = await root.ok('GET', didPath(did('rep/1'), 'status'))
      expect(status.json()).toMatchObject({ type: 'FILE', bytes: 10, adler32: '0000000a' })
      expectCreated(await add(disk, [{ ...did('rep/bare'), bytes: 3 }]))
      expect((await root.ok('GET', didPath(did('rep/bare'), 'status'))).json()).toMatchObject({ adler32: null })
    })

    test('refuses what is not right, all of it', async () => {
      const { root, did, disk, scope, is38 } = fixture()
      const good = fileDid(did('all_or_none'), 1)
      expectRefusal(await add('NO_SUCH_RSE', [good]), 404, 'RSENotFound')
      expectRefusal(await add(disk, [good, fileDid({ scope: 'no_such_scope', name: 'x' }, 1)]), 404, 'ScopeNotFound')
      expectRefusal(await add(disk, [good, fileDid(did('a+b'), 1)]), 500, 'InvalidObject')
      expectRefusal(await add(disk, [good, { ...fileDid(did('x'), 1), more: 1 }]), 500, 'InvalidObject')
      expectRefusal(await add(disk, [good, { ...fileDid(did('x'), 1), adler32: 'xyz' }]), 500, 'InvalidObject')
      expectBreakdown(await add(disk, [good, { scope, name: 'x' }]), /^'bytes'$/)
      if (is38) expectCreated(await add(disk, []))
      else expectRefusal(await add(disk, []), 500, 'DatabaseException')
      const many = Array.from({ length: 1001 }, (_, i) => fileDid(did(`many_${i}`), 1))
      expectRefusal(await add(disk, many), 500, 'InvalidObject')
      expectRefusal(await root.call('POST', '/replicas', { files: [good] }), 400, 'KeyError')
      expectRefusal(await root.call('GET', didPath(good, 'status')), 404, 'DataIdentifierNotFound')
    })

    test('is for root and admins, not for owners of a scope', async () => {
      const { owner, admin, did, disk } = fixture()
      expectRefusal(await add(disk, [fileDid(did('by_owner'), 1)], owner), 401, 'AccessDenied')
      expectCreated(await add(disk, [fileDid(did('by_admin'), 1)], admin))
    })

    test('takes of a deterministic RSE only the PFN that it expects', async () => {
      const { did, disk } = fixture()
      const file = fileDid(did('pfn_right'), 1)
      expectRefusal(await add(disk, [{ ...file, pfn: pfn('elsewhere') }]), 400, 'InvalidPath')
      expectCreated(await add(disk, [{ ...file, pfn: pfn('pfn_right') }]))
    })

    test('wants of the other RSEs a PFN below their prefix', async () => {
      const { did, tape } = fixture()
      const file = fileDid(did('on_tape'), 1)
      const at = (path: string) => [{ ...file, pfn: `file://localhost${path}` }]
      expectRefusal(await add(tape, [file]), 500, 'UnsupportedOperation')
      expectRefusal(await add(tape, at('/elsewhere/on_tape')), 500, 'RSEFileNameNotSupported')
      expectCreated(await add(tape, at('/contract/tape/deep/down.zip')))
      const [line] = await listed({ dids: [did('on_tape')], rse_expression: tape })
      expect(line).toMatchObject({ rses: { [tape]: ['file://localhost/contract/tape/deep/down.zip'] } })
      expect(JSON.stringify(line)).toContain('"type":"TAPE"')
    })
  })

  describe('POST /replicas/list', () => {
    test('gives a line for each file of a dataset, in no order', async () => {
      const { scope, disk, dataset } = fixture()
      const set = await dataset('list_1', { 'list/a': 1, list_b: 2 })
      const [one, two, ...more] = await listed({ dids: [set, set] })
      const at = pfn('list/a')
      expect(one).toEqual({
        scope, name: 'list/a', bytes: 1, md5: null, adler32: '00000001',
        pfns: {
          [at]: {
            rse_id: expect.stringMatching(/^[0-9a-f]{32}$/), rse: disk, type: 'DISK', volatile: false, domain: 'lan',
            priority: 1, client_extract: false,
          },
        },
        rses: { [disk]: [at] }, states: { [disk]: 'AVAILABLE' },
      }) // prettier-ignore
      expect(two).toMatchObject({ name: 'list_b', bytes: 2, rses: { [disk]: [pfn('list_b')] } })
      expect(more).toEqual([])
      const [wan] = await listed({ dids: [set], domain: 'wan' })
      expect(wan!['pfns']).toMatchObject({ [at]: { domain: 'wan' } })
    })

    test('takes files and datasets together, each file once', async () => {
      const { dataset, did } = fixture()
      const [one, two] = [await dataset('list_x', { list_x1: 1 }), await dataset('list_y', { list_y1: 1 })]
      const lines = await listed({ dids: [one, did('list_y1'), two, did('list_x1'), did('nobody')] })
      expect(lines.map(({ name }) => name)).toEqual(['list_x1', 'list_y1'])
    })

    test('is empty for an empty dataset, an unknown DID, and a dataset without replicas there', async () => {
      const { dataset, did, tape } = fixture()
      const set = await dataset('list_none', { list_none_1: 1 })
      expect(await listed({ dids: [await dataset('list_empty', {})] })).toEqual([])
      expect(await listed({ dids: [did('nobody')] })).toEqual([])
      expect(await listed({ dids: [set], rse_expression: tape })).toEqual([])
    })

    test('has a line for a file that was asked for by name, even if it has no replica there', async () => {
      const { dataset, did, tape } = fixture()
      await dataset('list_bare', { list_bare_1: 1 })
      const [line] = await listed({ dids: [did('list_bare_1')], rse_expression: tape })
      expect(line).toMatchObject({ name: 'list_bare_1', pfns: {}, rses: {}, states: {} })
    })

    test('has states, but no PFN, where no protocol was asked for', async () => {
      const { dataset, disk } = fixture()
      const set = await dataset('list_root', { list_root_1: 1 })
      const [line] = await listed({ dids: [set], schemes: ['root'] })
      expect(line).toMatchObject({ pfns: {}, rses: {}, states: { [disk]: 'AVAILABLE' } })
    })

    test('takes expressions of RSEs, and refuses one that means none', async () => {
      const { dataset, disk, tape, did } = fixture()
      const set = await dataset('list_expression', { list_expression_1: 1 })
      const both = await listed({ dids: [set], rse_expression: `${disk}|${tape}` })
      expect(both).toHaveLength(1)
      for (const dids of [[set], [did('nobody')]])
        expectRefusal(await list({ dids, rse_expression: 'NO_SUCH_RSE' }), 500, 'InvalidRSEExpression')
      expectRefusal(await list({ dids: [set], rse_expression: 'no such!' }), 500, 'InvalidRSEExpression')
    })

    test('takes up to 1000 DIDs, legal names or not', async () => {
      const { did } = fixture()
      const many = (count: number) => Array.from({ length: count }, (_, i) => did(`many_${i}`))
      expect(await listed({ dids: many(1000) })).toEqual([])
      expectRefusal(await list({ dids: many(1001) }), 400, 'InvalidObject')
      expect(await listed({ dids: [did('a+b')] })).toEqual([])
      const answer = await fixture().root.call('POST', '/replicas/list', { dids: [] }, { Accept: 'application/json' })
      expectRefusal(answer, 406, 'UnsupportedRequestedContentType')
    })
  })

  describe('POST /replicas/bad', () => {
    test('makes a replica BAD, which is seen only when all states are asked for', async () => {
      const { root, dataset, did, disk } = fixture()
      const set = await dataset('bad', { bad_1: 1, bad_2: 2 })
      const declare = () =>
        root.call('POST', '/replicas/bad', { replicas: [{ ...did('bad_2'), rse: disk }], reason: 'rotten' })
      const answer = await declare()
      expect([answer.status, answer.json()]).toEqual([201, {}])
      const all = await listed({ dids: [set] })
      expect(all.map(({ states }) => states)).toEqual([{ [disk]: 'AVAILABLE' }, { [disk]: 'BAD' }])
      expect(all[1]!['rses']).toEqual({ [disk]: [pfn('bad_2')] })
      expect((await listed({ dids: [set], all_states: false })).map(({ name }) => name)).toEqual(['bad_1'])
      const [alone] = await listed({ dids: [did('bad_2')], all_states: false })
      expect(alone).toMatchObject({ pfns: {}, rses: {}, states: {} })
      expect((await declare()).json()).toEqual({ [disk]: [`${did('bad_2').scope}:bad_2 Already declared`] })
    })

    test('is for root alone, and says what it does not know', async () => {
      const { root, admin, dataset, did, disk } = fixture()
      await dataset('bad_other', { bad_other_1: 1 })
      const body = (name: string, rse: string) => ({ replicas: [{ ...did(name), rse }], reason: 'rotten' })
      expectRefusal(await admin.call('POST', '/replicas/bad', body('bad_other_1', disk)), 401, 'AccessDenied')
      expectRefusal(await root.call('POST', '/replicas/bad', body('bad_other_1', 'NO_SUCH_RSE')), 404, 'RSENotFound')
      const unknown = await root.call('POST', '/replicas/bad', body('nobody', disk))
      expect([unknown.status, unknown.json()]).toEqual([
        201,
        { [disk]: [`(${did('x').scope}, 'nobody') Unknown replica`] },
      ])
    })
  })
}
