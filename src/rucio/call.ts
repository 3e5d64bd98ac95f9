import type { Rereading } from '../io/rereading.ts'
import { RucioError } from './errors.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import { Http } from './http.ts'
import type { Query } from './paths.ts'
import { withQuery } from './paths.ts'
import { readJson, readLines, refuse, skip } from './read.ts'
import type { Patience } from './retry.ts'
import { persist, sleep } from './retry.ts'
import type { SessionOptions, SignInMethod } from './session.ts'
import { sessionBySigningIn } from './session-by-signing-in.ts'
import { sessionOfTokenFile } from './session-of-token-file.ts'

export interface RucioOptions {
  /** Base URL: `https://rucio.example.org`, maybe with a path below which the API lies. */
  readonly host: string
  /** Base URL of the server that signs in. Default: `host`. */
  readonly authHost?: string
  readonly method: SignInMethod
  /** Whom to trust for https; null: the authorities that Node brings. */
  readonly authorities: Rereading<readonly string[]> | null
  /** Does not ask who the server is. Only for one on this machine. */
  readonly unverified?: boolean
  /** HTTP proxy through which all connections go. Default: none, whatever the environment says. */
  readonly proxy?: URL | null
  readonly userAgent: string
  readonly now: () => Date
  /** Milliseconds that only go on. */
  readonly clock: () => number
  /** [0, 1), for jitter. */
  readonly random: () => number
  readonly sleep?: Patience['sleep']
  /** Told of every request, sign-ins and repetitions as well, once its answer begins or fails to. */
  readonly onRequest?: (request: SentRequest) => void
  /** Until a connection stands. Default: 10 s. */
  readonly connectMs?: number
  /** Until an answer begins, and between any two pieces of it. Default: 10 min, as Rucio's own client has it. */
  readonly silenceMs?: number
}

export interface SentRequest {
  /** The API's own word for it: bulkmeta, search … auth. */
  readonly call: string
  readonly method: string
  /** null: no answer. */
  readonly status: number | null
}

/** One call of the API. */
export interface Call {
  readonly name: string
  /** The clause after "Cannot". */
  readonly what: string
  readonly path: string
  readonly query?: Query
  /** Sent as JSON by POST; absent for GET. */
  readonly body?: unknown
  /** Not sent any more once so much time has passed since it was called: for what rests on answers of just before. */
  readonly withinMs?: number
}

/** Calls the API: signs in, repeats what may succeed in a moment, reads the answer to its end. All throw TapeRseErrors. */
export interface Caller {
  json<T>(call: Call, parse: (value: unknown) => T, signal: AbortSignal): Promise<T>
  lines<T>(call: Call, parse: (value: unknown) => T, signal: AbortSignal): Promise<T[]>
  /** For calls whose success says nothing more. */
  done(call: Call, signal: AbortSignal): Promise<void>
  close(): void
}

export function openCaller(options: RucioOptions): Caller {
  const { now, clock, userAgent } = options
  const host = baseUrl(options.host)
  const patience: Patience = { sleep: options.sleep ?? sleep, random: options.random }
  const http = new Http({
    authorities: options.authorities,
    unverified: options.unverified ?? false,
    proxy: options.proxy ?? null,
    connectMs: options.connectMs ?? 10_000,
    silenceMs: options.silenceMs ?? 600_000,
  })

  async function send(name: string, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    let status: number | null = null
    try {
      const answer = await http.send({ ...request, headers: { 'User-Agent': userAgent, ...request.headers } }, signal)
      status = answer.status
      return answer
    } finally {
      options.onRequest?.({ call: name, method: request.method, status })
    }
  }

  const { method } = options
  const signIn: SessionOptions = {
    host,
    authHost: options.authHost === undefined ? host : baseUrl(options.authHost),
    send: (request, signal) => send('auth', { ...request, headers: { Accept: '*/*', ...request.headers } }, signal),
    patience,
    now,
    clock,
  }
  const session = method.type === 'token' ? sessionOfTokenFile(method, signIn) : sessionBySigningIn(method, signIn)

  const moment = (): Moment => ({ time: now().getTime(), clock: clock() })

  /** One call with one token, repeated while that may help. */
  function attempt<T>(
    call: Call,
    accept: string,
    read: Reading<T>,
    { token, called }: { readonly token: string; readonly called: Moment },
    signal: AbortSignal,
  ): Promise<T> {
    const request = requestOf(call, host, { Accept: accept, 'X-Rucio-Auth-Token': token })
    return persist(
      call.what,
      async () => {
        if (call.withinMs !== undefined && !isWithin(call.withinMs, called, moment()))
          throw tooLate(call, call.withinMs)
        const answer = await send(call.name, request, signal)
        if (answer.status < 200 || answer.status > 299) return refuse(call.what, answer, [token], now())
        return read(answer)
      },
      patience,
      signal,
    )
  }

  async function perform<T>(call: Call, accept: string, read: Reading<T>, signal: AbortSignal): Promise<T> {
    const called = moment()
    const token = await session.token(signal)
    try {
      return await attempt(call, accept, read, { token, called }, signal)
    } catch (error) {
      if (!(error instanceof RucioError) || error.exceptionClass !== 'CannotAuthenticate') throw error
      session.forget(token, error) // it died early: sign in anew, once
      return attempt(call, accept, read, { token: await session.token(signal), called }, signal)
    }
  }

  return {
    json: (call, parse, signal) =>
      perform(call, '*/*', async (answer) => parse(await readJson(call.what, answer, signal)), signal),
    lines: (call, parse, signal) =>
      perform(call, 'application/x-json-stream', (answer) => readLines(call.what, answer, parse, signal), signal),
    async done(call, signal) {
      await perform(call, '*/*', (answer) => skip(call.what, answer, signal), signal)
    },
    close: () => http.close(),
  }
}

interface Moment {
  /** The time of day. */
  readonly time: number
  /** By the clock that only goes on. */
  readonly clock: number
}

/**
 * Both clocks have to say so: that of the day may be set back meanwhile, and the one that only goes on stands still while the machine
 * sleeps.
 */
const isWithin = (ms: number, then: Moment, now: Moment): boolean =>
  now.clock - then.clock <= ms && Math.abs(now.time - then.time) <= ms

const tooLate = ({ what }: Call, ms: number): RucioError =>
  new RucioError(
    'RUCIO_OVERLOADED',
    `Cannot ${what}: signing in to Rucio, or reaching it, took more than ${ms / 1000} s, or the clock was set`,
    {},
  )

type Reading<T> = (answer: HttpAnswer) => Promise<T>

function requestOf(call: Call, host: string, headers: Readonly<Record<string, string>>): HttpRequest {
  const url = host + withQuery(call.path, call.query ?? {})
  if (call.body === undefined) return { what: call.what, method: 'GET', url, headers, body: null }
  const body = JSON.stringify(call.body)
  return { what: call.what, method: 'POST', url, headers: { ...headers, 'Content-Type': 'application/json' }, body }
}

const baseUrl = (url: string): string => url.replace(/\/+$/, '')
