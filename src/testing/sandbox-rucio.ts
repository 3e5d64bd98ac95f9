import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { numbers } from './numbers.ts'
import type { Interference } from './sandbox-faults.ts'
import { spoil } from './sandbox-faults.ts'
import type { RawRequest } from './sandbox-request.ts'
import { respond } from './sandbox-server.ts'
import type { SandboxAccount, SandboxState } from './sandbox-state.ts'
import { sandboxState } from './sandbox-state.ts'
import type { RucioVersion } from './sandbox-world.ts'
import { emptyWorld } from './sandbox-world.ts'

export type { Interference, SandboxAccount, SandboxState }

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

/** Always there, as in every Rucio. */
export const sandboxRoot: SandboxAccount = { account: 'root', username: 'ddmlab', password: 'secret', admin: true }

/**
 * A Rucio server in this process, for the demo and for fast tests: as much of the REST API as archiving and its seeding need, with
 * the errors and odd answers of Rucio on PostgreSQL. Where the two differ, it is wrong: rucio-contract.ts runs on both. Listens on
 * 127.0.0.1. `seed`: of the order of answers, which Rucio does not promise either.
 */
export async function startSandboxRucio(
  accounts: readonly SandboxAccount[],
  now: () => Date,
  seed = 1,
  version: RucioVersion = '41.5.1',
): Promise<SandboxRucio> {
  const world = emptyWorld(version, now, numbers(seed))
  const state = sandboxState(world)
  for (const account of [sandboxRoot, ...accounts]) state.addAccount(account)
  const requests: string[] = []

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await read(incoming)
    const { method, url } = request
    const [path = ''] = url.split('?')
    const line = `${method} ${path}`
    requests.push(line)
    const count = requests.filter((each) => each === line).length
    spoil(response, sandbox.interfere({ method, path, count }), () => respond(world, request))
  }

  const server = http.createServer((incoming, response) => void answer(incoming, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sandbox: SandboxRucio = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    requests,
    interfere: () => null,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return sandbox
}

async function read(incoming: IncomingMessage): Promise<RawRequest> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const { method = '', url = '', headers } = incoming
  return { method, url, headers, body: Buffer.concat(parts).toString() }
}
