import type { Did } from './did.ts'

export type TargetId = number & { readonly brand: 'TargetId' }

/**
 * `requested → frozen → acknowledged`; or `withdrawn` (the request went away), or `superseded` (the content changed before it
 * was acknowledged: the next generation is requested).
 */
export type TargetState = 'requested' | 'frozen' | 'acknowledged' | 'withdrawn' | 'superseded'

/** Why a request cannot be taken, though nobody needs to mend anything. */
export type Waiting = 'open' | 'container' | 'file' | 'suppressed'

/** A request as a source sees it at one poll. */
export interface Sighting {
  readonly did: Did
  /** null: it can be taken. */
  readonly waiting: Waiting | null
  /** When it was closed last. Stale while it is open. */
  readonly closedAt: Date | null
  /** Files in it, as counted when it was closed. */
  readonly length: number | null
  readonly bytes: number | null
}

/** One file of a target, as its source described it when the target was frozen. */
export interface Entry {
  readonly did: Did
  readonly bytes: number
  /** 8 lower-case hex digits. At least one of adler32 and md5 is there. */
  readonly adler32: string | null
  /** 32 lower-case hex digits. */
  readonly md5: string | null
  /** As the source names it: a URL. */
  readonly pfn: string
  /** Where a mover finds it: absolute, textually below the source's root. */
  readonly path: string
}

/** A target's content at one moment. */
export interface Content {
  /** Sorted by scope and name; never empty. */
  readonly entries: readonly Entry[]
  readonly bytes: number
  readonly closedAt: Date
  /** sha256 over the sorted list of files: equal if and only if the content is. */
  readonly fingerprint: string
  /** The source's own metadata of the target, without the tag. */
  readonly metadata: Readonly<Record<string, unknown>>
}
