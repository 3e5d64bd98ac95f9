/** Where PFNs that begin with `pfn` lie on this machine's file systems. */
export interface PathRule {
  readonly pfn: string
  readonly local: string
}

/** What a source needs to know of the file system that it shares with a disk RSE. */
export interface SharedFiles {
  /** Absolute. Nothing outside is ever read. */
  readonly root: string
  /** For PFNs that are not file:// URLs, or lead elsewhere. The longest that fits wins. */
  readonly paths: readonly PathRule[]
}

/**
 * The local path of a replica: by the longest fitting rule, else what follows the host of a file:// PFN. Cut as a string: Rucio
 * does not percent-encode PFNs (rse/protocols/posix.py), so a URL parser would change names with blanks, `#`, `%` or `..`.
 * @returns null if it has none, or one that is not textually below the root. Links are not looked at here.
 */
export function localPath(pfn: string, { root, paths }: SharedFiles): string | null {
  const path = byRule(pfn, paths) ?? (pfn.startsWith('file://') ? pfn.replace(/^file:\/\/[^/]*/, '') : null)
  return path !== null && isBelow(path, root) ? path : null
}

function byRule(pfn: string, rules: readonly PathRule[]): string | null {
  const fitting = rules.filter((rule) => pfn.startsWith(`${withoutSlash(rule.pfn)}/`))
  if (fitting.length === 0) return null
  const { pfn: prefix, local } = fitting.reduce((a, b) => (b.pfn.length > a.pfn.length ? b : a))
  return withoutSlash(local) + pfn.slice(withoutSlash(prefix).length)
}

function isBelow(path: string, root: string): boolean {
  const top = `${withoutSlash(root)}/`
  const parts = path.slice(top.length).split('/')
  return (
    path.startsWith(top) && parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
  )
}

const withoutSlash = (text: string): string => (text.endsWith('/') ? text.slice(0, -1) : text)

/** What to ask Rucio for: file:// alone, unless rules name other schemes. */
export function accessFor(rules: readonly PathRule[]): { schemes: readonly string[]; domain: 'lan' | 'all' } {
  const schemes = rules
    .map(({ pfn }) => /^([a-z][a-z0-9+.-]*):\/\//i.exec(pfn)?.[1])
    .filter((scheme) => scheme !== undefined)
  return { schemes: [...new Set(['file', ...schemes])], domain: rules.length === 0 ? 'lan' : 'all' }
}
