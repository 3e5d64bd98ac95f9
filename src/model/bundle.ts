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

/** What came of reading a published object back once more. */
export interface Verification {
  readonly at: Date
  readonly bytes: number
  readonly seconds: number
  /** Whether it was read around the page cache. */
  readonly direct: boolean
  /** Whether it was in the disk cache in front of tape before, or had to come from tape; null: that cannot be told. */
  readonly source: 'disk' | 'tape' | null
  /** `unsteady`: it differed, and was right when it was read again. `unreadable`: a call to the vault failed. */
  readonly outcome: 'good' | 'mismatch' | 'missing' | 'unsteady' | 'unreadable'
  /** What was wrong, as a clause; null: nothing. */
  readonly what: string | null
}

/** Verifications after which an object is taken for damaged. */
export const isDamage = ({ outcome }: Pick<Verification, 'outcome'>): boolean =>
  outcome === 'mismatch' || outcome === 'missing'

/** What proved a bundle. */
export interface Proof {
  /** Whether the read-back went around the page cache (O_DIRECT). */
  readonly direct: boolean
  /** Process id of the mover that read, never the one that wrote. */
  readonly mover: number
  readonly bytes: number
  readonly adler32: string
}
