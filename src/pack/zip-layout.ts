import { Buffer } from 'node:buffer'
import { manifestName } from '../model/manifest.ts'

/**
 * Where everything lies in a zip of ours. What a member looks like depends on its name and size alone, so that the size of an
 * object is exact before a byte is packed (docs/formats.md, "The zip").
 */

/** A member up to this size is packed in one piece: its CRC is known when its header is written. Larger ones get a descriptor. */
export const smallBytes = 1024 * 1024
/** Sizes and offsets from here on go into a ZIP64 field (APPNOTE 4.4.8). */
export const zip64From = 0xffffffff
/** Counts from here on go into the ZIP64 end record. */
export const zip64Count = 0xffff

export interface Member {
  readonly name: string
  readonly bytes: number
}

/** Extra fields: the time of a member; the ZIP64 sizes of a local header; the ZIP64 sizes and offset of a directory entry. */
export const timeBytes = 9
export const sizesBytes = 20
export const sizesAndOffsetBytes = 28

/** The manifest is known before it is written, whatever its size. */
export const hasDescriptor = (bytes: number): boolean => bytes > smallBytes
const isLarge = (bytes: number): boolean => bytes >= zip64From

export const localBytes = ({ name, bytes }: Member): number =>
  30 + Buffer.byteLength(name) + timeBytes + (isLarge(bytes) ? sizesBytes : 0)

export const descriptorBytes = (bytes: number): number => (!hasDescriptor(bytes) ? 0 : isLarge(bytes) ? 24 : 16)

export const centralBytes = ({ name, bytes }: Member, offset: number): number =>
  46 + Buffer.byteLength(name) + timeBytes + (isLarge(bytes) || isLarge(offset) ? sizesAndOffsetBytes : 0)

/** Whether the end of the archive needs its ZIP64 records; `directory` begins at `offset` and has `bytes` bytes. */
export const hasZip64End = (count: number, offset: number, bytes: number): boolean =>
  count >= zip64Count || isLarge(offset) || isLarge(bytes)

export interface Layout {
  /** Where the local header of each member begins: the manifest's first, which is 0. */
  readonly offsets: Float64Array
  readonly directoryOffset: number
  readonly directoryBytes: number
  readonly bytes: number
}

/** Where everything lies in an object with a manifest of this size and these files behind it. */
export function layoutOf(manifestBytes: number, files: readonly Member[]): Layout {
  const offsets = new Float64Array(files.length + 1)
  const manifest: Member = { name: manifestName, bytes: manifestBytes }
  let at = localBytes(manifest) + manifestBytes
  let directoryBytes = centralBytes(manifest, 0)
  for (const [index, file] of files.entries()) {
    offsets[index + 1] = at
    directoryBytes += centralBytes(file, at)
    at += localBytes(file) + file.bytes + descriptorBytes(file.bytes)
  }
  const end = (hasZip64End(files.length + 1, at, directoryBytes) ? 56 + 20 : 0) + 22
  return { offsets, directoryOffset: at, directoryBytes, bytes: at + directoryBytes + end }
}
