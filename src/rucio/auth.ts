import { failure, TapeRseError } from '../model/errors.ts'
import { parseRucioDate } from './answers.ts'
import { RucioError } from './errors.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import type { Patience } from './retry.ts'
import { persist } from './retry.ts'
import { refuse, skip } from './read.ts'

/** The token is renewed when this much of its life is over; Rucio's live for one hour, and use does not prolong them. */
const RENEW_AT = 0.8

/** How to prove who we are. The password is asked for at each sign-in, so that it can be changed under a running agent. */
export interface Credentials {
  readonly type: 'userpass'
  readonly account: string
  readonly username: string
  readonly password: () => Promise<string>
}

/** Holds the token of one account. */
export interface Session {
  /**
   * A token that should still be good. Callers that come while one is being fetched share it.
   * @throws TapeRseError SIGN_IN_REFUSED, RUCIO_UNREACHABLE, RUCIO_OVERLOADED; INTERRUPTED
   */
  token(signal: AbortSignal): Promise<string>
  /** Rucio refused this token: the next `token()` signs in again, unless somebody has already. */
  forget(token: string): void
}

export interface SessionOptions {
  /** Base URL of the server that signs in. */
  readonly authHost: string
  readonly credentials: Credentials
  readonly send: (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
  readonly patience: Patience
  readonly now: () => Date
}

interface Token {
  readonly value: string
  /** null: it does not say when it dies. */
  readonly renewAt: Date | null
}

export function openSession(options: SessionOptions): Session {
  let held: Token | null = null
  let pending: Promise<Token> | null = null

  async function fetch(signal: AbortSignal): Promise<Token> {
    try {
      return (held = await signIn(options, signal))
    } finally {
      pending = null
    }
  }
  return {
    async token(signal) {
      for (;;) {
        if (held !== null && (held.renewAt === null || options.now() < held.renewAt)) return held.value
        try {
          return (await (pending ??= fetch(signal))).value
        } catch (error) {
          const others = error instanceof TapeRseError && error.code === 'INTERRUPTED' && !signal.aborted
          if (!others) throw error // else it was the caller whose sign-in we shared that gave up
        }
      }
    },
    forget(token) {
      if (held?.value === token) held = null
    },
  }
}

async function signIn(options: SessionOptions, signal: AbortSignal): Promise<Token> {
  const { credentials, authHost, now } = options
  const what = `sign in to Rucio as ${credentials.account}`
  const password = await readPassword(what, credentials)
  const request: HttpRequest = {
    what,
    method: 'GET',
    url: `${authHost}/auth/userpass`,
    headers: {
      'X-Rucio-Account': credentials.account,
      'X-Rucio-Username': credentials.username,
      'X-Rucio-Password': password,
      'X-Rucio-AppID': 'tape-rse',
    },
    body: null,
  }
  const attempt = async (): Promise<Token> => {
    const answer = await options.send(request, signal)
    if (answer.status !== 200) await refuse(what, answer, [password], now())
    await skip(what, answer, signal)
    return tokenOf(what, answer, now())
  }
  return persist(what, attempt, options.patience, signal).catch((error: unknown) => {
    throw siteAtFault(error)
  })
}

async function readPassword(what: string, credentials: Credentials): Promise<string> {
  const password = await credentials.password().catch((cause: unknown) => {
    if (cause instanceof TapeRseError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw failure('SIGN_IN_REFUSED', `Cannot ${what}: no password: ${why}`, 'Check rucio.auth.passwordFile.', cause)
  })
  if (/^[\x20-\x7e\x80-\xff]+$/.test(password)) return password
  throw failure(
    'SIGN_IN_REFUSED',
    `Cannot ${what}: the password is empty, or holds characters that an HTTP header cannot carry`,
    'Check rucio.auth.passwordFile.',
  )
}

/** The life of a token is counted from the server's own clock where it tells it: ours may be wrong. */
function tokenOf(what: string, answer: HttpAnswer, now: Date): Token {
  const value = answer.header('x-rucio-auth-token')
  if (value === null || value === '') throw new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: Rucio gave no token`, {})
  const expires = parseRucioDate(answer.header('x-rucio-auth-token-expires') ?? '')
  if (expires === null) return { value, renewAt: null }
  const date = Date.parse(answer.header('date') ?? '')
  const lifeMs = expires.getTime() - (Number.isNaN(date) ? now.getTime() : date)
  return { value, renewAt: new Date(now.getTime() + RENEW_AT * lifeMs) }
}

/** A sign-in asks for nothing that could be wrong but the credentials: whatever else fails is the server. */
function siteAtFault(error: unknown): unknown {
  if (!(error instanceof RucioError)) return error
  if (error.code === 'SIGN_IN_REFUSED' || error.code === 'RUCIO_UNREACHABLE' || error.code === 'RUCIO_OVERLOADED')
    return error
  const code =
    error.code === 'RUCIO_FAILED' || error.code === 'RUCIO_BROKEN_ANSWER' ? 'RUCIO_OVERLOADED' : 'SIGN_IN_REFUSED'
  const { status, exceptionClass, afterMs } = error
  return new RucioError(code, error.message, { status, exceptionClass, afterMs }, error)
}
