import { expect } from '@jest/globals'
import type { Did } from '../model/did.ts'
import type { Answer, Login, RucioRest } from './rucio-rest.ts'
import type { RucioVersion } from './sandbox-world.ts'
import { datasets, signIn } from './rucio-rest.ts'

/** A server under test, and what cannot be done over REST. */
export interface RucioUnderTest {
  readonly version: RucioVersion
  readonly url: string
  readonly root: Login
  /** Ends the hour of all tokens of an account. */
  expireTokens(account: string): Promise<void>
  suppress(did: Did): Promise<void>
  /** Rucio's times are whole seconds: waits until it is another one. */
  nextSecond(): Promise<void>
  close(): Promise<void>
}

/** One server, and accounts, a scope and RSEs that nobody else uses, so that the suite can be repeated on a server that stays. */
export interface Fixture {
  readonly rucio: RucioUnderTest
  /** Whether the server is 38.5.5: where the versions differ, both answers are in the suite. */
  readonly is38: boolean
  readonly scope: string
  /** Another scope, which is `owner`'s as well. */
  readonly other: string
  readonly root: RucioRest
  /** Owns both scopes. */
  readonly owner: RucioRest
  /** Has the attribute `admin`. */
  readonly admin: RucioRest
  /** Owns nothing. */
  readonly stranger: RucioRest
  readonly ownerLogin: Login
  /** Its tokens may be ended at any time. */
  readonly guest: Login
  /** Deterministic; PFNs are `file://localhost/contract/disk/<scope>/<name>`. */
  readonly disk: string
  /** Not deterministic; PFNs begin with `file://localhost/contract/tape/`. */
  readonly tape: string
  did(name: string): Did
  /** Registers files at `disk`, as many bytes as `sizes` says, and makes a dataset of them. */
  dataset(name: string, sizes: Readonly<Record<string, number>>, more?: DatasetState): Promise<Did>
}

export interface DatasetState {
  readonly closed?: boolean
  readonly meta?: Readonly<Record<string, unknown>>
}

export async function prepare(rucio: RucioUnderTest): Promise<Fixture> {
  const unique = `c${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`
  const root = await signIn(rucio.url, rucio.root)
  const login = async (what: string): Promise<Login> => {
    const account = `${unique}${what}`
    const made = { account, username: account, password: `secret of ${account}` }
    await root.ok('POST', `/accounts/${account}`, { type: 'USER', email: 'nobody@example.org' })
    const headers = { 'X-Rucio-Username': account, 'X-Rucio-Password': made.password, 'X-Rucio-Email': 'a@example.org' }
    const answer = await root.call('PUT', `/identities/${account}/userpass`, undefined, headers)
    expect(answer.status).toBe(201)
    return made
  }
  const rse = async (what: string, type: string, deterministic: boolean): Promise<string> => {
    const rse = `${unique}_${what}`.toUpperCase()
    await root.ok('POST', `/rses/${rse}`, { deterministic, volatile: false, rse_type: type })
    const may = { read: 1, write: 1, delete: 1 }
    const impl = 'rucio.rse.protocols.posix.Default'
    const prefix = `/contract/${what}/`
    const protocol = { hostname: 'localhost', port: 0, prefix, impl, domains: { lan: may, wan: may } }
    await root.ok('POST', `/rses/${rse}/protocols/file`, protocol)
    await root.ok('POST', `/rses/${rse}/attr/lfn2pfn_algorithm`, { value: 'identity' })
    return rse
  }
  const [ownerLogin, adminLogin, strangerLogin] = [await login('o'), await login('a'), await login('s')]
  await root.ok('POST', `/accounts/${adminLogin.account}/attr/admin`, { key: 'admin', value: 'true' })
  for (const scope of [unique, `${unique}.b`]) await root.ok('POST', `/accounts/${ownerLogin.account}/scopes/${scope}`)
  const disk = await rse('disk', 'DISK', true)
  const calls = datasets(root)
  const did = (name: string): Did => ({ scope: unique, name })
  return {
    rucio,
    is38: rucio.version === '38.5.5',
    scope: unique,
    other: `${unique}.b`,
    root,
    owner: await signIn(rucio.url, ownerLogin),
    admin: await signIn(rucio.url, adminLogin),
    stranger: await signIn(rucio.url, strangerLogin),
    ownerLogin,
    guest: await login('g'),
    disk,
    tape: await rse('tape', 'TAPE', false),
    did,
    async dataset(name, sizes, { closed = true, meta } = {}) {
      const files = Object.entries(sizes).map(([file, bytes]) => fileDid(did(file), bytes))
      await calls.addReplicas(disk, files)
      await calls.create(did(name))
      if (files.length > 0) await calls.attach(did(name), files)
      if (closed) await calls.close(did(name))
      if (meta !== undefined) await calls.tag(did(name), meta)
      return did(name)
    },
  }
}

/** A file that nobody reads: of its bytes only the number matters. */
export const fileDid = (did: Did, bytes: number): Did & { readonly bytes: number; readonly adler32: string } => ({
  ...did,
  bytes,
  adler32: bytes.toString(16).padStart(8, '0'),
})

/** An error of Rucio, in all the places where it stands. */
export function expectRefusal(answer: Answer, status: number, exceptionClass: string): void {
  expect([answer.status, answer.exceptionClass]).toEqual([status, exceptionClass])
  expect(answer.type).toBe('application/octet-stream')
  const body = answer.json() as { readonly ExceptionClass: string; readonly ExceptionMessage: string }
  expect(Object.keys(body)).toEqual(['ExceptionClass', 'ExceptionMessage'])
  expect(body.ExceptionClass).toBe(exceptionClass)
  const line = body.ExceptionMessage.replace(/[\r\n]/g, ' ')
  const shown = line.length > 125 ? `${line.slice(0, 125)}...` : line
  expect(answer.headers.get('exceptionmessage')).toBe(shown.trimEnd())
}

/** An error that Rucio did not foresee: the bare text of one of Python. */
export function expectBreakdown(answer: Answer, text: RegExp): void {
  expect([answer.status, answer.type, answer.exceptionClass]).toEqual([500, 'text/html; charset=utf-8', null])
  expect(answer.text).toMatch(text)
}

export function expectLines(answer: Answer): unknown[] {
  expect([answer.status, answer.type]).toEqual([200, 'application/x-json-stream'])
  if (answer.text !== '') expect(answer.text.endsWith('\n')).toBe(true)
  return answer.lines()
}

export function expectCreated(answer: Answer): void {
  expect([answer.status, answer.text, answer.type]).toEqual([201, 'Created', 'text/html; charset=utf-8'])
}

export const RUCIO_DATE = /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC$/
