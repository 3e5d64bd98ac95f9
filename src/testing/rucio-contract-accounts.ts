import { describe, expect, test } from '@jest/globals'
import { expectCreated, expectRefusal, type Fixture, RUCIO_DATE } from './rucio-contract-fixture.ts'
import { credentials, send, signIn, withToken } from './rucio-rest.ts'

/** Signing in, tokens, accounts and scopes. */
export function accountsContract(fixture: () => Fixture): void {
  const get = (path: string, headers: Record<string, string> = {}) =>
    send(fixture().rucio.url, 'GET', path, undefined, headers)

  describe('GET /ping', () => {
    test('says the version to everybody', async () => {
      const answer = await get('/ping')
      expect([answer.status, answer.type, answer.json()]).toEqual([
        200,
        'application/json',
        { version: fixture().rucio.version },
      ])
    })
  })

  describe('GET /auth/userpass', () => {
    test('gives a token for an hour, in headers', async () => {
      const { ownerLogin } = fixture()
      const answer = await get('/auth/userpass', credentials(ownerLogin))
      expect([answer.status, answer.text, answer.type]).toEqual([200, '', 'application/octet-stream'])
      const { account, username } = ownerLogin
      expect(answer.headers.get('x-rucio-auth-account')).toBe(account)
      expect(answer.headers.get('x-rucio-auth-token')).toMatch(
        new RegExp(`^${account}-${username}-unknown-[0-9a-f]{32}$`),
      )
      const expires = answer.headers.get('x-rucio-auth-token-expires')!
      expect(expires).toMatch(RUCIO_DATE)
      const life = Date.parse(expires) - Date.parse(answer.headers.get('date')!)
      expect(Math.abs(life - 3_600_000)).toBeLessThan(60_000)
    })

    test('finds the account of a username itself', async () => {
      const { account, username, password } = fixture().ownerLogin
      const answer = await get('/auth/userpass', { 'X-Rucio-Username': username, 'X-Rucio-Password': password })
      expect([answer.status, answer.headers.get('x-rucio-auth-account')]).toEqual([200, account])
    })

    test('names the accounts of a username that has several, unless one is asked for', async () => {
      const { root, guest, ownerLogin } = fixture()
      const { username, password } = guest
      const identity = { identity: username, authtype: 'USERPASS', email: 'a@example.org', default: false, password }
      expectCreated(await root.call('POST', `/accounts/${ownerLogin.account}/identities`, identity))
      const answer = await get('/auth/userpass', { 'X-Rucio-Username': username, 'X-Rucio-Password': password })
      expect([answer.status, answer.type]).toEqual([206, 'application/octet-stream'])
      const accounts = [guest.account, ownerLogin.account].sort()
      expect((answer.json() as string[]).sort()).toEqual(accounts)
      expect(answer.headers.get('x-rucio-auth-accounts')!.split(',').sort()).toEqual(accounts)
      expect(answer.headers.get('x-rucio-auth-token')).toBeNull()
      expect((await get('/auth/userpass', credentials(guest))).status).toBe(200)
    })

    test.each(['account', 'username', 'password'] as const)(
      'refuses a wrong %s, without saying which it is',
      async (what) => {
        const answer = await get('/auth/userpass', credentials({ ...fixture().ownerLogin, [what]: 'wrong' }))
        expectRefusal(answer, 401, 'CannotAuthenticate')
        expect(answer.headers.get('x-rucio-auth-token')).toBeNull()
      },
    )

    test('refuses a request without credentials', async () => {
      expectRefusal(await get('/auth/userpass'), 401, 'CannotAuthenticate')
    })
  })

  test.each(['/auth/x509', '/auth/x509_proxy'])('GET %s refuses who shows no certificate', async (path) => {
    const answer = await get(path, { 'X-Rucio-Account': fixture().ownerLogin.account })
    expectRefusal(answer, 401, 'CannotAuthenticate')
    expect(answer.text).toContain('Cannot get DN')
  })

  describe('a token', () => {
    test('says whose it is, by where it redirects to', async () => {
      const { owner, ownerLogin } = fixture()
      const answer = await owner.call('GET', '/accounts/whoami')
      expect([answer.status, answer.headers.get('location')]).toEqual([303, ownerLogin.account])
    })

    test('that is missing is a 400, one that is unknown a 401', async () => {
      expectRefusal(await get('/scopes/'), 400, 'ValueError')
      expect((await get('/scopes/')).text).toContain('Token must be set.')
      expectRefusal(await withToken(fixture().rucio.url, 'nonsense').call('GET', '/scopes/'), 401, 'CannotAuthenticate')
    })

    test('is refused once it has expired, whereas a new one is taken', async () => {
      const { rucio, guest } = fixture()
      const old = await signIn(rucio.url, guest)
      await old.ok('GET', '/scopes/')
      await rucio.expireTokens(guest.account)
      expectRefusal(await old.call('GET', '/scopes/'), 401, 'CannotAuthenticate')
      await (await signIn(rucio.url, guest)).ok('GET', '/scopes/')
    })

    test('is not asked for where there is nothing', async () => {
      const answer = await get('/nothing/here')
      expect([answer.status, answer.type, answer.exceptionClass]).toEqual([404, 'text/html; charset=utf-8', null])
    })
  })

  describe('accounts and scopes', () => {
    test('are listed and made once', async () => {
      const { root, scope, ownerLogin } = fixture()
      const answer = await root.call('GET', '/scopes/')
      expect([answer.status, answer.type]).toEqual([200, 'application/json'])
      expect(answer.json()).toContain(scope)
      expectRefusal(await root.call('POST', `/accounts/${ownerLogin.account}/scopes/${scope}`), 409, 'Duplicate')
      expectRefusal(await root.call('POST', `/accounts/nobody/scopes/${scope}2`), 404, 'AccountNotFound')
      expectRefusal(await root.call('POST', `/accounts/root/scopes/a%20b`), 400, 'InvalidObject')
      const account = { type: 'USER', email: 'nobody@example.org' }
      expectRefusal(await root.call('POST', `/accounts/${ownerLogin.account}`, account), 409, 'Duplicate')
    })

    test('are made by root and admins, not by others', async () => {
      const { admin, stranger, scope, ownerLogin } = fixture()
      const path = `/accounts/${ownerLogin.account}/scopes/${scope}_c`
      expectRefusal(await stranger.call('POST', path), 401, 'AccessDenied')
      expectCreated(await admin.call('POST', path))
    })
  })
}
