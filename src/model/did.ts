/** A data identifier of Rucio: a dataset, a container or a file. Written `scope:name`. */
export interface Did {
  readonly scope: string
  readonly name: string
}

export const formatDid = (did: Did): string => `${did.scope}:${did.name}`

/** A DID as a key of a Map. Neither part may hold a NUL, so two DIDs never share a key. */
export const didKey = (did: Did): string => `${did.scope}\0${did.name}`

/**
 * Reads `scope:name`, as people type it on a command line. Rucio's own guess of a scope from a bare name is a rule of each
 * site's client (`extract_scope`), so it is not made here.
 * @returns null if `text` has no colon, or nothing on one side of the first one
 */
export function parseDid(text: string): Did | null {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) return null
  return { scope: text.slice(0, colon), name: text.slice(colon + 1) }
}

/** Orders by scope, then name, by UTF-16 code unit: the same on every machine, whatever its locale. */
export function compareDids(a: Did, b: Did): number {
  if (a.scope !== b.scope) return a.scope < b.scope ? -1 : 1
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return 0
}
