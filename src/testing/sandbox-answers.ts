import { LiteralError } from './sandbox-literal.ts'
import { RucioException } from './sandbox-world.ts'

/** What goes back over the wire. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const typed = (status: number, type: string, body: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'Content-Type': type, ...headers },
  body,
})

export const json = (value: unknown, status = 200): Reply => typed(status, 'application/json', JSON.stringify(value))

/** One JSON value a line; nothing at all for none. */
export const lines = (values: readonly unknown[]): Reply =>
  typed(200, 'application/x-json-stream', values.map((value) => `${JSON.stringify(value)}\n`).join(''))

export const created: Reply = typed(201, 'text/html; charset=utf-8', 'Created')
export const empty: Reply = typed(200, 'text/html; charset=utf-8', '')

export const signedIn = (headers: Readonly<Record<string, string>>): Reply =>
  typed(200, 'application/octet-stream', '', headers)

/** Of an identity that several accounts have. */
export const severalAccounts = (names: readonly string[]): Reply =>
  typed(206, 'application/octet-stream', JSON.stringify(names), { 'X-Rucio-Auth-Accounts': names.join(',') })

/** `to` is relative to the path that was asked for. */
export const redirected = (to: string): Reply =>
  typed(303, 'text/html; charset=utf-8', '<!doctype html>\n<title>Redirecting...</title>\n', { Location: to })

/** Flask's own page: nothing of Rucio was asked. */
export function page(status: 404 | 405): Reply {
  const title = status === 404 ? 'Not Found' : 'Method Not Allowed'
  const html = `<!doctype html>\n<html lang=en>\n<title>${status} ${title}</title>\n<h1>${title}</h1>\n`
  return typed(status, 'text/html; charset=utf-8', html)
}

/** Rucio's errors are JSON that is called an octet stream, and stand in headers as well: one line, cut (v1/common.py). */
export function refusal(status: number, exceptionClass: string, message: string): Reply {
  const line = message.replace(/[\r\n]/g, ' ').trimEnd()
  return typed(
    status,
    'application/octet-stream',
    JSON.stringify({ ExceptionClass: exceptionClass, ExceptionMessage: message }),
    { ExceptionClass: exceptionClass, ExceptionMessage: line.length > 125 ? `${line.slice(0, 125)}...` : line },
  )
}

/** An error whose status a route knows is that; another one of Rucio is 500, and one of Python a page of its bare text. */
export function failed(error: unknown, statuses: Readonly<Record<string, number>>): Reply {
  if (error instanceof RucioException)
    return refusal(statuses[error.exceptionClass] ?? 500, error.exceptionClass, error.message)
  if (error instanceof LiteralError || error instanceof Error)
    return typed(500, 'text/html; charset=utf-8', error.message)
  throw error
}
