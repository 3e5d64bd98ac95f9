import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

/** A request as the server got it. */
export interface Seen {
  readonly method: string
  /** Path and query, as they came. */
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface ScriptedServer {
  readonly url: string
  /** Every request so far. */
  readonly seen: readonly Seen[]
  /** Connections so far. */
  readonly connections: number
  close(): Promise<void>
}

/** A server on 127.0.0.1 that answers as a test says, however odd. `count`: requests so far, this one included. */
export async function scriptedServer(
  answer: (request: Seen, response: ServerResponse, count: number) => void,
  tls: https.ServerOptions | null = null,
): Promise<ScriptedServer> {
  const seen: Seen[] = []
  let connections = 0
  const listener: http.RequestListener = (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const one = { method, url, headers, body: Buffer.concat(parts).toString() }
      answer(one, response, seen.push(one))
    })
  }
  const server = tls === null ? http.createServer(listener) : https.createServer(tls, listener)
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    seen,
    get connections() {
      return connections
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
