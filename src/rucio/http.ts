import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import axios, { AxiosError } from 'axios'
import { interrupted, RucioError } from './errors.ts'

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
}

export interface HttpAnswer {
  readonly status: number
  readonly header: (name: string) => string | null
  /** To be read to its end, or broken off, at once. Throws when the connection breaks, or is silent for too long. */
  readonly body: AsyncIterable<Uint8Array>
}

export interface HttpOptions {
  /** PEM texts of the authorities to trust; null: those that Node brings. */
  readonly ca: readonly string[] | null
  /** Until a connection stands, TLS included. */
  readonly connectMs: number
  /** Until an answer begins, and between any two pieces of it. A search may scan millions of rows before its first byte. */
  readonly silenceMs: number
}

/**
 * HTTP as Rucio's clients need it: connections kept, no proxy of the environment, no redirect followed (it would carry the token
 * elsewhere), any status an answer. Owns its sockets.
 */
export class Http {
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent }
  readonly #silenceMs: number

  constructor({ ca, connectMs, silenceMs }: HttpOptions) {
    const keep = { keepAlive: true, timeout: IDLE_SOCKET_MS }
    const trust = ca === null ? {} : { ca: [...ca] }
    this.#agents = {
      http: hurried(new http.Agent(keep), 'connect', connectMs),
      https: hurried(new https.Agent({ ...keep, ...trust }), 'secureConnect', connectMs),
    }
    this.#silenceMs = silenceMs
  }

  /** @throws TapeRseError RUCIO_UNREACHABLE if no answer begins; INTERRUPTED */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { method, url, headers, body } = request
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
        timeout: this.#silenceMs,
        httpAgent: this.#agents.http,
        httpsAgent: this.#agents.https,
        signal,
      })
      // An abort between here and the first read makes axios emit 'error', which without a listener would end the process.
      answer.data.on('error', () => undefined)
      const found: Readonly<Record<string, unknown>> = answer.headers
      return {
        status: answer.status,
        header: (name) => (typeof found[name] === 'string' ? found[name] : null),
        body: unlessSilent(answer.data, this.#silenceMs),
      }
    } catch (error) {
      throw signal.aborted ? interrupted(request.what) : unreachable(request, error)
    }
  }

  close(): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }
}

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
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error), code: '' }
  const cause = error instanceof AxiosError ? error.cause : error
  const tls = /CERT|TLS|SSL|UNABLE_TO|EPROTO/.test(code ?? '') ? ' (see rucio.ca for the authorities to trust)' : ''
  // A server that was silent for ten minutes is not asked again at once.
  const again = tls === '' && code !== AxiosError.ECONNABORTED
  const why = message === '' ? (code ?? 'no answer') : message
  return new RucioError(
    'RUCIO_UNREACHABLE',
    `Cannot ${what}: ${new URL(url).origin}: ${why}${tls}`,
    { again },
    plain(cause),
  )
}

const plain = (cause: unknown): unknown => (cause instanceof AxiosError ? undefined : cause)
