import type { Entry } from './target.ts'

export type BundleId = number & { readonly brand: 'BundleId' }

/**
 * `planned → assigned → written → confirmed`. `written`: durable on the vault, not trusted. `confirmed`: read back, compared,
 * and under its final name. A written object that is lost or does not match goes back to `assigned`.
 */
export type BundleState = 'planned' | 'assigned' | 'written' | 'confirmed'

/** One object to be written, with everything that determines its bytes. */
export interface PlannedBundle {
  readonly part: number
  readonly parts: number
  readonly manifest: string
  /** The exact size of the object. */
  readonly bytes: number
  readonly entries: readonly Entry[]
  /** Where the header of each entry begins in the object. */
  readonly offsets: readonly number[]
}

/** What proved a bundle. */
export interface Proof {
  /** Whether the read-back went around the page cache (O_DIRECT). */
  readonly direct: boolean
  /** Process id of the mover that read, never the one that wrote. */
  readonly mover: number
  readonly bytes: number
  readonly adler32: string
}
