/** Whether a name matches any of these globs: `*` is any text, slashes too, `?` one character. */
export function nameMatcher(globs: readonly string[]): (name: string) => boolean {
  const patterns = globs.map(
    (glob) =>
      new RegExp(
        `^${glob
          .split(/([*?])/u)
          .map(patternOf)
          .join('')}$`,
        'su',
      ),
  )
  return (name) => patterns.some((pattern) => pattern.test(name))
}

const patternOf = (part: string): string =>
  part === '*' ? '.*' : part === '?' ? '.' : part.replace(/[.*+?^${}()|[\]\\/]/gu, '\\$&')
