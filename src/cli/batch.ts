import type { BundleId } from '../model/bundle.ts'
import type { ArchivedFile, ArchivedObject, VaultPlace } from '../catalog/catalog.ts'
import type { Delivery, ExtractOrder, FetchFailure, FetchOrder, ReadingSettings } from '../model/order.ts'

/** Files that are to be read out of one zip; or why they cannot be, as a clause. */
export type Batch = {
  /** Where the zip is, as people are told. */
  readonly object: string
  /** What is not delivered if none of it can be read. */
  readonly names: readonly string[]
} & (Readable | { readonly why: string; readonly outcome: FetchFailure['outcome'] })

/** A zip that can be read. */
export interface Readable {
  readonly bytes: number
  readonly order: (to: Delivery) => FetchOrder | ExtractOrder
  /** Which object of which vault it is; null: no catalog knows it. */
  readonly known: { readonly id: BundleId; readonly location: string; readonly place: VaultPlace } | null
}

/** An object that can be asked for from tape. */
export type Askable = Batch & Readable & { readonly known: NonNullable<Readable['known']> }

/** Those that are asked for before they are read, whichever lie on tape only. */
export const mayBeOnTape = (batch: Batch): batch is Askable =>
  'order' in batch && batch.known !== null && batch.known.place.tape.recall.kind === 'command'

/** What is to be read; `notes`: what people should know of how it is checked. */
export interface Wanted {
  readonly batches: readonly Batch[]
  readonly notes: readonly string[]
}

/** What a mover is to read out of one object. */
export const fetchOrder = (
  {
    object,
    files,
  }: {
    readonly object: Pick<ArchivedObject, 'location' | 'closedAt'>
    readonly files: readonly Pick<ArchivedFile, 'entry' | 'offset'>[]
  },
  place: ReadingSettings,
  to: Delivery,
): FetchOrder => ({
  kind: 'fetch',
  vault: { root: place.root, mount: place.mount },
  location: object.location!,
  time: Math.floor(object.closedAt.getTime() / 1000),
  files: files.map(({ entry: { did, bytes, adler32, md5 }, offset }) => ({
    name: did.name,
    bytes,
    adler32,
    md5,
    offset,
  })),
  to,
})
