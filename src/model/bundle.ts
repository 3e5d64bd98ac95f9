export type BundleId = number & { readonly brand: 'BundleId' }

/**
 * `planned → assigned → written → confirmed`. `written`: durable on the vault, not trusted. `confirmed`: read back, compared,
 * and under its final name. A written object that is lost or does not match goes back to `assigned`.
 */
export type BundleState = 'planned' | 'assigned' | 'written' | 'confirmed'

/** What proved a bundle. */
export interface Proof {
  /** Whether the read-back went around the page cache (O_DIRECT). */
  readonly direct: boolean
  /** Process id of the mover that read, never the one that wrote. */
  readonly mover: number
  readonly bytes: number
  readonly adler32: string
}
