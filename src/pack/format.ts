import type { ObjectPlan } from '../model/order.ts'

/** Where packed bytes go: append-only. */
export interface Output {
  write(bytes: Uint8Array): void
}

/** A source file that is open. */
export interface SourceFile {
  /** Its size when it was opened. */
  readonly bytes: number
  /** Fills `buffer` from where the last read ended; returns the bytes read, 0 at the end. */
  read(buffer: Uint8Array): number
  /** Checks that the file is still what it was when it was opened, and closes it. Call once, also after an error. */
  close(): void
}

/** An object read from start to end. */
export interface Input {
  readonly bytes: number
  /** Fills `buffer` from where the last read ended; returns the bytes read, 0 at the end. */
  read(buffer: Uint8Array): number
}

/** Called at each block with the bytes moved since the last call. Throws if the order is no longer wanted. */
export type Beat = (bytes: number) => void

/** What differs between an object and its plan: names the member or the structure. */
export interface Difference {
  readonly difference: string
}

/** How a bundle becomes one object. All calls are synchronous: they run in a mover. */
export interface Format {
  /** Bytes of an object but for its files and manifest. Exact, for any set of names. */
  overhead(manifestBytes: number, names: readonly { readonly name: string; readonly bytes: number }[]): number
  /** Where each file's header begins in the object; the same order. */
  offsets(manifestBytes: number, names: readonly { readonly name: string; readonly bytes: number }[]): readonly number[]
  /** The first bytes of the object, up to and with its manifest: two objects share them only if they are the same bundle's. */
  head(object: ObjectPlan): Uint8Array
  /**
   * Writes the object, reading each source once, and compares each with its size and checksum before going on.
   * @returns size and adler32 of the whole
   * @throws TapeRseError SOURCE_*: nothing of the output is to be trusted then
   */
  pack(
    object: ObjectPlan,
    open: (path: string) => SourceFile,
    output: Output,
    beat: Beat,
  ): { bytes: number; adler32: string }
  /**
   * Reads an object from start to end and compares every byte of it with the plan: structure to the letter, each file by the
   * checksums in the plan and by its crc32. `adler32`: of the whole, where it is known.
   */
  prove(object: ObjectPlan, input: Input, adler32: string | null, beat: Beat): { adler32: string } | Difference
}
