import type { Did } from '../model/did.ts'
import { printable } from './format.ts'

/** A call of the logger: what winston knows of it, and the fields that were given. */
export interface LogEntry {
  readonly level: string
  readonly message: unknown
  readonly [field: string]: unknown
}

/** Rucio's daemons end a line with its severity in capitals. */
const severities: Readonly<Record<string, string>> = { error: 'ERROR', warn: 'WARNING', info: 'INFO', debug: 'DEBUG' }
/** Of syslog, as sd-daemon(3) takes them at the start of a line. */
const priorities: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7 }

export const priorityOf = (level: string): number => priorities[level] ?? 6

/** `2026-11-21 21:49:10,254<TAB>tape-rse<TAB>1455<TAB>INFO<TAB>message - hint key=value`. The message names the DID. */
export function textLine(entry: LogEntry, now: Date, pid: number): string {
  const { level, message, hint, ...others } = entry
  const time = now.toISOString().replace('T', ' ').replace('.', ',').replace('Z', '')
  const advice = isBlank(hint) ? '' : ` - ${shown(hint)}`
  const fields = fieldsOf({ ...others, did: null, stack: stackOf(entry) }).map(([key, value]) => ` ${key}=${value}`)
  const text = printable(`${shown(message)}${advice}${fields.join('')}`)
  return [time, 'tape-rse', pid, severities[level] ?? level, text].join('\t')
}

/** What Rucio's daemons write with `logjson`: nested ECS; the DID as `rucio`, other fields as `labels`. */
export function jsonLine(entry: LogEntry, now: Date, pid: number): string {
  const { level, message, hint, did, code, ...others } = entry
  const text = shown(message)
  const failed = !isBlank(code)
  const labels = fieldsOf({ ...others, stack: null, hint: isBlank(hint) ? null : hint })
  const line = JSON.stringify({
    '@timestamp': now.toISOString(),
    log: { logger: 'tape-rse', level: severities[level] ?? level },
    message: text,
    error: { type: failed ? shown(code) : null, message: failed ? text : null, stack_trace: stackOf(entry) },
    process: { pid },
    ...(isDid(did) && { rucio: { scope: did.scope, name: did.name } }),
    ...(labels.length > 0 && { labels: Object.fromEntries(labels) }),
  })
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

/** JSON leaves some characters as they are that break a line, or speak to the terminal. */
const escaped = (invisible: string): string =>
  invisible
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')

const isBlank = (value: unknown): boolean => value === null || value === undefined || value === ''

const isDid = (value: unknown): value is Did =>
  typeof value === 'object' && value !== null && 'scope' in value && 'name' in value

/** What was given, each a scalar: Elasticsearch's labels take no objects. */
const fieldsOf = (
  fields: Readonly<Record<string, unknown>>,
): readonly (readonly [string, string | number | boolean])[] =>
  Object.entries(fields)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => [
      key,
      secretName.test(key) ? '***' : typeof value === 'number' || typeof value === 'boolean' ? value : shown(value),
    ])

/** winston puts the stack of an Error beside the fields. It is for those who debug: never in a line of another level. */
function stackOf({ level, ...fields }: LogEntry): string | null {
  if (level !== 'debug') return null
  const stack = fields['stack'] ?? Object.values(fields).find((value) => value instanceof Error)?.stack
  return isBlank(stack) ? null : shown(stack)
}

const shown = (value: unknown): string => masked(plainText(value))

/** Never fails: a line of the log must not end the work that it tells of. */
function plainText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return value.message
  if (typeof value === 'bigint') return String(value)
  try {
    const json: unknown = JSON.stringify(value, plainInner)
    return typeof json === 'string' ? json : '[unprintable]'
  } catch {
    return '[unprintable]' // it holds itself
  }
}

function plainInner(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const given = this[key] // before its toJSON(): that of an axios error tells its stack
  return given instanceof Error ? given.message : typeof value === 'bigint' ? String(value) : value
}

const secretName = /^x-rucio-(?:auth-token|password)$/iu

/**
 * The last line of defence: nothing that is logged should hold a secret, and what looks like one is masked all the same: Rucio's
 * headers (up to the closing quote, else to the end of the line: the token of a certificate has blanks, and its secret comes last),
 * private keys, the user and password in a URL. Each pattern reads a text once.
 */
const masked = (text: string): string =>
  text
    .replace(
      /(x-rucio-(?:auth-token|password)(?:\\*["']\s*[:=,]|\s*[:=])\s*)(?:(\\*["'])[^\r\n]*?(?<!\\)\2|[^\r\n]+)/giu,
      '$1$2***$2',
    )
    .replace(/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/gsu, '***')
    .replace(/:\/\/[^\s/?#"<>]*@/gu, '://***@')
