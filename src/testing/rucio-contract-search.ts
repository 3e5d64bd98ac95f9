import { beforeAll, describe, expect, test } from '@jest/globals'
import { expectBreakdown, expectLines, expectRefusal, type Fixture } from './rucio-contract-fixture.ts'
import { datasets, didPath } from './rucio-rest.ts'

/** GET /dids/<scope>/dids/search, which has a language of its own. */
export function searchContract(fixture: () => Fixture): void {
  describe('search', () => {
    const search = (filters: string, query = 'type=all&long=False', scope = fixture().other) =>
      fixture().root.call('GET', `/dids/${scope}/dids/search?${query}&filters=${encodeURIComponent(filters)}`)
    const found = async (...args: Parameters<typeof search>) => expectLines(await search(...args)).sort()
    const needy = ['closed', 'container', 'empty', 'file', 'open', 'suppressed']

    beforeAll(async () => {
      const { root, other: scope, disk, rucio } = fixture()
      const calls = datasets(root)
      const did = (name: string) => ({ scope, name })
      await calls.addReplicas(disk, [{ ...did('file'), bytes: 1, adler32: '00000001' }])
      for (const name of ['closed', 'empty', 'open', 'suppressed', 'done', 'site', 'plain'])
        await calls.create(did(name))
      await root.ok('POST', didPath(did('container'), ''), { type: 'CONTAINER' })
      await calls.attach(did('closed'), [did('file')])
      for (const name of ['closed', 'empty', 'suppressed', 'done', 'site', 'plain']) await calls.close(did(name))
      for (const name of needy) await calls.tag(did(name), { arcBackup: 'X:need' })
      await calls.tag(did('done'), {
        arcBackup: 'X:done',
        number: 5,
        flag: true,
        digits: '5',
        cased: 'aTrueb',
        under: 'a_b',
      })
      await calls.tag(did('site'), { arcBackup: 'SITE_TRUE:need', number: 'six', under: 'axb', more: 'v' })
      await rucio.suppress(did('suppressed'))
    })

    test('by a custom key gives names of every type and state', async () => {
      expect(await found('[{"arcBackup":"X:need"}]')).toEqual(needy)
      expect(await found('[{"arcBackup":"X:need"}]', 'type=dataset')).toEqual(needy)
      expect(await found('[{"arcBackup":"X:need"}]', 'type=nonsense')).toEqual(needy)
    })

    test('in the long form knows nothing but names', async () => {
      const { other: scope, is38 } = fixture()
      const long = { scope, name: 'done', did_type: null, bytes: null, length: null }
      for (const flag of ['True', 'true', '1']) {
        const expected = is38 && flag === 'true' ? 'done' : long // 38 knows fewer spellings of true
        expect(await found('[{"arcBackup":"X:done"}]', `type=all&long=${flag}`)).toEqual([expected])
      }
      if (is38) expect(await found('[{"arcBackup":"X:done"}]', 'long=maybe')).toEqual(['done'])
      else expectRefusal(await search('[{"arcBackup":"X:done"}]', 'long=maybe'), 400, 'TypeError')
    })

    test('of an unknown scope, key or value is empty', async () => {
      expect(await found('[{"arcBackup":"X:need"}]', 'type=all', 'no_such_scope')).toEqual([])
      expect(await found('[{"nonsense":"X:need"}]')).toEqual([])
      expect(await found('[{"arcBackup":"x:need"}]')).toEqual([])
    })

    test('is open to strangers', async () => {
      const { stranger, other } = fixture()
      const answer = await stranger.call('GET', `/dids/${other}/dids/search?type=all&filters=[{"arcBackup":"X:done"}]`)
      expect(expectLines(answer)).toEqual(['done'])
    })

    test('takes a limit, which is not a page', async () => {
      expect(await found('[{"arcBackup":"X:need"}]', 'limit=2')).toHaveLength(2)
    })

    test.each([
      '[{"arcBackup":"X:done"}]',
      '{"arcBackup":"X:done"}',
      "[{'arcBackup': 'X:done',}]",
      '[{"arcBackup":"\\u0058:done"}]',
    ])('reads Python: %s', async (filters) => expect(await found(filters)).toEqual(['done']))

    test.each(['[{"flag":true}]', '[{"flag":null}]', 'nonsense'])('does not read %s', async (filters) => {
      expectBreakdown(await search(filters), /^malformed node or string/)
    })

    test('matches several keys of one group, or one of several groups', async () => {
      expect(await found('[{"arcBackup":"SITE*","more":"v"}]')).toEqual(['site'])
      expect(await found('[{"arcBackup":"X:need","more":"v"}]')).toEqual([])
      expect(await found('[{"arcBackup":"X:done"},{"more":"v"},{"under":"a_b"}]')).toEqual(['done', 'site'])
    })

    test('takes * and % for anything, _ for itself, and a value that is only one of them for no filter', async () => {
      const all = [...needy, 'done', 'site'].sort()
      expect(await found('[{"arcBackup":"X:*"}]')).toEqual([...needy, 'done'].sort())
      expect(await found('[{"arcBackup":"%:d%"}]')).toEqual(['done'])
      expect(await found('[{"under":"a_*"}]')).toEqual(['done'])
      expect(await found('[{"arcBackup":"*"}]')).toEqual(all)
      expect(await found('[{"nonsense":"%"}]')).toEqual(all)
      expectRefusal(await search('[{"arcBackup.gt":"X*"}]'), 400, 'DIDFilterSyntaxError')
    })

    test('.ne leaves out what does not have the key', async () => {
      expect(await found('[{"arcBackup.ne":"X:need"}]')).toEqual(['done', 'site'])
      expect(await found('[{"under.ne":"a_b"}]')).toEqual(['site'])
      expect(await found('[{"arcBackup.ne":"X*"}]')).toEqual(['site'])
    })

    test('rewrites true and false inside a value, so that it is never found', async () => {
      expect(await found('[{"arcBackup":"SITE_TRUE:need"}]')).toEqual([])
      expect(await found('[{"cased":"atrueb"}]')).toEqual(['done'])
    })

    test('takes strings for what they look like', async () => {
      expect(await found('[{"digits":"5"}]')).toEqual(['done'])
      expect(await found('[{"flag":"true"}]')).toEqual(['done'])
      expect(await found('[{"flag":True}]')).toEqual(['done'])
      expectRefusal(await search('[{"number":5}]'), 500, 'InvalidMetadata') // there is one that is no number
      expectRefusal(await search('[{"number.gt":4}]'), 500, 'InvalidMetadata')
    })

    test.each([
      'length.gt":0',
      'created_after":"2020-01-01T00:00:00',
      'created_at.gte":"2020-01-01T00:00:00',
      'type":"dataset',
      'project":"p',
    ])('refuses to mix custom keys with columns: "%s"', async (column) => {
      const answer = await search(`[{"arcBackup":"X:need","${column.replace(/":0$/, '":"0')}"}]`)
      if (fixture().is38 && column.startsWith('created_at')) {
        expectLines(answer)
        return
      }
      expectRefusal(answer, 500, 'InvalidMetadata')
      expect(answer.text).toContain('do not all belong to the same metadata plugin')
    })

    test('looks for is_open and did_type where they are not', async () => {
      expect(await found('[{"arcBackup":"X:need","is_open":False}]')).toEqual([])
      expect(await found('[{"arcBackup":"X:need","did_type":"D"}]')).toEqual([])
      expectRefusal(await search('[{"arcBackup":"X:need","did_type":"DATASET"}]'), 500, 'InvalidMetadata')
    })

    test('takes the name, and the time of the last change of metadata, beside custom keys', async () => {
      expect(await found('[{"arcBackup":"X:need","name":"s*"}]')).toEqual(['suppressed'])
      for (const past of ['2020-01-01T00:00:00', '2020-01-01 00:00:00', '2020-01-01T00:00:00.000Z'])
        expect(await found(`[{"arcBackup":"X:need","updated_at.gte":"${past}"}]`)).toEqual(needy)
      expect(await found('[{"arcBackup":"X:need","updated_at.gte":"2099-01-01T00:00:00"}]')).toEqual([])
      const odd = await search('[{"arcBackup":"X:need","updated_at.gte":"2020-01-01T00:00:00Z"}]')
      expectRefusal(odd, 500, 'DatabaseException')
    })

    test('refuses operators and keys that it does not know', async () => {
      expectRefusal(await search('[{"arcBackup.like":"X"}]'), 500, 'FilterEngineGenericError')
      expectRefusal(await search('[{"a.b.c":"X"}]'), 400, 'DIDFilterSyntaxError')
      expectBreakdown(await search('[{"arcBackup":"X:need"}]', 'recursive=True'), /^did_type$/)
    })

    test('without custom keys looks at the columns, by type, and not at what is suppressed', async () => {
      expect(await found('[{"name":"*"}]', 'type=file')).toEqual(['file'])
      expect(await found('[{"name":"*"}]', 'type=container')).toEqual(['container'])
      expect(await found('[{"name":"*"}]', '')).toEqual([
        'closed',
        'container',
        'done',
        'empty',
        'open',
        'plain',
        'site',
      ])
      expect(await found('[{"length.gt":0}]', 'type=dataset')).toEqual(['closed'])
      expectRefusal(await search('[{"name":"*"}]', 'type=nonsense'), 409, 'UnsupportedOperation')
    })

    test('answers a stream or nothing', async () => {
      const { root, other } = fixture()
      const path = `/dids/${other}/dids/search?type=all&filters=[{"arcBackup":"X:done"}]`
      const json = await root.call('GET', path, undefined, { Accept: 'application/json' })
      expectRefusal(json, 406, 'UnsupportedRequestedContentType')
      const stream = await root.call('GET', path, undefined, { Accept: 'application/x-json-stream' })
      expect(stream.text).toBe('"done"\n')
    })
  })
}
