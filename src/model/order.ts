import type { Problem } from './errors.ts'
import type { Command, Residency, ResidencyProbe } from './residency.ts'

/**
 * What the control process asks of a mover, and what it hears: plain data, because it crosses a pipe. A mover does all input
 * and output on sources and vaults; it keeps nothing between orders that an order relies on.
 */

/** A file to be packed, in the order of the object. */
export interface OrderMember {
  /** Its name in the object. */
  readonly name: string
  /** Absolute path of the source. */
  readonly path: string
  readonly bytes: number
  readonly adler32: string | null
  readonly md5: string | null
}

/** Everything that determines the bytes of one object. */
export interface ObjectPlan {
  /** Text of the manifest, the first member. */
  readonly manifest: string
  /** Time of every member: seconds since the epoch, UTC. */
  readonly time: number
  readonly members: readonly OrderMember[]
  /** The exact size of the object. */
  readonly bytes: number
}

/** A file in an object, whose header begins at `offset`. */
export interface ObjectFile {
  readonly name: string
  readonly bytes: number
  readonly adler32: string | null
  readonly md5: string | null
  readonly offset: number
}

/** Where objects are read that nobody is going to change: whose they are does not matter. */
export type ReadingSettings = Pick<VaultSettings, 'root' | 'mount'>

export interface VaultSettings {
  /** Absolute path below which all objects are. */
  readonly root: string
  /** The mount point that must be mounted at or above `root`; null where none is required. */
  readonly mount: string | null
  readonly publish: 'rename' | 'direct'
  /** Bytes that must stay free. */
  readonly minFree: number
  /** Id of the catalog that must own the root. */
  readonly owner: string
}

interface VaultOrder {
  readonly vault: VaultSettings
}

/** Look at the root of a vault; claim it for `owner` if `known` is false and nobody has. */
export interface CheckOrder extends VaultOrder {
  readonly kind: 'check'
  /** The catalog remembers that it has claimed this root: a missing marker then means the wrong mount. */
  readonly known: boolean
}
export interface Checked {
  readonly freeBytes: number
}

/** Pack one object into the part file of `attempt`, after removing those of earlier attempts. */
export interface PackOrder extends VaultOrder {
  readonly kind: 'pack'
  /** Final path of the object, relative to the root. */
  readonly location: string
  /** Numbered from 1, never used twice for one location. */
  readonly attempt: number
  /** Real paths of sources must lie below it. */
  readonly sourceRoot: string
  readonly object: ObjectPlan
}
export interface Packed {
  readonly bytes: number
  /** Of the whole object. */
  readonly adler32: string
  /** The object was already there, whole and ours, from a crash between publishing and committing: nothing was written. */
  readonly found: boolean
}

/** Read the object of `attempt` back from start to end, compare every byte with what is known of it, and publish it. */
export interface ProveOrder extends VaultOrder {
  readonly kind: 'prove'
  readonly location: string
  readonly attempt: number
  readonly object: ObjectPlan
  /** Of the whole object, as it was written. */
  readonly adler32: string
}
export type Proved =
  | { readonly outcome: 'proven'; readonly direct: boolean; readonly adler32: string }
  /** Neither the part nor the object is there. */
  | { readonly outcome: 'lost' }
  /** What differs, and the name under which the object was set aside (null where the vault cannot rename: it was removed). */
  | { readonly outcome: 'mismatch'; readonly difference: string; readonly setAside: string | null }

/** Sizes of published objects; null for one that is not there. */
export interface StatOrder extends VaultOrder {
  readonly kind: 'stat'
  readonly locations: readonly string[]
}
export interface Statted {
  readonly bytes: readonly (number | null)[]
}

/** Remove what attempts 1 to `attempts` left beside `location`: parts and objects set aside, never the object itself. */
export interface CleanOrder extends VaultOrder {
  readonly kind: 'clean'
  readonly location: string
  readonly attempts: number
}
export interface Cleaned {
  readonly removed: number
}

/** Remove a published object because a person wants that, if it is ours: of the planned size, with the planned manifest. */
export interface RemoveOrder extends VaultOrder {
  readonly kind: 'remove'
  readonly location: string
  readonly object: ObjectPlan
}
export type Removed =
  | { readonly outcome: 'removed' | 'absent' }
  /** Another object is there, of so many bytes: it was left alone. */
  | { readonly outcome: 'foreign'; readonly bytes: number }

/** Look at source files without reading them; without any, whether the root answers. */
export interface InspectOrder {
  readonly kind: 'inspect'
  readonly sourceRoot: string
  readonly files: readonly { readonly path: string; readonly bytes: number }[]
}
export interface Inspected {
  readonly problems: readonly Problem[]
}

/** Read a published object back from start to end and compare every byte with what is known of it; change nothing. */
export interface VerifyOrder {
  readonly kind: 'verify'
  readonly vault: ReadingSettings
  readonly location: string
  readonly object: ObjectPlan
  /** Of the whole object, as it was written. */
  readonly adler32: string
  /** Bytes a second that are read at the most; null: as fast as it goes. */
  readonly rate: number | null
}
/** `mismatch`: it was read twice and differs. `unsteady`: it differed once, and not the second time. */
export type Verified = { readonly direct: boolean; readonly seconds: number } & (
  { readonly outcome: 'good' | 'missing' } | { readonly outcome: 'mismatch' | 'unsteady'; readonly what: string }
)

/** Give a published object that is not what it was a name that says so and that nothing removes. It may be gone. */
export interface KeepAsideOrder extends VaultOrder {
  readonly kind: 'keepAside'
  readonly location: string
  /** The highest attempt at it. */
  readonly attempt: number
}
export interface KeptAside {
  /** Its name now, absolute; null: there was no object. */
  readonly path: string | null
}

/** See what is in some directories of a vault, whoever owns it. */
export interface ListOrder {
  readonly kind: 'list'
  readonly vault: ReadingSettings
  /** Relative to the root, which is ''. */
  readonly directories: readonly string[]
}
export interface Listing {
  /** Everything in them, sorted by path; of a directory that has gone meanwhile, nothing. */
  readonly found: readonly VaultEntry[]
}
export interface VaultEntry {
  /** Relative to the root. */
  readonly path: string
  /** `other`: a link, a device. */
  readonly kind: 'file' | 'directory' | 'other'
  readonly bytes: number
}

/**
 * Look at objects that no catalog knows: what their manifests say, and whether all but their content is as these want it; `deep`: their
 * content, too. And at whose the vault is.
 */
export interface ExamineOrder {
  readonly kind: 'examine'
  readonly vault: ReadingSettings
  readonly locations: readonly string[]
  readonly deep: boolean
}
export interface Examinations {
  /** Id of the catalog that the marker names; null: there is no marker. */
  readonly owner: string | null
  /** In the order of the locations. */
  readonly objects: readonly ObjectExamination[]
}
/** `adler32`: of the whole. `difference`: it is ours, and damaged. */
export type ObjectExamination =
  | { readonly manifest: string; readonly bytes: number; readonly adler32: string }
  | { readonly foreign: string }
  | { readonly difference: string }
  | { readonly unreadable: string }

/**
 * Read files out of one object, and give each its name only when all of it is right. A file that cannot be read does not keep it from
 * the others, unless the vault as a whole is at fault.
 */
export interface FetchOrder {
  readonly kind: 'fetch'
  readonly vault: ReadingSettings
  readonly location: string
  /** Time of every member: seconds since the epoch, UTC. */
  readonly time: number
  readonly files: readonly ObjectFile[]
  readonly to: Delivery
}
/**
 * `directory`: below an absolute path, by their own names; `overwrite`: what has another content already. `output`: to the standard
 * output of the mover, as it is read, so that only the answer says whether it was right. `digest`: nowhere, for a checksum of each.
 */
export type Delivery =
  | { readonly kind: 'directory'; readonly path: string; readonly overwrite: boolean }
  | { readonly kind: 'output' }
  | { readonly kind: 'digest'; readonly algorithm: 'md5' | 'sha256' }
export interface Fetched {
  readonly delivered: number
  /** Were there already, with the same content. */
  readonly already: number
  readonly failed: readonly FetchFailure[]
  readonly digests: readonly { readonly name: string; readonly digest: string }[]
}
/**
 * `mismatch`: the object has not the right bytes. `exists`: something else has its name. `unreadable`: of the object.
 * `unwritable`: of the destination. `recalled`: it is on tape, and has to come from there first.
 */
export interface FetchFailure {
  readonly name: string
  readonly outcome: 'mismatch' | 'exists' | 'unreadable' | 'unwritable' | 'recalled'
  readonly what: string
}

/**
 * Read files out of a zip that anybody may have made, the catalog's or not, and give each its name only when its size and CRC are right.
 * `names`: globs; none: all of them.
 */
export interface ExtractOrder {
  readonly kind: 'extract'
  readonly vault: ReadingSettings
  readonly location: string
  readonly names: readonly string[]
  readonly to: Delivery
}

/** See what a person means by a path: one zip, or those in a directory; and what each of them says that it is. */
export interface SurveyOrder {
  readonly kind: 'survey'
  /** Absolute. */
  readonly path: string
}
/** `difference`: it seems to be an object of tape-rse, and its manifest is damaged. */
export interface Survey {
  /** Of the zips. */
  readonly root: string
  /** The path is that of a directory, or a link to one. */
  readonly isDirectory: boolean
  readonly zips: readonly ({ readonly location: string } & (
    | { readonly manifest: string }
    | { readonly foreign: string }
    | { readonly difference: string }
    | { readonly unreadable: string }
  ))[]
}

/** Ask where the bytes of objects are. At most `maxAtOnce` of them. */
export interface ResidencyOrder {
  readonly kind: 'residency'
  readonly vault: ReadingSettings
  readonly probe: ResidencyProbe
  readonly locations: readonly string[]
}
export interface Residencies {
  /** In the order of the locations. */
  readonly states: readonly Residency[]
}

/** Ask for objects to be brought back from tape, or not any more. At most `maxAtOnce` of them. */
export interface RecallOrder {
  readonly kind: 'recall'
  readonly vault: ReadingSettings
  readonly command: Command
  readonly locations: readonly string[]
}
export interface Recalled {
  readonly asked: number
}

export type Order =
  | InspectOrder
  | CheckOrder
  | PackOrder
  | ProveOrder
  | StatOrder
  | CleanOrder
  | RemoveOrder
  | FetchOrder
  | ExtractOrder
  | SurveyOrder
  | ResidencyOrder
  | RecallOrder
  | ListOrder
  | ExamineOrder
  | VerifyOrder
  | KeepAsideOrder
export type OrderKind = Order['kind']
export interface Answers {
  readonly check: Checked
  readonly pack: Packed
  readonly prove: Proved
  readonly stat: Statted
  readonly clean: Cleaned
  readonly remove: Removed
  readonly inspect: Inspected
  readonly fetch: Fetched
  readonly extract: Fetched
  readonly survey: Survey
  readonly residency: Residencies
  readonly recall: Recalled
  readonly list: Listing
  readonly verify: Verified
  readonly keepAside: KeptAside
  readonly examine: Examinations
}
export type OrderOf<K extends OrderKind> = Extract<Order, { kind: K }>

export interface MoverAnswer<K extends OrderKind> {
  readonly answer: Answers[K]
  /** Process id of the mover that did it. */
  readonly mover: number
}

/** Which mover takes an order, and who hears how far it is. */
export interface Commission {
  /** Process id of the mover that must not have the order; null: any may. */
  readonly not: number | null
  /** Called now and then with the bytes that the order has moved so far. */
  readonly moved: (bytes: number) => void
}
export const anyMover: Commission = { not: null, moved: () => undefined }

/** The control process's view of all movers. */
export interface Movers {
  /**
   * Has an order carried out by one mover.
   * @throws TapeRseError the mover's own; MOVER_DIED, MOVER_STALLED, MOVER_STUCK, VAULT_HANGS, SOURCE_HANGS, MACHINE_EXHAUSTED;
   * INTERRUPTED once `signal` is aborted
   */
  run<K extends OrderKind>(order: OrderOf<K>, commission: Commission, signal: AbortSignal): Promise<MoverAnswer<K>>
}
