import type { ErrorCode } from '../model/errors.ts'
import { failure, TapeRseError } from '../model/errors.ts'

/** How much of what a server said goes into a message: a refused request may be repeated in its own refusal, 174 kB of it. */
const MAX_SAID = 300

/** What the retry rule and the sign-in need to know of a failed request, beside what everyone is told. */
export interface Circumstances {
  /** Of the answer; null if there was none. */
  readonly status: number | null
  /** Rucio's own name of the error; null if something else than Rucio answered, or its code broke down. */
  readonly exceptionClass: string | null
  /** Whether the same request may well succeed in a moment. */
  readonly again: boolean
  /** The server asked to be left alone for this many milliseconds. */
  readonly afterMs: number | null
}

/** As far as they are known. `hint` replaces that of the code. */
export type Known = Partial<Circumstances> & { readonly hint?: string }

/** A request to Rucio that failed. Holds nothing of the request itself: that carries the token. */
export class RucioError extends TapeRseError implements Circumstances {
  readonly status: number | null
  readonly exceptionClass: string | null
  readonly again: boolean
  readonly afterMs: number | null

  constructor(code: ErrorCode, message: string, circumstances: Known, cause?: unknown) {
    super({ code, message, hint: circumstances.hint ?? hintOf(code) }, cause === undefined ? undefined : { cause })
    this.status = circumstances.status ?? null
    this.exceptionClass = circumstances.exceptionClass ?? null
    this.again = circumstances.again ?? false
    this.afterMs = circumstances.afterMs ?? null
  }
}

/** An answer that says no. `text`: its body, as much as was read. */
export interface Refusal {
  readonly status: number
  readonly header: (name: string) => string | null
  readonly text: string
}

/**
 * What a refusal means (docs/rucio.md, "Errors"). Rucio names its own errors in `ExceptionClass`, in a JSON body or in headers,
 * whatever the content type; an answer without one comes from a proxy, from the framework below Rucio, or from a bug.
 * @param what the clause after "Cannot": "search scope raw"
 * @param secrets taken out of whatever the server said: a database error may quote the token
 */
export function errorOfRefusal(what: string, refusal: Refusal, secrets: readonly string[], now: Date): RucioError {
  const { exceptionClass, said } = readRefusal(refusal, (text) => hide(text, secrets))
  const { code, again } = meaningOf(refusal.status, exceptionClass)
  const who =
    exceptionClass === null ? `the answer is ${refusal.status}` : `Rucio says ${refusal.status} ${exceptionClass}`
  const detail = said.replace(/\s+/g, ' ').trim().slice(0, MAX_SAID)
  return new RucioError(code, `Cannot ${what}: ${who}${detail === '' ? '' : `: ${detail}`}`, {
    status: refusal.status,
    exceptionClass,
    again,
    afterMs: retryAfter(refusal.header('retry-after'), refusal.header('date'), now),
  })
}

/** A call that was given up because its signal was aborted. */
export const interrupted = (what: string): TapeRseError =>
  failure('INTERRUPTED', `Cannot ${what}: the work was interrupted`, 'Nothing is lost; run it again.')

/** An answer that is not what Rucio promises. Without `again`: it was whole, so it will be the same. */
export const brokenAnswer = (what: string, why: string, again: boolean, cause?: unknown): RucioError =>
  new RucioError('RUCIO_BROKEN_ANSWER', `Cannot ${what}: the answer is broken: ${why}`, { again }, cause)

/** A credential, or the authorities, that cannot be used. A file that is being replaced is whole in a moment. */
export const credentialUnusable = (what: string, why: string, hint: string, cause?: unknown): RucioError =>
  new RucioError('CREDENTIAL_UNUSABLE', `Cannot ${what}: ${why}`, { again: true, hint }, cause)

/** One that was waited for long enough. */
export const credentialHangs = (what: string, why: string, cause: unknown): RucioError =>
  new RucioError(
    'CREDENTIAL_UNUSABLE',
    `Cannot ${what}: ${why}`,
    { again: false, hint: 'Look after the file system that it is on.' },
    cause,
  )

interface Meaning {
  readonly code: ErrorCode
  readonly again: boolean
}
const lasting = (code: ErrorCode): Meaning => ({ code, again: false })
const passing = (code: ErrorCode): Meaning => ({ code, again: true })

function meaningOf(status: number, exceptionClass: string | null): Meaning {
  return exceptionClass === null ? ofBareStatus(status) : ofException(status, exceptionClass)
}

function ofException(status: number, exceptionClass: string): Meaning {
  if (exceptionClass === 'CannotAuthenticate') return lasting('SIGN_IN_REFUSED')
  if (exceptionClass === 'AccessDenied') return lasting('NOT_ALLOWED') // 401, but 500 at .../meta
  if (exceptionClass === 'DataIdentifierNotFound' && status === 404) return lasting('DID_GONE')
  if (exceptionClass === 'ScopeNotFound') return lasting('SCOPE_UNKNOWN')
  if (exceptionClass === 'ResourceTemporaryUnavailable' || status === 503) return passing('RUCIO_OVERLOADED')
  if (exceptionClass === 'DatabaseException') return passing('RUCIO_FAILED')
  return lasting('RUCIO_REFUSED') // a 500 as well: InvalidMetadata, InvalidRSEExpression, FilterEngineGenericError …
}

function ofBareStatus(status: number): Meaning {
  if (status === 502 || status === 503 || status === 504) return passing('RUCIO_UNREACHABLE')
  if (status === 408 || status === 425 || status === 429) return passing('RUCIO_OVERLOADED')
  if (status >= 500) return passing('RUCIO_FAILED')
  if (status === 401) return lasting('SIGN_IN_REFUSED')
  // A redirect, or a 403, 404 or 407 without ExceptionClass: whoever said that, it was not Rucio's own code.
  if (status < 400 || status === 403 || status === 404 || status === 407) return lasting('RUCIO_UNREACHABLE')
  return lasting('RUCIO_REFUSED')
}

function readRefusal(
  { header, text }: Refusal,
  hidden: (text: string) => string,
): { exceptionClass: string | null; said: string } {
  const body = parsed(text)
  const exceptionClass = stringIn(body, 'ExceptionClass') ?? header('exceptionclass')
  // Hidden first: without its tags, a secret may no longer look like one.
  if (exceptionClass === null) return { exceptionClass, said: hidden(text).replace(/<[^>]*>/g, ' ') }
  return { exceptionClass, said: hidden(stringIn(body, 'ExceptionMessage') ?? header('exceptionmessage') ?? '') }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function stringIn(value: unknown, key: string): string | null {
  if (typeof value !== 'object' || value === null) return null
  const field = (value as Record<string, unknown>)[key]
  return typeof field === 'string' ? field : null
}

/** Secrets as they are, and as JSON, HTML and URLs write them. */
const hide = (text: string, secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), inHtml(secret), encodeURIComponent(secret)])
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length)
    .reduce((shown, secret) => shown.replaceAll(secret, '***'), text)

const inHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&#34;')
    .replaceAll("'", '&#39;')

/** Milliseconds asked for by a Retry-After header, in either of its forms (RFC 9110, 10.2.3): a date is of the server's own clock. */
function retryAfter(header: string | null, date: string | null, now: Date): number | null {
  if (header === null) return null
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const until = Date.parse(header)
  const answered = Date.parse(date ?? '')
  return Number.isNaN(until) ? null : Math.max(0, until - (Number.isNaN(answered) ? now.getTime() : answered))
}

function hintOf(code: ErrorCode): string {
  const hints: Partial<Record<ErrorCode, string>> = {
    RUCIO_UNREACHABLE: 'Check rucio.host, and whether the server answers GET /ping; it is tried again by itself.',
    RUCIO_OVERLOADED: 'Nothing to do: it is tried again later, by itself.',
    SIGN_IN_REFUSED: 'Check rucio.account and rucio.auth, and that the identity is mapped to the account.',
    NOT_ALLOWED:
      'Make the account the owner of the scope, or give it the Rucio attribute "admin", or the one that the policy of your site asks for.',
    RUCIO_FAILED: 'Look into the log of the Rucio server; it is tried again later.',
    RUCIO_REFUSED: 'Check the names in the config against Rucio; the message says which it did not take.',
    RUCIO_BROKEN_ANSWER:
      'It is tried again later; if it stays, look for a proxy that cuts answers, and into the log of Rucio.',
    SCOPE_UNKNOWN: 'Correct the scope in the config, or create it in Rucio.',
    DID_GONE: 'Nothing to do if it was deleted on purpose.',
  }
  return hints[code] ?? ''
}
