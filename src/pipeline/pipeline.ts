import type { Logger } from 'winston'
import type { Catalog } from '../catalog/catalog.ts'
import type { Movers, VaultSettings } from '../model/order.ts'
import type { TapeAccess } from '../model/residency.ts'
import type { BundleLimits, ObjectSizes } from '../plan/bundles.ts'
import type { Source } from '../source/source.ts'

/** One way from a source to a vault, with all that its steps work with. */
export interface Pipeline {
  readonly name: string
  readonly source: Source
  /** Where the source's files lie for a mover, and the RSE they are read at. */
  readonly sourceRoot: string
  readonly rse: string
  readonly sizes: ObjectSizes
  readonly limits: BundleLimits
  readonly vault: VaultSettings
  /** What can be known of the tape behind the vault; whether an object has to be there before its dataset is done. */
  readonly tape: TapeAccess
  readonly onTape: 'required' | 'when-known' | 'ignore'
  readonly movers: Movers
  readonly catalog: Catalog
  /** The time of day: what is written down, and what waits longer than this process lives. */
  readonly now: () => Date
  /** Milliseconds that only go on: what this process waits for, and how long something took. */
  readonly clock: () => number
  readonly random: () => number
  readonly log: Logger
}

/**
 * Does one piece of work; false when there was none. Each has one effect that may be repeated, then one commit: wherever it
 * stops, doing it again is harmless.
 */
export type Step = (pipeline: Pipeline, signal: AbortSignal) => Promise<boolean>
