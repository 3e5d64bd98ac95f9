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
export function textLine({ level, message, hint, did: _, ...fields }: LogEntry, now: Date, pid: number): string {
  const time = now.toISOString().replace('T', ' ').replace('.', ',').replace('Z', '')
  const shown = known(fields).map(([key, value]) => ` ${key}=${plainText(value)}`)
  const advice = typeof hint === 'string' && hint !== '' ? ` - ${hint}` : ''
  const text = masked(printable(`${plainText(message)}${advice}${shown.join('')}`))
  return [time, 'tape-rse', pid, severities[level] ?? level, text].join('\t')
}

/** What Rucio's daemons write with `logjson`: nested ECS; the DID as `rucio`, other fields as `labels`. */
export function jsonLine({ level, message, did, ...fields }: LogEntry, now: Date, pid: number): string {
  const text = masked(plainText(message))
  const { code } = fields
  const dataset = did as Did | undefined
  return JSON.stringify({
    '@timestamp': now.toISOString(),
    log: { logger: 'tape-rse', level: severities[level] ?? level },
    message: text,
    error: {
      type: typeof code === 'string' ? code : null,
      message: typeof code === 'string' ? text : null,
      stack_trace: null,
    },
    process: { pid },
    ...(dataset !== undefined && { rucio: { scope: dataset.scope, name: dataset.name } }),
    labels: Object.fromEntries(
      known(fields)
        .filter(([key]) => key !== 'code')
        .map(([key, value]) => [key, typeof value === 'string' ? masked(value) : value]),
    ),
  })
}

const known = (fields: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] =>
  Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)

const plainText = (value: unknown): string =>
  typeof value === 'string' ? value : value instanceof Error ? value.message : JSON.stringify(value)

/**
 * The last line of defence: nothing that is logged should hold a secret, and what looks like one is masked all the same: Rucio's
 * headers, private keys, a password in a URL.
 */
const masked = (text: string): string =>
  text
    .replace(/(x-rucio-(?:auth-token|password)["']?\s*[:=]\s*["']?)[^\s"',;]+/giu, '$1***')
    .replace(/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/gsu, '***')
    .replace(/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]+@/giu, '$1***@')
