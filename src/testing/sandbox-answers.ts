import type { ServerResponse } from 'node:http'

/** An error as Rucio answers it. */
export class Refusal extends Error {
  readonly status: number
  /** null: not one of Rucio's own, so a page of text. */
  readonly exceptionClass: string | null

  constructor(status: number, exceptionClass: string | null, message: string) {
    super(message)
    this.status = status
    this.exceptionClass = exceptionClass
  }
}

/** How an answer is spoilt on its way. */
export type Spoil = 'cut-mid-line' | 'cut-at-line-end' | null

/** Rucio's errors say JSON in their body and something else in their type. */
export function sendRefusal(response: ServerResponse, { status, exceptionClass, message }: Refusal): void {
  if (exceptionClass === null) {
    send(response, status, 'text/html; charset=utf-8', message)
    return
  }
  const short = message.length > 125 ? `${message.slice(0, 125)}...` : message
  response.setHeader('ExceptionClass', exceptionClass)
  response.setHeader('ExceptionMessage', short.replace(/[\r\n]|[^\u0020-\u00ff]/gu, ' '))
  send(
    response,
    status,
    'application/octet-stream',
    JSON.stringify({ ExceptionClass: exceptionClass, ExceptionMessage: message }),
  )
}

export function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type })
  response.end(body)
}

export const sendJson = (response: ServerResponse, value: unknown): void =>
  send(response, 200, 'application/json', JSON.stringify(value))

/** A list as Rucio streams it: a JSON value a line. */
export function sendLines(response: ServerResponse, values: readonly unknown[], spoil: Spoil): void {
  const text = values.map((value) => `${JSON.stringify(value)}\n`).join('')
  if (spoil === null) {
    send(response, 200, 'application/x-json-stream', text)
    return
  }
  response.writeHead(200, { 'Content-Type': 'application/x-json-stream' })
  const lastLine = text.lastIndexOf('\n', text.length - 2) + 1
  if (spoil === 'cut-at-line-end') {
    response.end(text.slice(0, lastLine))
    return
  }
  response.write(text.slice(0, lastLine + Math.floor((text.length - lastLine) / 2)), () => response.destroy())
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Sat, 21 Nov 2026 21:42:54 UTC` */
export function rucioDate(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${days[date.getUTCDay()]!}, ${two(date.getUTCDate())} ${months[date.getUTCMonth()]!} ${date.getUTCFullYear()}`
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} UTC`
}
