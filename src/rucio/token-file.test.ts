import { describe, expect, test } from '@jest/globals'
import { ours, secretFiles } from '../testing/secret-files.ts'
import { readToken } from './token-file.ts'

const { write } = secretFiles()

describe('readToken()', () => {
  const jwt = (claims: unknown) =>
    ['{"alg":"RS256"}', JSON.stringify(claims), 'signature']
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.')

  test('reads what a JWT says of its life', async () => {
    const value = jwt({ sub: 'x', nbf: 1_700_000_000, iat: 1_600_000_000, exp: 1_700_003_600.5 })
    const file = write(`${value}\n`)
    expect(await readToken(file, ours)).toEqual({
      file,
      value,
      life: {
        from: new Date(1_700_000_000_000),
        until: new Date(1_700_003_600_500),
        issued: new Date(1_600_000_000_000),
      },
    })
  })

  test.each([['tapeagent-tapeagent-x-0123'], ['a.b.c'], [jwt('x')], [jwt({ exp: 'soon', nbf: 1e18 })], ['a.b']])(
    'takes %s, which says nothing of it',
    async (value) => {
      expect(await readToken(write(value), ours)).toMatchObject({
        value,
        life: { from: null, until: null, issued: null },
      })
    },
  )
})
