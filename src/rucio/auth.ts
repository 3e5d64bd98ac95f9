import { TapeRseError } from '../model/errors.ts'
import { parseRucioDate } from './answers.ts'
import type { Identity, Life, Token } from './credentials.ts'
import { RucioError } from './errors.ts'
import { readInTime, unusable, type HttpAnswer, type HttpRequest } from './http.ts'
import type { Patience } from './retry.ts'
import { persist } from './retry.ts'
import { readJson, refuse, skip } from './read.ts'

/** The token is renewed when this much of its life is over; Rucio's live for one hour, and use does not prolong them. */
const RENEW_AT = 0.8

/**
 * How to prove who we are. Everything secret is asked for at each sign-in, so that it can be changed under a running agent.
 * `account`: null where Rucio shall say which account the identity has.
 */
export type Credentials = {
  readonly account: string | null
  /** null: Rucio's default, for all that serve only one. */
  readonly vo: string | null
} & (
  | { readonly type: 'userpass'; readonly username: string; readonly password: () => Promise<string> }
  | { readonly type: 'x509' | 'x509_proxy'; readonly identity: () => Promise<Identity> }
  | { readonly type: 'token'; readonly token: (look?: 'look') => Promise<Token> }
)

/** Holds the token of one account. */
export interface Session {
  /**
   * A token that should still be good. Callers that come while one is being fetched share it.
   * @throws TapeRseError SIGN_IN_REFUSED, CREDENTIAL_UNUSABLE, CREDENTIAL_EXPIRED, RUCIO_UNREACHABLE, RUCIO_OVERLOADED,
   * RUCIO_NOT_TRUSTED; INTERRUPTED
   */
  token(signal: AbortSignal): Promise<string>
  /** Rucio refused this token, and why: the next `token()` signs in again, unless somebody has already. */
  forget(token: string, refusal: RucioError): void
}

export interface SessionOptions {
  /** Base URL of the server. */
  readonly host: string
  /** Base URL of the server that signs in. */
  readonly authHost: string
  readonly credentials: Credentials
  readonly send: (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
  readonly patience: Patience
  readonly now: () => Date
}

export function openSession(options: SessionOptions): Session {
  const { credentials } = options
  return credentials.type === 'token' ? sessionOfToken(credentials, options) : sessionBySigningIn(credentials, options)
}

type OfType<T extends Credentials['type']> = Extract<Credentials, { type: T }>

/**
 * A token that somebody else renews in its file. A new one is shown to Rucio by one call alone: it saves a JWT that it sees for the
 * first time, and of several calls that come with it, it refuses all but one (41.5.1). One that was refused is not shown again.
 */
function sessionOfToken(credentials: OfType<'token'>, options: SessionOptions): Session {
  const { account, token } = credentials
  const what = signInAs(account)
  let known: string | null = null
  let refused: { readonly value: string; readonly why: RucioError } | null = null

  async function read(signal: AbortSignal): Promise<Token> {
    const found = await readInTime(what, 'the token', token(refused === null ? undefined : 'look'), signal)
    if (!isHeaderText(found.value)) throw unusable(what, `${found.file} holds what cannot be a token`)
    return found
  }
  const fetch = shared(async (signal) => {
    const found = await persist(what, () => read(signal), options.patience, signal)
    if (found.value === known) return known
    if (refused?.value !== found.value) refused = await introduce(what, account, found, options, signal)
    if (refused !== null) throw outOfLife(what, 'token', found, options.now()) ?? refusedToken(what, found, refused.why)
    return (known = found.value)
  })
  return {
    token: fetch,
    forget(value, why) {
      if (known === value) known = null
      refused = { value, why }
    },
  }
}

/** Shows a new token to Rucio. null: it is taken. */
async function introduce(
  what: string,
  account: string | null,
  { file, value }: Token,
  { host, send, patience, now }: SessionOptions,
  signal: AbortSignal,
): Promise<{ readonly value: string; readonly why: RucioError } | null> {
  const headers = { 'X-Rucio-Auth-Token': value }
  const request: HttpRequest = { what, method: 'GET', url: `${host}/accounts/whoami`, headers, body: null }
  const ask = () =>
    persist(
      what,
      async () => {
        const answer = await send(request, signal)
        if (answer.status >= 400) await refuse(what, answer, [value], now())
        await skip(what, answer, signal)
        const location = answer.header('location') // it redirects to the account, maybe by a relative path
        return location === null ? null : new URL(location, request.url).pathname
      },
      patience,
      signal,
    )
  try {
    // Another program may have shown it at the same moment.
    const path = await ask().catch((error: unknown) => (isRefusal(error) ? ask() : throwing(error)))
    const [, its] = /\/accounts\/([^/]+)$/u.exec(path ?? '') ?? []
    if (account === null || its === undefined || decodeURIComponent(its) === account) return null
    const other = `Cannot ${what}: the token in ${file} is that of the account ${decodeURIComponent(its)}`
    throw new RucioError('SIGN_IN_REFUSED', other, { hint: 'Correct rucio.account, or have another token written.' })
  } catch (error) {
    if (isRefusal(error)) return { value, why: error }
    throw siteAtFault(error)
  }
}

const isRefusal = (error: unknown): error is RucioError =>
  error instanceof RucioError && error.exceptionClass === 'CannotAuthenticate'

/** Callers that come while one of them fetches share what that gets. If it gives up, the next one fetches. */
function shared<T>(fetch: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let pending: Promise<T> | null = null
  return async (signal) => {
    for (;;) {
      try {
        return await (pending ??= fetch(signal).finally(() => (pending = null)))
      } catch (error) {
        const others = error instanceof TapeRseError && error.code === 'INTERRUPTED' && !signal.aborted
        if (!others) throw error
      }
    }
  }
}

const refusedToken = (what: string, { file }: Token, { message, status, exceptionClass }: RucioError): RucioError =>
  new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: Rucio refused the token in ${file}: ${afterColon(message)}`, {
    status,
    exceptionClass,
    hint: 'Have a new token written into the file; its subject and issuer have to be mapped to the account in Rucio.',
  })

/** What follows "Cannot <verb> <thing>: ". */
const afterColon = (message: string): string => message.slice(message.indexOf(': ') + 2)

type SigningIn = OfType<'userpass' | 'x509' | 'x509_proxy'>

interface Issued {
  readonly value: string
  /** null: it does not say when it dies. */
  readonly renewAt: Date | null
}

function sessionBySigningIn(credentials: SigningIn, options: SessionOptions): Session {
  let held: Issued | null = null
  const fetch = shared(async (signal) => (held = await signIn(credentials, options, signal)))
  return {
    async token(signal) {
      if (held !== null && (held.renewAt === null || options.now() < held.renewAt)) return held.value
      return (await fetch(signal)).value
    },
    forget(token) {
      if (held?.value === token) held = null
    },
  }
}

async function signIn(
  credentials: SigningIn,
  { authHost, now, send, patience }: SessionOptions,
  signal: AbortSignal,
): Promise<Issued> {
  const what = signInAs(credentials.account)
  const attempt = async (): Promise<Issued> => {
    const { request, secrets, identity } = await requestOf(what, credentials, authHost, signal)
    try {
      const answer = await send(request, signal)
      if (answer.status === 206) throw severalAccounts(what, await readJson(what, answer, signal))
      if (answer.status !== 200) await refuse(what, answer, secrets, now())
      await skip(what, answer, signal)
      return issuedBy(what, answer, now())
    } catch (error) {
      throw identity === null ? error : ofIdentity(what, identity, error, now())
    }
  }
  return persist(what, attempt, patience, signal).catch((error: unknown) => throwing(siteAtFault(error)))
}

interface SignIn {
  readonly request: HttpRequest
  readonly secrets: readonly string[]
  readonly identity: Identity | null
}

async function requestOf(what: string, credentials: SigningIn, authHost: string, signal: AbortSignal): Promise<SignIn> {
  const { type, account, vo } = credentials
  const common = {
    'X-Rucio-AppID': 'tape-rse',
    ...(account !== null && { 'X-Rucio-Account': account }),
    ...(vo !== null && { 'X-Rucio-VO': vo }),
  }
  const request = { what, method: 'GET', url: `${authHost}/auth/${type}`, headers: common, body: null } as const
  if (credentials.type === 'userpass') {
    const password = await readInTime(what, 'the password', credentials.password(), signal)
    if (!isHeaderText(password))
      throw unusable(what, 'the password is empty, or holds characters that an HTTP header cannot carry')
    const headers = { ...common, 'X-Rucio-Username': credentials.username, 'X-Rucio-Password': password }
    return { request: { ...request, headers }, secrets: [password], identity: null }
  }
  const identity = await readInTime(what, 'the certificate', credentials.identity(), signal)
  const headers = { ...common, ...(account === null && { 'X-Rucio-Allow-Return-Multiple-Accounts': 'true' }) }
  return { request: { ...request, headers, identity }, secrets: [], identity }
}

const signInAs = (account: string | null): string =>
  account === null ? 'sign in to Rucio' : `sign in to Rucio as ${account}`

const isHeaderText = (text: string): boolean => /^[\x20-\x7e\x80-\xff]+$/.test(text)

const throwing = (error: unknown): never => {
  throw error
}

/** Rucio's answer is a list of account names. */
function severalAccounts(what: string, answer: unknown): RucioError {
  const names = Array.isArray(answer) ? answer.filter((name) => typeof name === 'string') : []
  return new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: the identity has several accounts: ${names.join(', ')}`, {
    status: 206,
    hint: 'Write into rucio.account the one to act as.',
  })
}

/**
 * What a sign-in that failed says of the certificate. A server that finds it too old, or too young, refuses it while TLS shakes
 * hands: without an answer, and with an alert that does not always arrive.
 */
function ofIdentity(what: string, identity: Identity, error: unknown, now: Date): unknown {
  if (!(error instanceof RucioError)) return error
  const refused = error.status === 401 || (error.status === null && error.code === 'SIGN_IN_REFUSED')
  const broken = error.status === null && error.code === 'RUCIO_UNREACHABLE'
  if (!refused && !broken) return error
  const dead = outOfLife(what, identity.kind, identity, now)
  if (dead !== null) return dead
  if (!refused) return error
  const { status, exceptionClass } = error
  return new RucioError(
    'SIGN_IN_REFUSED',
    `${error.message} (with the ${identity.kind} ${identity.file} of ${identity.subject})`,
    {
      status,
      exceptionClass,
      hint:
        error.status === null
          ? 'Have the server trust the authority that issued it; if it says "expired", compare the clocks.'
          : 'Map that identity (type X509) to the account in Rucio, and check rucio.account.',
    },
    error,
  )
}

/** Says so if something is not yet, or no longer, good by our clock; else null. */
function outOfLife(
  what: string,
  kind: string,
  { file, life: { from, until } }: { readonly file: string; readonly life: Life },
  now: Date,
): RucioError | null {
  const [when, hint] =
    until !== null && until <= now
      ? [`expired at ${until.toISOString()}`, `Renew it: the agent reads ${file} again by itself.`]
      : from !== null && from > now
        ? [`is not valid before ${from.toISOString()}`, 'Compare the clock of this machine; if it is right, wait.']
        : [null, '']
  return when === null
    ? null
    : new RucioError('CREDENTIAL_EXPIRED', `Cannot ${what}: the ${kind} ${file} ${when}`, { hint })
}

/** The life of a token is counted from the server's own clock where it tells it: ours may be wrong. */
function issuedBy(what: string, answer: HttpAnswer, now: Date): Issued {
  const value = answer.header('x-rucio-auth-token')
  if (value === null || value === '') throw new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: Rucio gave no token`, {})
  const expires = parseRucioDate(answer.header('x-rucio-auth-token-expires') ?? '')
  if (expires === null) return { value, renewAt: null }
  const date = Date.parse(answer.header('date') ?? '')
  const lifeMs = expires.getTime() - (Number.isNaN(date) ? now.getTime() : date)
  return { value, renewAt: new Date(now.getTime() + RENEW_AT * lifeMs) }
}

/** Errors of a sign-in that say what they are. */
const telling = [
  'SIGN_IN_REFUSED',
  'CREDENTIAL_UNUSABLE',
  'CREDENTIAL_EXPIRED',
  'RUCIO_NOT_TRUSTED',
  'RUCIO_UNREACHABLE',
  'RUCIO_OVERLOADED',
]

/** A sign-in asks for nothing that could be wrong but the credentials: whatever else fails is the server. */
function siteAtFault(error: unknown): unknown {
  if (!(error instanceof RucioError) || telling.includes(error.code)) return error
  const code =
    error.code === 'RUCIO_FAILED' || error.code === 'RUCIO_BROKEN_ANSWER' ? 'RUCIO_OVERLOADED' : 'SIGN_IN_REFUSED'
  const { status, exceptionClass, afterMs } = error
  return new RucioError(code, error.message, { status, exceptionClass, afterMs }, error)
}
