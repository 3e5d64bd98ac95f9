import type { ServerResponse } from 'node:http'
import type { Reply } from './sandbox-answers.ts'

/**
 * What a test makes of a request; null: nothing.
 * - an answer of its own, as of a proxy; the request is not carried out
 * - `reset`: the connection breaks before anything is done; `answer-lost`: after it
 * - `silence`: nothing is done and nothing said; the connection stays
 * - `cut-at-line-end`: a right answer without its last line, which ends as if it were all
 * - `cut-mid-line`: a right answer that breaks off in the middle of its last line
 */
export type Interference =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: string }
  | 'reset'
  | 'answer-lost'
  | 'silence'
  | 'cut-mid-line'
  | 'cut-at-line-end'
  | null

/** Sends what `reply` makes of a request, but for the interference. */
export function spoil(response: ServerResponse, interference: Interference, reply: () => Reply): void {
  if (interference === null) send(response, reply())
  else if (typeof interference === 'object') send(response, { headers: {}, ...interference })
  else if (interference === 'reset') response.socket?.resetAndDestroy()
  else if (interference === 'answer-lost') {
    reply()
    response.socket?.resetAndDestroy()
  } else if (interference !== 'silence') cut(response, reply(), interference)
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body)
}

function cut(response: ServerResponse, { status, headers, body }: Reply, where: 'cut-mid-line' | 'cut-at-line-end') {
  const lastLine = body.lastIndexOf('\n', body.length - 2) + 1
  response.writeHead(status, { ...headers }) // chunked: nobody knows how long it should have been
  if (where === 'cut-at-line-end') response.end(body.slice(0, lastLine))
  else response.write(body.slice(0, lastLine + Math.floor((body.length - lastLine) / 2)), () => response.destroy())
}
