import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import tls, { createSecureContext, type ConnectionOptions, type SecureContextOptions } from 'node:tls'
import axios, { AxiosError } from 'axios'
import { exhaustionOf } from '../model/errors.ts'
import type { ClientCertificate } from './client-certificate.ts'
import type { Rereading } from '../io/rereading.ts'
import { credentialUnusable, interrupted, RucioError } from './errors.ts'
import { readInTime } from './read-in-time.ts'
import { isMistrust, tlsFault } from './tls-faults.ts'
import { tunnel } from './tunnel.ts'

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
  /** To show to a server that asks TLS for it. Such a request has a connection of its own. */
  readonly certificate?: ClientCertificate
}

export interface HttpAnswer {
  readonly status: number
  readonly header: (name: string) => string | null
  /** To be read to its end, or broken off, at once. Throws when the connection breaks, or is silent for too long. */
  readonly body: AsyncIterable<Uint8Array>
}

export interface HttpOptions {
  /** The authorities to trust, as texts in PEM; null: those that Node brings. */
  readonly authorities: Rereading<readonly string[]> | null
  /** Does not verify the certificate of the server. Only for one on this machine. */
  readonly unverified: boolean
  /** Through which all connections are tunnelled; null: directly. */
  readonly proxy: URL | null
  /** Until a connection stands, TLS included; with a proxy, until its tunnel does, and then TLS in that. */
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
  readonly #https: {
    readonly authorities: readonly string[] | null
    readonly certificate: ClientCertificate | null
    readonly agent: https.Agent
  }[] = []

  constructor(options: HttpOptions) {
    this.#options = options
    this.#http = connecting(new http.Agent(keep), false, options)
  }

  /** @throws TapeRseError RUCIO_UNREACHABLE if no answer begins, RUCIO_NOT_TRUSTED, SIGN_IN_REFUSED; INTERRUPTED */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { authorities } = this.#options
    if (authorities === null || !request.url.startsWith('https:')) return this.#sendTrusting(null, request, signal)
    const read = (texts: Promise<readonly string[]>) =>
      readInTime(request.what, 'the certificate authorities', texts, signal)
    const trusted = await read(authorities.current())
    try {
      return await this.#sendTrusting(trusted, request, signal)
    } catch (error) {
      if (!isMistrust(error)) throw error
      const renewed = await read(authorities.renewed())
      if (renewed === trusted) throw error
      return this.#sendTrusting(renewed, request, signal)
    }
  }

  async #sendTrusting(
    authorities: readonly string[] | null,
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { silenceMs } = this.#options
    const { method, url, headers, body, what, certificate = null } = request
    const httpsAgent = url.startsWith('https:') ? this.#secure(what, authorities, certificate) : null
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
        proxy: false,
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
  #secure(what: string, authorities: readonly string[] | null, certificate: ClientCertificate | null): https.Agent {
    const known = this.#https.find((each) => each.authorities === authorities && each.certificate === certificate)
    if (known !== undefined) return known.agent
    this.#forgetUnused()
    const { unverified } = this.#options
    const secureContext = context(what, {
      ...(authorities !== null && { ca: [...authorities] }),
      ...(certificate !== null && { cert: certificate.cert, key: certificate.key }),
    })
    const kept = certificate === null ? keep : { keepAlive: false }
    const agent = new https.Agent({ ...kept, secureContext, rejectUnauthorized: !unverified })
    this.#https.push({ authorities, certificate, agent: connecting(agent, true, this.#options) })
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
    // Node's own default, said so that no environment changes it.
    return createSecureContext({ minVersion: 'TLSv1.2', ...options })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error) // a key that is too short, say
    throw credentialUnusable(
      what,
      `TLS does not take certificate or authorities: ${why}`,
      'Renew what it names.',
      error,
    )
  }
}

/** Makes the connections of an agent go through a proxy, if there is one, and fail if they do not stand after `ms`. */
function connecting<A extends http.Agent>(agent: A, secure: boolean, { connectMs, proxy }: HttpOptions): A {
  const direct = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    if (proxy === null) return hurried(direct(options, callback) as Socket, secure, connectMs)
    const { host = '', port } = options as ConnectionOptions
    tunnel(proxy, host, Number(port), AbortSignal.timeout(connectMs)).then(
      (socket) => {
        const through = secure ? tls.connect({ ...(options as ConnectionOptions), socket }) : socket
        callback?.(null, hurried(through, secure && through !== socket, connectMs))
      },
      (error: unknown) => callback?.(error as Error, null as never),
    )
    return null
  }
  return agent
}

function hurried(socket: Socket, secure: boolean, ms: number): Socket {
  if (!secure && !socket.connecting) return socket
  const timer = setTimeout(() => socket.destroy(new Error(`no connection after ${ms / 1000} s`)), ms)
  for (const event of [secure ? 'secureConnect' : 'connect', 'close']) socket.once(event, () => clearTimeout(timer))
  return socket
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
  const exhausted = exhaustionOf({ code })
  if (exhausted !== null)
    return new RucioError(
      'MACHINE_EXHAUSTED',
      `Cannot ${what}: ${origin}: ${exhausted.what}`,
      { again: true, hint: exhausted.hint },
      plain(cause),
    )
  // A server that was silent for ten minutes is not asked again at once.
  const again = code !== AxiosError.ECONNABORTED
  const why = message === '' ? (code ?? 'no answer') : message
  return new RucioError('RUCIO_UNREACHABLE', `Cannot ${what}: ${origin}: ${why}`, { again }, plain(cause))
}

/** Nothing but its text: an AxiosError holds the request, an error of parsing what was parsed. */
const plain = (cause: unknown): unknown => (cause instanceof Error ? new Error(cause.message) : undefined)
