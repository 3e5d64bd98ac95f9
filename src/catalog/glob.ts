/** A condition of SQL, and the values for its `?`. */
export interface Condition {
  readonly text: string
  readonly values: readonly string[]
}

/** Above every character that a name may hold. */
const beyond = '\u{10ffff}'

/**
 * What is true of the rows of a table with `scope` and `name` whose DID matches: `*` is any text, slashes too, `?` one character. As
 * much of it as comes before these is looked up by an index.
 */
export function didMatches(table: string, glob: string): Condition {
  const literal = /^[^*?]*/u.exec(glob)![0]
  const colon = literal.indexOf(':')
  if (colon < 0) return { text: `${table}.scope || ':' || ${table}.name LIKE ? ESCAPE '\\'`, values: [patternOf(glob)] }
  const [scope, name] = [glob.slice(0, colon), glob.slice(colon + 1)]
  const inScope = `${table}.scope = ? AND ${table}.name`
  if (literal === glob) return { text: `${inScope} = ?`, values: [scope, name] }
  const prefix = literal.slice(colon + 1)
  return {
    text: `${inScope} >= ? AND ${table}.name < ? AND ${table}.name LIKE ? ESCAPE '\\'`,
    values: [scope, prefix, `${prefix}${beyond}`, patternOf(name)],
  }
}

/** A glob as a pattern of LIKE, in which `_` and `%` have a meaning and may be part of a name. */
export const patternOf = (glob: string): string =>
  glob
    .replace(/[\\%_]/gu, (special) => `\\${special}`)
    .replaceAll('*', '%')
    .replaceAll('?', '_')
