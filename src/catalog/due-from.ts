/** Earlier than any clock says. */
export const longAgo = new Date(0).toISOString()

/** A time in a text of SQL: its digits and marks need no escape. */
export const literal = (time: Date): string => `'${time.toISOString()}'`

/**
 * From when on a target that failed may be tried again, as SQL; null: when a person says so. What failed at a time that is still to come did
 * so by a clock that has been set back since: its back-off says nothing any more.
 */
export const dueFrom = (now: Date): string =>
  `CASE WHEN targets.not_before IS NOT NULL AND targets.failed_at > ${literal(now)} THEN '${longAgo}' ELSE targets.not_before END`
