import { statSync } from 'node:fs'

export interface Changed {
  readonly path: string
  readonly what: 'is gone' | 'is another file'
}

/** Remembers which files these paths lead to; returns what says of the first that no longer does. */
export function sameFiles(paths: readonly string[]): () => Changed | null {
  const identity = (path: string): string | null => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat === undefined ? null : `${stat.dev} ${stat.ino}`
  }
  const known = paths.map((path) => [path, identity(path)] as const)
  return () => {
    for (const [path, before] of known) {
      const now = identity(path)
      if (now !== before) return { path, what: now === null ? 'is gone' : 'is another file' }
    }
    return null
  }
}
