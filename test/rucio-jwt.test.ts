import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { makeKey, signJwt, startIssuer, type Claims, type Issuer } from './rucio/issuer.ts'
import { describeWithEachRucio } from './with-rucio.ts'

/** What Rucio answers to access tokens that it did not issue itself, as sites with WLCG IAM use them. */

describeWithEachRucio('a JWT as X-Rucio-Auth-Token', (bed) => {
  let issuer: Issuer

  beforeAll(async () => {
    issuer = await startIssuer(bed.issuer)
  })
  afterAll(() => issuer.close())

  const call = async (token: string, path = '/scopes/', body: unknown = null) => {
    const response = await fetch(bed.url + path, {
      method: body === null ? 'GET' : 'POST',
      headers: { 'X-Rucio-Auth-Token': token, 'Content-Type': 'application/json' },
      body: body === null ? null : JSON.stringify(body),
    })
    return {
      status: response.status,
      exception: [response.headers.get('exceptionclass'), response.headers.get('exceptionmessage')],
      text: await response.text(),
    }
  }
  const refused = {
    status: 401,
    exception: ['CannotAuthenticate', 'Cannot authenticate with given credentials'],
    text: '{"ExceptionClass": "CannotAuthenticate", "ExceptionMessage": "Cannot authenticate with given credentials"}',
  }
  const now = () => Math.floor(Date.now() / 1000)

  test('is taken without any sign-in, and is the account that has its identity', async () => {
    const scopes = await call(issuer.token())
    expect(scopes.status).toBe(200)
    expect(JSON.parse(scopes.text)).toEqual(expect.arrayContaining(['raw', 'u_test']))

    const token = issuer.token()
    const meta = await call(token, '/dids/bulkmeta', { dids: [{ scope: 'raw', name: 'ds_done' }] })
    expect(meta.status).toBe(200)
    expect(JSON.parse(meta.text)).toMatchObject({ scope: 'raw', name: 'ds_done' })

    const self = await call(token, '/accounts/whoami')
    expect(JSON.parse(self.text)).toMatchObject({ account: bed.agent.account })
  })

  test('may have more audiences and scopes than Rucio asks for', async () => {
    const claims = { aud: ['https://other.example.org', 'rucio'], scope: 'openid profile offline_access wlcg.groups' }
    expect(await call(issuer.token(claims))).toMatchObject({ status: 200 })
  })

  const wrong: Readonly<Record<string, () => Claims>> = {
    expired: () => ({ exp: now() - 60 }),
    'from an unknown issuer': () => ({ iss: 'https://unknown.example.org' }),
    'of a subject that no account has': () => ({ sub: 'nobody' }),
    'for another audience': () => ({ aud: 'https://wlcg.cern.ch/jwt/v1/any' }),
    'without the scope `profile`': () => ({ scope: 'openid' }),
  }
  test.each(Object.entries(wrong))('is refused if it is %s', async (_, claims) => {
    expect(await call(issuer.token(claims()))).toEqual(refused)
  })

  test('is refused if another key has signed it', async () => {
    const claims = JSON.parse(Buffer.from(issuer.token().split('.')[1]!, 'base64url').toString()) as Claims
    expect(await call(signJwt(makeKey(), claims))).toEqual(refused)
  })

  test.each(['garbage', 'gar.ba.ge'])('is refused if it is %s', async (token) => {
    expect(await call(token)).toEqual(refused)
  })

  // Each request that finds the token unknown checks it and saves it; all but the first break the primary key of the table.
  test('is to be used once before it is used in parallel', async () => {
    const token = issuer.token()
    const inParallel = () => Promise.all(Array.from({ length: 8 }, () => call(token)))

    const first = await inParallel()
    expect(first.map(({ status }) => status)).toContain(200)
    for (const answer of first.filter(({ status }) => status !== 200)) expect(answer).toEqual(refused)

    for (const { status } of await inParallel()) expect(status).toBe(200)
  })
})
