import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { numbers } from './numbers.ts'

/** What a bad line does to a call. */
export const mischiefs = [
  'delayed', // answered, but later
  'cut', // the answer breaks off in the middle
  'unsent', // reset before the server heard of it
  'lost', // reset after the server has answered: what was asked for is done
  'refused', // a 5xx; the server never heard of it
  'overdue', // a 5xx, and the server has done it
  'captive', // 200 and a page of HTML; the server never heard of it
  'repeated', // the server gets it twice; one of its two answers comes back
  'shortened', // whole lines are missing at the end of a list, and nothing shows it
] as const
export type Mischief = (typeof mischiefs)[number]

export interface BadLine {
  readonly url: string
  /** Calls so far that went wrong, by what happened to them. */
  readonly counts: Readonly<Record<Mischief, number>>
  /** From now on so many of all calls go wrong: 0 heals the line, 1 leaves nothing whole. */
  bad(probability: number): void
  /** Breaks off every connection that is kept. */
  hangUp(): void
  /** Breaks off what is under way. */
  close(): Promise<void>
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

interface Answer {
  readonly status: number
  readonly headers: http.OutgoingHttpHeaders
  readonly body: Buffer
}

/** What comes back of a call. */
type Outcome = { readonly whole: Answer } | { readonly half: Answer } | 'reset'

/**
 * A line to an HTTP server on which calls go wrong by chance, each in one way. The same seed gives the same row of mischiefs; which
 * call meets which is a matter of the order in which they come.
 */
export async function badLine(target: string, seed: number, probability: number): Promise<BadLine> {
  const random = numbers(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const counts = Object.fromEntries(mischiefs.map((each) => [each, 0])) as Record<Mischief, number>
  let share = probability

  async function outcomeOf(asked: Asked): Promise<Outcome> {
    const mischief = random() < share ? mischiefs[below(mischiefs.length)]! : null
    const told = <T>(happened: Mischief, outcome: T): T => {
      counts[happened]++
      return outcome
    }
    switch (mischief) {
      case null:
        return { whole: await ask(target, asked) }
      case 'delayed':
        await sleep(below(8) === 0 ? 200 + below(300) : 5 + below(60))
        return told(mischief, { whole: await ask(target, asked) })
      case 'cut':
        return told(mischief, { half: await ask(target, asked) })
      case 'unsent':
        return told(mischief, 'reset')
      case 'lost':
        await ask(target, asked)
        return told(mischief, 'reset')
      case 'refused':
        return told(mischief, { whole: failed(below) })
      case 'overdue':
        await ask(target, asked)
        return told(mischief, { whole: failed(below) })
      case 'captive':
        return told(mischief, { whole: page(200, 'Welcome. Please sign in to use this network.') })
      case 'repeated': {
        const answers = [await ask(target, asked), await ask(target, asked)]
        return told(mischief, { whole: answers[below(2)]! })
      }
      case 'shortened': {
        const answer = await ask(target, asked)
        const less = shortened(answer, random)
        return less === null ? told('cut', { half: answer }) : told(mischief, { whole: less })
      }
    }
  }

  const server = http.createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      outcomeOf({ method, path: url, headers, body: Buffer.concat(parts) }).then(
        (outcome) => {
          if (outcome === 'reset') response.socket?.resetAndDestroy()
          else if ('half' in outcome) sendHalf(response, outcome.half)
          else send(response, outcome.whole)
        },
        () => response.destroy(), // the server itself does not answer: neither does the line
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    bad(next) {
      share = next
    },
    hangUp: () => server.closeAllConnections(),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Asks the server, on a connection of its own: one that was kept might be closed by it just then, which is not our mischief. */
async function ask(target: string, { method, path, headers, body }: Asked): Promise<Answer> {
  const request = http.request(target + path, { method, headers: { ...headers, connection: 'close' }, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const { headers: given } = response
  delete given['connection']
  delete given['transfer-encoding']
  return { status: response.statusCode!, headers: given, body: Buffer.concat(parts) }
}

function send(response: http.ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length })
  response.end(body)
}

/** Of an answer without a body: its head, and nothing that says that it is over. */
function sendHalf(response: http.ServerResponse, { status, headers, body }: Answer): void {
  const { 'content-length': length, ...others } = headers
  response.writeHead(status, body.length === 0 || length === undefined ? others : headers)
  response.flushHeaders()
  response.write(body.subarray(0, Math.max(1, body.length >> 1)), () => response.destroy())
}

const page = (status: number, text: string): Answer => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: Buffer.from(`<html><head><title>${text}</title></head><body><h1>${text}</h1></body></html>\n`),
})

/** As a proxy says it, or as Rucio. */
function failed(below: (limit: number) => number): Answer {
  const status = [500, 502, 503, 504][below(4)]!
  if (below(2) === 0) return page(status, `${status} the server behind this proxy is not well`)
  const said = { ExceptionClass: 'DatabaseException', ExceptionMessage: 'Database exception.' }
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(below(2) === 0 ? said : { error: 'try again' })),
  }
}

/** A list without its end, which looks whole; null if the answer is no list, or has nothing to lose. */
function shortened({ status, headers, body }: Answer, random: () => number): Answer | null {
  if (status < 200 || status > 299) return null
  const text = body.toString()
  if (headers['content-type'] === 'application/x-json-stream') {
    const lines = text.split('\n').filter((line) => line !== '')
    if (lines.length === 0) return null
    const kept = lines.slice(0, Math.floor(random() * lines.length))
    return { status, headers, body: Buffer.from(kept.map((line) => `${line}\n`).join('')) }
  }
  if (!text.startsWith('[')) return null
  const values = JSON.parse(text) as unknown[]
  if (values.length === 0) return null
  return { status, headers, body: Buffer.from(JSON.stringify(values.slice(0, Math.floor(random() * values.length)))) }
}
