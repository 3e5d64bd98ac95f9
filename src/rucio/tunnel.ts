import http from 'node:http'
import type { Socket } from 'node:net'

/**
 * A connection to `host`:`port` through an HTTP proxy (RFC 9110, 9.3.6). What goes through it is seen by neither the proxy nor us.
 * @throws {Error} if the proxy does not make one
 */
export async function tunnel(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const request = http.request({
    host: proxy.hostname.replace(/^\[|\]$/gu, ''),
    port: proxy.port === '' ? 80 : proxy.port,
    method: 'CONNECT',
    path: authority,
    headers: { Host: authority },
    agent: false,
    signal,
  })
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  request.once('error', reject)
  request.once('connect', (response, socket: Socket) => {
    if (response.statusCode === 200) {
      resolve(socket)
      return
    }
    socket.destroy()
    reject(new Error(`the proxy ${proxy.host} answers ${response.statusCode} for ${authority}`))
  })
  request.end()
  return promise
}
