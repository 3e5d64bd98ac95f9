import type { IncomingHttpHeaders } from 'node:http'
import type { Did } from '../model/did.ts'
import type { Reply } from './sandbox-answers.ts'
import { refusal } from './sandbox-answers.ts'
import { RucioException } from './sandbox-world.ts'

/** A request as it came. */
export interface RawRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** The path as routes see it: decoded as a whole, so that %2F and a slash are the same, as under WSGI. */
export function pathOf(url: string): string {
  const [path = ''] = url.split('?', 1)
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** The request was refused before Rucio's core saw it. */
export class Refused extends Error {
  readonly reply: Reply

  constructor(status: number, exceptionClass: string, message: string) {
    super(message)
    this.reply = refusal(status, exceptionClass, message)
  }
}

/** A request that has an account and a route. All of it throws Refused, as v1/common.py refuses. */
export interface Call {
  readonly account: string
  /** The variable parts of the path. */
  readonly parts: readonly string[]
  readonly query: URLSearchParams
  header(name: string): string | null
  /** The first part of the path as a DID, cut at its first slash. */
  did(): Did
  /** Of the query; false if it is not there. */
  flag(name: string): boolean
  /** The body: a dictionary or a list. */
  json(): unknown
  body(): Readonly<Record<string, unknown>>
  field(name: string): unknown
  fieldOr(name: string, otherwise: unknown): unknown
  bodyFlag(name: string): boolean
  /** @throws RucioException */
  refuse(exceptionClass: string, message: string): never
}

export function callOf(request: RawRequest, account: string, parts: readonly string[]): Call {
  const query = new URLSearchParams(request.url.split('?').slice(1).join('?'))
  const call: Call = {
    account,
    parts,
    query,
    header: (name) => headerOf(request, name),
    did() {
      const [, scope, name] = /^([^/]+)\/(.*)$/s.exec(parts[0]!) ?? []
      if (scope !== undefined && name !== undefined) return { scope, name }
      throw new Refused(400, 'ValueError', `Could not parse '/${parts[0]}' into scope and name.`)
    },
    flag: (name) => truth(name, query.get(name) ?? false),
    json: () => parsed(request.body, 'dictionary or list'),
    body() {
      const value = parsed(request.body, 'dictionary')
      if (!Array.isArray(value)) return value as Readonly<Record<string, unknown>>
      throw new Refused(400, 'TypeError', 'body must be a json dictionary')
    },
    field(name) {
      const body = call.body()
      if (name in body) return body[name]
      throw new Refused(400, 'KeyError', `'${name}' not defined`)
    },
    fieldOr: (name, otherwise) => call.body()[name] ?? otherwise,
    bodyFlag: (name) => truth(name, call.fieldOr(name, false)),
    refuse(exceptionClass, message) {
      throw new RucioException(exceptionClass, message)
    },
  }
  return call
}

export function headerOf({ headers }: RawRequest, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

function parsed(text: string, kind: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Refused(400, 'ValueError', `cannot decode json parameter ${kind}`)
  }
  if (typeof value === 'object' && value !== null) return value
  throw new Refused(400, 'TypeError', `body must be a json ${kind}`)
}

function truth(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  const word = String(value).toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  throw new Refused(400, 'TypeError', `'${name}' must be a boolean type.`)
}
