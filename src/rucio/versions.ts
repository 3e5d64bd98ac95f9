/** What differs between versions of Rucio's server, all of it here (docs/rucio.md, "Versions"). */

/** The versions that every test runs on: the two long-term releases. */
const oldest = { major: 38, minor: 5 }
const newest = { major: 41 }

/** A sentence about a server that this program was never tested with; null: it was tested with one of that age. */
export function untestedVersion(version: string): string | null {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  const tested = `it is tested with ${oldest.major}.${oldest.minor} to ${newest.major}`
  if (!/^\d+\.\d+/u.test(version)) return `Rucio says that its version is "${version}": ${tested}`
  if (major < oldest.major || (major === oldest.major && minor < oldest.minor))
    return `Rucio ${version} is older than what tape-rse is tested with: ${tested}`
  return major > newest.major ? `Rucio ${version} is newer than what tape-rse is tested with: ${tested}` : null
}

/**
 * Whether bulkmeta heeds `plugin` when it does not inherit. Older servers answer with columns whatever they are asked, and with
 * `inherit` they fill what is missing from parent containers (rucio/rucio issue 7323).
 */
export const bulkmetaHeedsPlugin = (version: string): boolean => Number.parseInt(version, 10) >= 41
