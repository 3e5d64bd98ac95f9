import { Buffer } from 'node:buffer'
import {
  hasZip64End,
  sizesAndOffsetBytes,
  sizesBytes,
  timeBytes,
  zip64Count,
  zip64From,
  type Layout,
  type Member,
} from './zip-layout.ts'

/** The records of a zip, to the byte: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5; docs/formats.md has them as tables. */

const made = (3 << 8) | 45 // by a Unix program that knows ZIP64: the mode below counts
const mode = 0o100644
const utf8 = 1 << 11
const descriptorFollows = 1 << 3

/** A member's time as both of its fields have it. */
export interface Stamp {
  readonly seconds: number
  /** MS-DOS date and time, in UTC. */
  readonly date: number
  readonly time: number
}

/** @param seconds since the epoch; the fields hold 1980–2107 and 1901–2038, what lies outside becomes their nearest */
export function stampOf(seconds: number): Stamp {
  const first = Date.UTC(1980, 0, 1) / 1000
  const last = Date.UTC(2107, 11, 31, 23, 59, 58) / 1000
  const at = new Date(Math.min(Math.max(seconds, first), last) * 1000)
  return {
    seconds: Math.min(Math.max(seconds, -0x80000000), 0x7fffffff),
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
  }
}

const version = (zip64: boolean) => (zip64 ? 45 : 20)
/** A name that takes more bytes than it has characters is not ASCII. */
const flagsOf = (name: string, nameBytes: number, descriptor: boolean) =>
  (descriptor ? descriptorFollows : 0) | (nameBytes > name.length ? utf8 : 0)
const stored = 0

/** Where a local header has the CRC of its member, and where an entry of the directory has it. */
export const crcAt = 14
export const centralCrcAt = 16

/**
 * Local file header (4.3.7), written into `into` from its start; returns its length. A member with a descriptor has neither CRC
 * nor sizes here, as 4.4.4 asks.
 */
export function writeLocal(into: Buffer, member: Member, descriptor: boolean, stamp: Stamp, crc32: number): number {
  const large = member.bytes >= zip64From
  const bytes = descriptor ? 0 : member.bytes
  const nameBytes = into.write(member.name, 30)
  into.writeUInt32LE(0x04034b50, 0)
  into.writeUInt16LE(version(large), 4)
  into.writeUInt16LE(flagsOf(member.name, nameBytes, descriptor), 6)
  into.writeUInt16LE(stored, 8)
  into.writeUInt16LE(stamp.time, 10)
  into.writeUInt16LE(stamp.date, 12)
  into.writeUInt32LE(descriptor ? 0 : crc32, crcAt)
  into.writeUInt32LE(large ? zip64From : bytes, 18)
  into.writeUInt32LE(large ? zip64From : bytes, 22)
  into.writeUInt16LE(nameBytes, 26)
  into.writeUInt16LE(timeBytes + (large ? sizesBytes : 0), 28)
  let at = 30 + nameBytes
  if (large) {
    into.writeUInt16LE(0x0001, at)
    into.writeUInt16LE(16, at + 2)
    into.writeBigUInt64LE(BigInt(bytes), at + 4)
    into.writeBigUInt64LE(BigInt(bytes), at + 12)
    at += sizesBytes
  }
  writeTime(into, at, stamp)
  return at + timeBytes
}

/** Extended timestamp (Info-ZIP's extra field 0x5455): the time of last modification. */
function writeTime(into: Buffer, at: number, { seconds }: Stamp): void {
  into.writeUInt16LE(0x5455, at)
  into.writeUInt16LE(5, at + 2)
  into.writeUInt8(1, at + 4)
  into.writeInt32LE(seconds, at + 5)
}

/** Data descriptor (4.3.9), with its signature. */
export function descriptor(bytes: number, crc32: number): Buffer {
  const large = bytes >= zip64From
  const record = Buffer.alloc(large ? 24 : 16)
  record.writeUInt32LE(0x08074b50, 0)
  record.writeUInt32LE(crc32, 4)
  if (large) {
    record.writeBigUInt64LE(BigInt(bytes), 8)
    record.writeBigUInt64LE(BigInt(bytes), 16)
  } else {
    record.writeUInt32LE(bytes, 8)
    record.writeUInt32LE(bytes, 12)
  }
  return record
}

/**
 * Central directory header (4.3.12), written into `into` at `at`; returns where the next one begins. All three ZIP64 fields or
 * none: Info-ZIP's unzip misreads the entry behind one that has only some.
 */
export function writeCentral(
  into: Buffer,
  at: number,
  member: Member,
  hasDescr: boolean,
  offset: number,
  stamp: Stamp,
  crc32: number,
): number {
  const zip64 = member.bytes >= zip64From || offset >= zip64From
  const nameBytes = into.write(member.name, at + 46)
  into.writeUInt32LE(0x02014b50, at)
  into.writeUInt16LE(made, at + 4)
  into.writeUInt16LE(version(zip64), at + 6)
  into.writeUInt16LE(flagsOf(member.name, nameBytes, hasDescr), at + 8)
  into.writeUInt16LE(stored, at + 10)
  into.writeUInt16LE(stamp.time, at + 12)
  into.writeUInt16LE(stamp.date, at + 14)
  into.writeUInt32LE(crc32, at + 16)
  into.writeUInt32LE(zip64 ? zip64From : member.bytes, at + 20)
  into.writeUInt32LE(zip64 ? zip64From : member.bytes, at + 24)
  into.writeUInt16LE(nameBytes, at + 28)
  into.writeUInt16LE(timeBytes + (zip64 ? sizesAndOffsetBytes : 0), at + 30)
  into.writeUInt32LE(0, at + 32) // no comment, first disk
  into.writeUInt16LE(0, at + 36)
  into.writeUInt32LE((mode << 16) >>> 0, at + 38)
  into.writeUInt32LE(zip64 ? zip64From : offset, at + 42)
  let next = at + 46 + nameBytes
  if (zip64) {
    into.writeUInt16LE(0x0001, next)
    into.writeUInt16LE(24, next + 2)
    into.writeBigUInt64LE(BigInt(member.bytes), next + 4)
    into.writeBigUInt64LE(BigInt(member.bytes), next + 12)
    into.writeBigUInt64LE(BigInt(offset), next + 20)
    next += sizesAndOffsetBytes
  }
  writeTime(into, next, stamp)
  return next + timeBytes
}

/** What follows the directory: the ZIP64 end record and its locator (4.3.14, 4.3.15) where needed, the end record (4.3.16). */
export function endRecords(count: number, { directoryOffset, directoryBytes }: Layout): Buffer {
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(Math.min(count, zip64Count), 8)
  end.writeUInt16LE(Math.min(count, zip64Count), 10)
  end.writeUInt32LE(Math.min(directoryBytes, zip64From), 12)
  end.writeUInt32LE(Math.min(directoryOffset, zip64From), 16)
  if (!hasZip64End(count, directoryOffset, directoryBytes)) return end

  const zip64 = Buffer.alloc(56 + 20)
  zip64.writeUInt32LE(0x06064b50, 0)
  zip64.writeBigUInt64LE(44n, 4)
  zip64.writeUInt16LE(made, 12)
  zip64.writeUInt16LE(45, 14)
  zip64.writeBigUInt64LE(BigInt(count), 24)
  zip64.writeBigUInt64LE(BigInt(count), 32)
  zip64.writeBigUInt64LE(BigInt(directoryBytes), 40)
  zip64.writeBigUInt64LE(BigInt(directoryOffset), 48)
  zip64.writeUInt32LE(0x07064b50, 56)
  zip64.writeBigUInt64LE(BigInt(directoryOffset + directoryBytes), 64)
  zip64.writeUInt32LE(1, 72)
  return Buffer.concat([zip64, end])
}
