import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Refusal, rucioDate, send, sendJson, sendRefusal, type Spoil } from './sandbox-answers.ts'
import { numbers } from './numbers.ts'
import { route, type SandboxRequest } from './sandbox-routes.ts'
import { SandboxState, type SandboxAccount } from './sandbox-state.ts'

/** What a test makes of a request: an answer of its own, a broken connection, a list that is cut; null: nothing. */
export type Interference =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: string }
  | 'reset'
  | Exclude<Spoil, null>
  | null

export interface SandboxRucio {
  readonly url: string
  /** What Rucio keeps: set it up, and change it, directly. */
  readonly state: SandboxState
  /** `METHOD path` of every request so far. */
  readonly requests: readonly string[]
  /** Called with each request before it is answered. `count`: requests of the same method and path so far, this one included. */
  interfere: (request: { readonly method: string; readonly path: string; readonly count: number }) => Interference
  close(): Promise<void>
}

/** The version whose answers the sandbox gives (docs/rucio.md); the contract suite holds it against the real one. */
const version = '41.5.1'

/**
 * A Rucio server in this process, for the demo and for fast tests: as much of the REST API as archiving and its seeding need, with
 * the errors and odd answers of the real one. Listens on 127.0.0.1.
 */
export async function startSandboxRucio(accounts: readonly SandboxAccount[], now: () => Date): Promise<SandboxRucio> {
  const state = new SandboxState(now)
  for (const account of accounts) state.accounts.set(account.account, account)
  const requests: string[] = []
  const shuffle = shuffler(numbers(1))

  const server = http.createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://sandbox')
      const request = {
        method: incoming.method ?? 'GET',
        path: pathname,
        query: searchParams,
        headers: incoming.headers,
        body,
      }
      const line = `${request.method} ${request.path}`
      requests.push(line)
      const count = requests.filter((each) => each === line).length
      const interference = sandbox.interfere({ method: request.method, path: request.path, count })
      if (interference === 'reset') incoming.socket.resetAndDestroy()
      else if (interference !== null && typeof interference !== 'string') {
        response.writeHead(interference.status, interference.headers)
        response.end(interference.body)
      } else answer(request, response, interference)
    })
  })

  function answer(request: SandboxRequest, response: ServerResponse, spoil: Spoil): void {
    try {
      if (request.path === '/ping') sendJson(response, { version })
      else if (request.path === '/auth/userpass') signIn(request, response)
      else {
        const account = state.accountOf(header(request, 'x-rucio-auth-token'))
        route({ state, account, request, response, shuffle, spoil })
      }
    } catch (error) {
      if (error instanceof Refusal) sendRefusal(response, error)
      else send(response, 500, 'text/html; charset=utf-8', String(error))
    }
  }

  function signIn(request: SandboxRequest, response: ServerResponse): void {
    const { token, expires, account } = state.signIn(
      header(request, 'x-rucio-account'),
      header(request, 'x-rucio-username'),
      header(request, 'x-rucio-password'),
    )
    response.setHeader('X-Rucio-Auth-Token', token)
    response.setHeader('X-Rucio-Auth-Token-Expires', rucioDate(expires))
    response.setHeader('X-Rucio-Auth-Account', account)
    send(response, 200, 'application/octet-stream', '')
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const sandbox: SandboxRucio = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    requests,
    interfere: () => null,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
  return sandbox
}

function header({ headers }: SandboxRequest, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

/** Fisher–Yates. */
function shuffler(random: () => number): <T>(items: readonly T[]) => readonly T[] {
  return (items) => {
    const mixed = [...items]
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1))
      ;[mixed[last], mixed[other]] = [mixed[other]!, mixed[last]!]
    }
    return mixed
  }
}
