import { parseRucioDate } from './answers.ts'
import type { ClientCertificate } from './client-certificate.ts'
import { credentialUnusable, RucioError } from './errors.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import { readJson, refuse, skip } from './read.ts'
import { readInTime } from './read-in-time.ts'
import { persist } from './retry.ts'
import type { MethodOfType, Session, SessionOptions } from './session.ts'
import { shared } from './shared.ts'
import { blameCertificate, isHeaderText, signInClause, siteAtFault } from './sign-in-errors.ts'

/** The token is renewed when this much of its life is over; Rucio's live for one hour, and use does not prolong them. */
const RENEW_AT = 0.8

type SigningIn = MethodOfType<'userpass' | 'x509' | 'x509_proxy'>

/** After a renewal that failed while the token is still good. */
const renewAgainMs = 60_000

interface IssuedToken {
  readonly value: string
  /** By the clock that only goes on. null: it does not say when it dies. */
  readonly times: { readonly renewAt: number; readonly diesAt: number } | null
}

/** A token that Rucio gives for a password or a certificate. */
export function sessionBySigningIn(method: SigningIn, options: SessionOptions): Session {
  const { clock } = options
  let held: IssuedToken | null = null
  const fetch = shared(async (signal) => (held = await signIn(method, options, signal)))
  return {
    async token(signal) {
      const before = held
      if (before !== null && (before.times === null || clock() < before.times.renewAt)) return before.value
      try {
        return (await fetch(signal)).value
      } catch (error) {
        if (signal.aborted || before === null || before.times === null || clock() >= before.times.diesAt) throw error
        if (held === before) held = { ...before, times: { ...before.times, renewAt: clock() + renewAgainMs } }
        return before.value
      }
    },
    forget(token) {
      if (held?.value === token) held = null
    },
  }
}

async function signIn(
  method: SigningIn,
  { authHost, now, clock, send, patience }: SessionOptions,
  signal: AbortSignal,
): Promise<IssuedToken> {
  const what = signInClause(method.account)
  const attempt = async (): Promise<IssuedToken> => {
    const { request, secrets, certificate } = await signInRequest(what, method, authHost, signal)
    try {
      const answer = await send(request, signal)
      if (answer.status === 206) throw severalAccounts(what, await readJson(what, answer, signal))
      if (answer.status !== 200) await refuse(what, answer, secrets, now())
      await skip(what, answer, signal)
      return issuedBy(what, answer, now(), clock())
    } catch (error) {
      throw certificate === null ? error : blameCertificate(what, certificate, error, now())
    }
  }
  return persist(what, attempt, patience, signal).catch((error: unknown) => {
    throw siteAtFault(error)
  })
}

interface SignInRequest {
  readonly request: HttpRequest
  /** To be hidden in what the server says. */
  readonly secrets: readonly string[]
  readonly certificate: ClientCertificate | null
}

async function signInRequest(
  what: string,
  method: SigningIn,
  authHost: string,
  signal: AbortSignal,
): Promise<SignInRequest> {
  const { type, account, vo } = method
  const common = {
    'X-Rucio-AppID': 'tape-rse',
    ...(account !== null && { 'X-Rucio-Account': account }),
    ...(vo !== null && { 'X-Rucio-VO': vo }),
  }
  const request = { what, method: 'GET', url: `${authHost}/auth/${type}`, body: null } as const
  if (method.type === 'userpass') {
    const password = await readInTime(what, 'the password', method.password(), signal)
    if (!isHeaderText(password))
      throw credentialUnusable(
        what,
        'the password is empty, or holds characters that an HTTP header cannot carry',
        'Check the file that holds it, or give the identity another one.',
      )
    const headers = { ...common, 'X-Rucio-Username': method.username, 'X-Rucio-Password': password }
    return { request: { ...request, headers }, secrets: [password], certificate: null }
  }
  const certificate = await readInTime(what, 'the certificate', method.certificate(), signal)
  const headers = { ...common, ...(account === null && { 'X-Rucio-Allow-Return-Multiple-Accounts': 'true' }) }
  return { request: { ...request, headers, certificate }, secrets: [], certificate }
}

/** Rucio's answer is a list of account names. */
function severalAccounts(what: string, answer: unknown): RucioError {
  const names = Array.isArray(answer) ? answer.filter((name) => typeof name === 'string') : []
  return new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: the identity has several accounts: ${names.join(', ')}`, {
    status: 206,
    hint: 'Write into rucio.account the one to act as.',
  })
}

/** The life of a token is counted from the server's own clock where it tells it: ours may be wrong, or be set while it lives. */
function issuedBy(what: string, answer: HttpAnswer, now: Date, clock: number): IssuedToken {
  const value = answer.header('x-rucio-auth-token')
  if (value === null || value === '') throw new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: Rucio gave no token`, {})
  const expires = parseRucioDate(answer.header('x-rucio-auth-token-expires') ?? '')
  if (expires === null) return { value, times: null }
  const date = Date.parse(answer.header('date') ?? '')
  const lifeMs = expires.getTime() - (Number.isNaN(date) ? now.getTime() : date)
  return { value, times: { renewAt: clock + RENEW_AT * lifeMs, diesAt: clock + lifeMs } }
}
