/** What differs between versions of Rucio's server, all of it here (docs/rucio.md, "Versions"). */

/**
 * Whether bulkmeta heeds `plugin` when it does not inherit. Older servers answer with columns whatever they are asked, and with
 * `inherit` they fill what is missing from parent containers (rucio/rucio issue 7323).
 */
export const bulkmetaHeedsPlugin = (version: string): boolean => majorOf(version) >= 41

const majorOf = (version: string): number => Number.parseInt(version, 10)
