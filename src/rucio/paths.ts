import type { Did } from '../model/did.ts'
import { failure } from '../model/errors.ts'

/** Query arguments; a list of a DID's parts never needs one twice. */
export type Query = Readonly<Record<string, string>>

/** `path?a=b`, both sides percent-encoded (a blank as %20, never as +). */
export function withQuery(path: string, query: Query): string {
  const pairs = Object.entries(query).map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

/** `/dids/<scope>/<suffix>`: the calls about a whole scope. */
export const scopePath = (scope: string, suffix: string): string => `/dids/${segment(scope)}/${suffix}`

/**
 * `/dids/<scope>/<name>/<suffix>` with the slashes of the name as %2F. A suffix always: without one, Rucio would take a name that
 * ends in `/meta` or `/files` for a call on a shorter name.
 * @throws TapeRseError NAME_UNSAFE for a part that is `.` or `..`, which every URL parser would resolve away
 */
export const didPath = (did: Did, suffix: 'meta'): string =>
  `/dids/${segment(did.scope)}/${segment(did.name)}/${suffix}`

/**
 * The same with the slashes as they are, for servers behind a proxy that refuses or half-decodes %2F (docs/rucio.md).
 * @returns null where it would say nothing else, or would name something else
 */
export function didPathWithSlashes(did: Did, suffix: 'meta'): string | null {
  const parts = did.name.split('/')
  if (parts.length === 1 || parts.some((part) => part === '.' || part === '..')) return null
  return `/dids/${segment(did.scope)}/${parts.map(encodeURIComponent).join('/')}/${suffix}`
}

function segment(text: string): string {
  if (text !== '.' && text !== '..' && text !== '') return encodeURIComponent(text)
  throw failure(
    'NAME_UNSAFE',
    `Cannot ask Rucio for "${text}": no URL can carry that name`,
    'Rename it in Rucio; its own schema does not allow such a name.',
  )
}
