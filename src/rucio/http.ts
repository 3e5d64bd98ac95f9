import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import axios, { AxiosError } from 'axios'
import { UnusableFile, type Identity } from './credentials.ts'
import { within } from '../io/within.ts'
import { interrupted, RucioError } from './errors.ts'
import { isMistrust, tlsFault } from './tls-faults.ts'

/** Shorter than the 2 s after which gunicorn, and the 5 s after which Apache drop an idle connection. */
const IDLE_SOCKET_MS = 1500

export interface HttpRequest {
  /** The clause after "Cannot" in its errors: "search scope raw". */
  readonly what: string
  readonly method: 'GET' | 'POST'
  /** Absolute. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** Who we are, for a server that asks TLS for it. Such a request has a connection of its own. */
  readonly identity?: Identity
}

export interface HttpAnswer {
  readonly status: number
  readonly header: (name: string) => string | null
  /** To be read to its end, or broken off, at once. Throws when the connection breaks, or is silent for too long. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Texts in PEM. Another object than before: they have changed. `look`: now, if that is not what is done each time. */
export type Authorities = (look?: 'look') => Promise<readonly string[]>

export interface HttpOptions {
  /** The authorities to trust; null: those that Node brings. */
  readonly authorities: Authorities | null
  /** Does not ask who the server is. Only for one on this machine. */
  readonly unverified?: boolean
  /** Through which all connections go; null: directly. Those of https are tunnelled. */
  readonly proxy?: URL | null
  /** Until a connection stands, TLS included. Not heeded with a proxy. */
  readonly connectMs: number
  /** Until an answer begins, and between any two pieces of it. A search may scan millions of rows before its first byte. */
  readonly silenceMs: number
}

/**
 * HTTP as Rucio's clients need it: TLS 1.2 or newer, connections kept, no proxy of the environment, no redirect followed (it would
 * carry the token elsewhere), any status an answer. Authorities that change are heeded by the next connection; what is under way
 * goes on. Owns its sockets.
 */
export class Http {
  readonly #options: HttpOptions
  readonly #http: http.Agent
  readonly #https: { readonly authorities: readonly string[] | null; readonly agent: https.Agent }[] = []

  constructor(options: HttpOptions) {
    this.#options = options
    this.#http = hurried(new http.Agent(keep), 'connect', options.connectMs)
  }

  /** @throws TapeRseError RUCIO_UNREACHABLE if no answer begins, RUCIO_NOT_TRUSTED, SIGN_IN_REFUSED; INTERRUPTED */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const authorities = await this.#authorities(request, undefined, signal)
    try {
      return await this.#sendTrusting(authorities, request, signal)
    } catch (error) {
      if (!isMistrust(error)) throw error
      const now = await this.#authorities(request, 'look', signal)
      if (now === authorities) throw error
      return this.#sendTrusting(now, request, signal)
    }
  }

  async #authorities(
    { url, what }: HttpRequest,
    look: 'look' | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[] | null> {
    const { authorities } = this.#options
    if (authorities === null || !url.startsWith('https:')) return null
    return readInTime(what, 'the certificate authorities', authorities(look), signal)
  }

  async #sendTrusting(
    authorities: readonly string[] | null,
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { proxy = null, silenceMs } = this.#options
    const { method, url, headers, body, what, identity } = request
    const httpsAgent = url.startsWith('https:') ? this.#secure(what, authorities, identity) : null
    try {
      const answer = await axios.request<Readable>({
        method,
        url,
        headers,
        ...(body === null ? {} : { data: body }),
        transformRequest: (data: unknown) => data,
        responseType: 'stream',
        validateStatus: () => true,
        maxRedirects: 0,
        maxBodyLength: Infinity,
        proxy: proxy === null ? false : proxyOf(proxy),
        timeout: silenceMs,
        httpAgent: this.#http,
        ...(httpsAgent !== null && { httpsAgent }),
        signal,
      })
      // An abort between here and the first read makes axios emit 'error', which without a listener would end the process.
      answer.data.on('error', () => undefined)
      const found: Readonly<Record<string, unknown>> = answer.headers
      return {
        status: answer.status,
        header: (name) => (typeof found[name] === 'string' ? found[name] : null),
        body: unlessSilent(answer.data, silenceMs),
      }
    } catch (error) {
      throw signal.aborted ? interrupted(what) : unreachable(request, error)
    }
  }

  /** Connections that trust the same authorities are shared. Those of before end by themselves, when they are idle. */
  #secure(what: string, authorities: readonly string[] | null, identity: Identity | undefined): https.Agent {
    const { connectMs, unverified = false } = this.#options
    const open = (options: https.AgentOptions, tls: SecureContextOptions) =>
      hurried(
        new https.Agent({ ...options, secureContext: context(what, tls), rejectUnauthorized: !unverified }),
        'secureConnect',
        connectMs,
      )
    const trust = authorities === null ? {} : { ca: [...authorities] }
    if (identity !== undefined) return open({ keepAlive: false }, { ...trust, cert: identity.cert, key: identity.key })
    const known = this.#https.find((each) => each.authorities === authorities)
    if (known !== undefined) return known.agent
    this.#forgetUnused()
    const agent = open(keep, trust)
    this.#https.push({ authorities, agent })
    return agent
  }

  #forgetUnused(): void {
    const used = this.#https.filter(({ agent }) => Object.keys({ ...agent.sockets, ...agent.freeSockets }).length > 0)
    this.#https.splice(0, Infinity, ...used)
  }

  close(): void {
    this.#http.destroy()
    for (const { agent } of this.#https) agent.destroy()
  }
}

const keep = { keepAlive: true, timeout: IDLE_SOCKET_MS } as const

function context(what: string, options: SecureContextOptions): ReturnType<typeof createSecureContext> {
  try {
    return createSecureContext({ minVersion: 'TLSv1.2', ...options })
  } catch (cause) {
    throw unusable(what, cause) // a key that is too short, say
  }
}

/** A credential, or the authorities, that cannot be used. */
export const unusable = (what: string, cause: unknown): RucioError =>
  new RucioError(
    'CREDENTIAL_UNUSABLE',
    `Cannot ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    // A file that is being replaced is whole in a moment.
    { again: true, ...(cause instanceof UnusableFile && { hint: cause.hint }) },
    cause,
  )

/** Longer than any file system takes that does not hang. */
const READ_MS = 10_000

/**
 * Waits for files to be read, but not for a file system that hangs.
 * @throws TapeRseError CREDENTIAL_UNUSABLE; INTERRUPTED
 */
export async function readInTime<T>(what: string, which: string, read: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await within(read, READ_MS, signal)
  } catch (cause) {
    if (signal.aborted) throw interrupted(what)
    throw unusable(
      what,
      cause instanceof UnusableFile ? cause : new UnusableFile(`${which}: ${textOf(cause)}`, hang, cause),
    )
  }
}

const hang = 'Look after the file system that it is on.'
const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const proxyOf = ({ protocol, hostname, port, username, password }: URL) => ({
  protocol,
  host: hostname,
  port: Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port),
  ...(username !== '' && { auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } }),
})

/** Makes the connections of an agent fail that do not stand after `ms`. */
function hurried<A extends http.Agent>(agent: A, stands: 'connect' | 'secureConnect', ms: number): A {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback) as Socket
    const timer = setTimeout(() => socket.destroy(new Error(`no connection after ${ms / 1000} s`)), ms)
    for (const event of [stands, 'close']) socket.once(event, () => clearTimeout(timer))
    return socket
  }
  return agent
}

async function* unlessSilent(body: Readable, ms: number): AsyncGenerator<Uint8Array> {
  const timer = setTimeout(() => body.destroy(new Error(`silent for ${ms / 1000} s`)), ms)
  try {
    for await (const chunk of body) {
      timer.refresh()
      yield chunk as Uint8Array
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Only texts are taken from an AxiosError: it holds the whole request, with its headers. */
function unreachable({ what, url }: HttpRequest, error: unknown): RucioError {
  const { message, code } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error), code: undefined }
  const cause = error instanceof AxiosError ? error.cause : error
  const { origin } = new URL(url)
  const fault = tlsFault(code ?? '', message)
  if (fault !== null)
    return new RucioError(fault.code, `Cannot ${what}: ${origin}: ${fault.what}`, { hint: fault.hint }, plain(cause))
  // A server that was silent for ten minutes is not asked again at once.
  const again = code !== AxiosError.ECONNABORTED
  const why = message === '' ? (code ?? 'no answer') : message
  return new RucioError('RUCIO_UNREACHABLE', `Cannot ${what}: ${origin}: ${why}`, { again }, plain(cause))
}

const plain = (cause: unknown): unknown => (cause instanceof AxiosError ? undefined : cause)
