import type { VaultEntry } from '../model/order.ts'
import type { Command, Residency, ResidencyProbe } from '../model/residency.ts'

/** An object being written. */
export interface ObjectWriter {
  /** Appends. Writes all of `bytes`, or throws. */
  write(bytes: Uint8Array): void
  /** Makes it durable, closes it, and compares its size with what was written. */
  finish(): void
  /** Closes and removes it. Never throws. */
  abandon(): void
}

/** An object being read back, through a descriptor of its own. */
export interface ObjectReader {
  readonly bytes: number
  /** Whether reads go around the page cache. */
  readonly direct: boolean
  read(buffer: Uint8Array): number
  close(): void
}

/** An object of which parts are read. */
export interface RangeReader {
  readonly bytes: number
  /** Fills `buffer` from position `at` on; returns the bytes read, 0 at the end. */
  readAt(buffer: Uint8Array, at: number): number
  close(): void
}

/** Zips that a person means by a path, by their names below `root`. */
export interface ZipsAt {
  readonly root: string
  readonly names: readonly string[]
  readonly isDirectory: boolean
}

/** A vault that is only read, whoever owns it. Errors are those of `Vault`. */
export interface ReadingVault {
  /** Id of the catalog that owns it; null: it has no marker. */
  owner(): string | null
  /** What is in a directory, links not followed; relative to the root, which is ''. Nothing if it is not there. */
  list(directory: string): readonly VaultEntry[]
  /** A published object, to read parts of it; null if it is not there. */
  open(location: string): RangeReader | null
  /** The same, to be read from start to end, around the page cache where that can be. */
  openWhole(location: string): ObjectReader | null
  /**
   * Where the bytes of published objects are; none of them is opened.
   * @throws TapeRseError RESIDENCY_FAILED
   */
  residency(probe: ResidencyProbe, locations: readonly string[], beat: () => void): readonly Residency[]
  /**
   * Has objects brought from tape, or not any more, by a command.
   * @throws TapeRseError RECALL_FAILED
   */
  recall(command: Command, locations: readonly string[]): void
}

/**
 * Where objects are kept: a mount of HPSS. Locations are relative, '/'-separated and safe (plan/place.ts). An object is written
 * as a part of one attempt, and becomes visible under its location by `publish` only. All calls are synchronous: they run in a
 * mover, and each may hang for ever.
 * Errors are TapeRseErrors: VAULT_FULL (ENOSPC, EDQUOT), VAULT_NOT_MOUNTED (ENOTCONN, ESTALE, another device), VAULT_IO (any
 * other, naming operation and path), OBJECT_FOREIGN.
 */
export interface Vault {
  /**
   * Checks that the root is the right mount, may be written, and belongs to the owner; claims it when nobody does. Refuses a
   * root without marker if it was `known` to have one.
   * @throws TapeRseError VAULT_NOT_MOUNTED, VAULT_NOT_WRITABLE, VAULT_FOREIGN, VAULT_MARKER_MISSING
   */
  check(known: boolean): { freeBytes: number }
  /**
   * Who is at fault: the whole mount, or one path. Given an error of another method that would pause everything, looks at the root, and
   * tries to write there; if that goes well, returns the error of that path alone. Any other error is returned as it is.
   */
  blame(error: unknown): unknown
  /**
   * Begins the part of `attempt`, after removing those of all earlier attempts (a late rename of theirs then fails).
   * `bytes` is the size to come: refused with VAULT_NO_ROOM if it does not fit. With `publish: direct` the object itself is
   * created, exclusively.
   */
  create(location: string, attempt: number, bytes: number): ObjectWriter
  /** The part of `attempt`, through a fresh open; null if it is not there. Always null with `publish: direct`. */
  openPart(location: string, attempt: number): ObjectReader | null
  /** The published object, through a fresh open; null if it is not there. */
  open(location: string): ObjectReader | null
  /**
   * Gives the part its final name, never over an existing one, and makes that durable with every directory above it. Checks that
   * the same file, of `bytes`, is then there. For an object that is already there (direct, or after a crash): makes it durable.
   */
  publish(location: string, attempt: number, bytes: number): void
  /** Size of the published object; null if it is not there. */
  stat(location: string): { bytes: number } | null
  /**
   * Moves a part, or an object, that must not be trusted to a name that says so. null: this vault cannot rename, and it was
   * removed. Never the one for the other: an object that has appeared in between is a successor's.
   */
  setAside(location: string, attempt: number, what: 'part' | 'object'): string | null
  /**
   * Gives a published object a name that says that it is damaged, durably, and that nothing here ever removes: it may be all that there
   * is. null: there was none.
   */
  keepAside(location: string, attempt: number): string | null
  /** Removes parts and objects set aside of attempts 1 to `attempts`, durably. Returns how many there were. */
  clean(location: string, attempts: number): number
  /** Removes a published object, durably, and the directories that it leaves empty, but for the one of the scope. It may be gone. */
  remove(location: string): void
  /** Removes an object that an attempt of ours left half written. Only for `publish: direct`. */
  removeUnproven(location: string): void
}
