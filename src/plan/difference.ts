import { didKey } from '../model/did.ts'
import type { Entry } from '../model/target.ts'

/** How much of a list is shown: enough to recognise what happened. */
const maxNamed = 3

/**
 * How one content differs from an earlier one, as a clause: "2 files were added (a, b), 1 was removed (c), 1 has other bytes (d)".
 * A file is the same if its DID, size and checksums are, as far as both sides know them.
 */
export function differenceText(before: readonly Entry[], after: readonly Entry[]): string {
  const [old, now] = [before, after].map((entries) => new Map(entries.map((entry) => [didKey(entry.did), entry])))
  const added = after.filter(({ did }) => !old!.has(didKey(did)))
  const removed = before.filter(({ did }) => !now!.has(didKey(did)))
  const replaced = after.filter((entry) => {
    const earlier = old!.get(didKey(entry.did))
    return earlier !== undefined && !same(earlier, entry)
  })
  const clauses = [
    clause(added, 'was added', 'were added'),
    clause(removed, 'was removed', 'were removed'),
    clause(replaced, 'has other bytes', 'have other bytes'),
  ].filter((text) => text !== null)
  return clauses.length === 0 ? 'it has the same files' : clauses.join(', ')
}

function same(a: Entry, b: Entry): boolean {
  const agree = (one: string | null, other: string | null) => one === null || other === null || one === other
  return a.bytes === b.bytes && agree(a.adler32, b.adler32) && agree(a.md5, b.md5)
}

function clause(entries: readonly Entry[], one: string, many: string): string | null {
  if (entries.length === 0) return null
  const names = entries.slice(0, maxNamed).map(({ did }) => did.name)
  const more = entries.length > maxNamed ? ` and ${entries.length - maxNamed} more` : ''
  return `${entries.length} ${entries.length === 1 ? `file ${one}` : `files ${many}`} (${names.join(', ')}${more})`
}
