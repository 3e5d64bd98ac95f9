import { statSync } from 'node:fs'
import { errnoOf } from './errno.ts'

export interface Changed {
  readonly path: string
  /** `is gone`, `is another file`, `cannot be looked at (EIO)` */
  readonly what: string
}

type Identity = { readonly known: string | null } | { readonly error: unknown }

/** Remembers which files these paths lead to; returns what says of the first that no longer does, or that cannot be looked at. */
export function sameFiles(paths: readonly string[]): () => Changed | null {
  const before = paths.map((path) => [path, identityOf(path)] as const)
  return () => {
    for (const [path, was] of before) {
      const now = identityOf(path)
      if ('error' in now) return { path, what: `cannot be looked at (${errnoOf(now.error) ?? String(now.error)})` }
      if ('error' in was || now.known !== was.known)
        return { path, what: now.known === null ? 'is gone' : 'is another file' }
    }
    return null
  }
}

function identityOf(path: string): Identity {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return { known: stat === undefined ? null : `${stat.dev} ${stat.ino}` }
  } catch (error) {
    return { error }
  }
}
