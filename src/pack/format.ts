import type { KnownSums, Sums } from './sums.ts'
import type { ObjectFile, ObjectPlan } from '../model/order.ts'

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

/** An object of which parts are read. */
export interface RangeInput {
  readonly bytes: number
  /** Fills `buffer` from position `at` on; returns the bytes read, 0 at the end. */
  readAt(buffer: Uint8Array, at: number): number
}

/** Who gets the content of a file as it is read. Nothing of it is known to be right before `end`. */
export interface FileReceiver {
  /**
   * Hands over, from its beginning, as much of the content as it has from an earlier time; returns how many bytes. Not called by `extract`,
   * which hands all of it over.
   */
  replay(feed: (bytes: Buffer) => void): number
  write(bytes: Buffer): void
  /** Drops what it has, also from an earlier time: it is handed the whole content once more. */
  restart(): void
  /** All of it was read. `difference`: what is wrong with it; null: nothing. */
  end(difference: string | null): void
  /** It could not be read to its end. What is thrown here ends all reading. */
  fail(error: unknown): void
}

/** Called at each block with the bytes moved since the last call. Throws if the order is no longer wanted. */
export type Beat = (bytes: number) => void

/** What differs between an object and its plan: names the member or the structure. */
export interface Difference {
  readonly difference: string
}

/** An object as it says of itself what it is. */
export interface Examined {
  readonly manifest: string
  readonly bytes: number
  /** What the whole has to have, if each file has the sums of the manifest; null: a file has only md5, so it cannot be told. */
  readonly adler32: string | null
}

/** `foreign`: not an object of this program, and never one. */
export type Examination = Examined | Difference | { readonly foreign: string }

/** A file in a zip that anybody may have made, as its directory has it. */
export interface ZipMember {
  readonly name: string
  /** Its name as it stands there. */
  readonly rawName: Buffer
  readonly flags: number
  readonly method: 'stored' | 'deflated'
  readonly bytes: number
  readonly packedBytes: number
  readonly crc32: number
  /** Where its local header begins. */
  readonly offset: number
  /** Where what follows it begins. */
  readonly limit: number
}

/** How a bundle becomes one object. All calls but `extract` are synchronous: they run in a mover. */
export interface Format {
  /** Bytes of an object but for its files and manifest. Exact, for any set of names. */
  overhead(manifestBytes: number, names: readonly { readonly name: string; readonly bytes: number }[]): number
  /** Where each file's header begins in the object; the same order. */
  offsets(manifestBytes: number, names: readonly { readonly name: string; readonly bytes: number }[]): readonly number[]
  /**
   * What an object says of itself, without a catalog: its manifest, and whether all but the content is as the manifest wants it; `deep`:
   * the content, too.
   */
  examine(input: RangeInput, deep: boolean, beat: Beat): Examination
  /** The checksums of a file's content, as they prove it. */
  sums(known: KnownSums): Sums
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
   * Reads files out of an object, in the order of their offsets, and nothing else of the object; neighbours by one range. What a receiver has
   * kept is not read, unless the file turns out wrong: then all of it is, once more. Compares header,
   * content and descriptor of each with what was planned. What is wrong with one does not keep it from the others.
   * @param time of every member: seconds since the epoch
   */
  unpack(
    files: readonly ObjectFile[],
    time: number,
    input: RangeInput,
    receiverOf: (file: ObjectFile) => FileReceiver,
    beat: Beat,
  ): void
  /**
   * Reads an object from start to end and compares every byte of it with the plan: structure to the letter, each file by the
   * checksums in the plan and by its crc32. `adler32`: of the whole, where it is known.
   */
  prove(object: ObjectPlan, input: Input, adler32: string | null, beat: Beat): { adler32: string } | Difference
  /** The manifest alone, as an object has it at its beginning: nothing else of the object is read. */
  manifest(input: RangeInput): { readonly manifest: string } | Difference | { readonly foreign: string }
  /**
   * The files in a zip that anybody may have made, by their offsets; `zip` is what errors call it.
   * @throws TapeRseError ZIP_*: it contradicts itself, or must not be unpacked
   */
  directory(input: RangeInput, zip: string, beat: Beat): readonly ZipMember[]
  /**
   * Reads these out of it. Before any of them is read, what the zip says of each in other places is compared with its directory.
   * @throws TapeRseError ZIP_*: nothing was read then
   */
  extract(
    members: readonly ZipMember[],
    zip: string,
    input: RangeInput,
    receiverOf: (member: ZipMember) => FileReceiver,
    beat: Beat,
  ): Promise<void>
}
