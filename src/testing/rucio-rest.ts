import { createHash } from 'node:crypto'
import { adler32 } from '../io/adler32.ts'
import type { Did } from '../model/did.ts'

/** Who signs in, by password. */
export interface Login {
  readonly account: string
  readonly username: string
  readonly password: string
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly type: string | null
  readonly headers: Headers
  readonly text: string
  /** Of the header; null if the answer has none. */
  readonly exceptionClass: string | null
  json(): unknown
  /** The values of a `application/x-json-stream`, one a line. */
  lines(): unknown[]
}

/** Bare HTTP to a Rucio server as one account, for tests that look at the API itself and for filling a server. */
export interface RucioRest {
  readonly token: string
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** As `call`, but anything else than a 2xx is an error. */
  ok(method: string, path: string, body?: unknown): Promise<Answer>
}

/** @throws Error if the server does not let it in */
export async function signIn(url: string, login: Login): Promise<RucioRest> {
  const answer = await send(url, 'GET', '/auth/userpass', undefined, credentials(login))
  const token = answer.headers.get('x-rucio-auth-token')
  if (answer.status !== 200 || token === null) throw new Error(`Cannot sign in as ${login.account}: ${answer.text}`)
  return withToken(url, token)
}

export function withToken(url: string, token: string): RucioRest {
  const rest: RucioRest = {
    token,
    call: (method, path, body, headers = {}) =>
      send(url, method, path, body, { 'X-Rucio-Auth-Token': token, ...headers }),
    async ok(method, path, body) {
      const answer = await rest.call(method, path, body)
      if (answer.status >= 200 && answer.status < 300) return answer
      throw new Error(`Cannot ${method} ${path}: ${answer.status} ${answer.text.slice(0, 500)}`)
    },
  }
  return rest
}

export const credentials = ({ account, username, password }: Login): Record<string, string> => ({
  'X-Rucio-Account': account,
  'X-Rucio-Username': username,
  'X-Rucio-Password': password,
})

/** A string as `body` is sent as it is, anything else as JSON. */
export async function send(
  url: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const request: RequestInit = {
    method,
    redirect: 'manual',
    headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  }
  // gunicorn closes connections that were idle for two seconds: one that is taken up just then fails before it is read.
  const response = await fetch(url + path, request).catch(() => fetch(url + path, request))
  const text = await response.text()
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    headers: response.headers,
    text,
    exceptionClass: response.headers.get('exceptionclass'),
    json: () => JSON.parse(text) as unknown,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown),
  }
}

/** Path of a DID, its slashes encoded: `/dids/raw/2026%2Fds/status`. */
export const didPath = ({ scope, name }: Did, suffix: 'status' | 'meta' | 'files' | 'dids' | ''): string =>
  `/dids/${encodeURIComponent(scope)}/${encodeURIComponent(name)}${suffix === '' ? '' : `/${suffix}`}`

/** What Rucio is told of a file that has these bytes. */
export const fileOf = (did: Did, content: Uint8Array): Did & { bytes: number; adler32: string; md5: string } => ({
  scope: did.scope,
  name: did.name,
  bytes: content.length,
  adler32: adler32(content).toString(16).padStart(8, '0'),
  md5: createHash('md5').update(content).digest('hex'),
})

/** The calls with which people and other programs change a dataset. */
export const datasets = (rest: RucioRest) => ({
  create: (did: Did) => rest.ok('POST', didPath(did, ''), { type: 'DATASET', statuses: { monotonic: true } }),
  /** Registers files at an RSE. In pieces: Rucio takes at most 1000. */
  async addReplicas(rse: string, files: readonly unknown[]) {
    for (let i = 0; i < files.length; i += 500)
      await rest.ok('POST', '/replicas', { rse, files: files.slice(i, i + 500) })
  },
  async attach(did: Did, children: readonly Did[]) {
    for (let i = 0; i < children.length; i += 500) {
      const dids = children.slice(i, i + 500).map(({ scope, name }) => ({ scope, name }))
      const attachments = [{ scope: did.scope, name: did.name, dids }]
      await rest.ok('POST', '/dids/attachments', { ignore_duplicate: true, attachments })
    }
  },
  detach: (did: Did, children: readonly Did[]) =>
    rest.ok('DELETE', didPath(did, 'dids'), { dids: children.map(({ scope, name }) => ({ scope, name })) }),
  close: (did: Did) => rest.ok('PUT', didPath(did, 'status'), { open: false }),
  open: (did: Did) => rest.ok('PUT', didPath(did, 'status'), { open: true }),
  tag: (did: Did, meta: Readonly<Record<string, unknown>>) =>
    rest.ok('POST', '/dids/bulkdidsmeta', { dids: [{ scope: did.scope, name: did.name, meta }] }),
  /** Columns and custom metadata in one object. */
  meta: async (did: Did): Promise<Record<string, unknown>> =>
    (await rest.ok('GET', `${didPath(did, 'meta')}?plugin=ALL`)).json() as Record<string, unknown>,
})
