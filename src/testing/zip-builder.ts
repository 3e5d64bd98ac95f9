import { deflateRawSync } from 'node:zlib'
import { crc32 } from '@node-rs/crc32'

/** A member of a zip that is built field by field, each of which may lie. What is left out is what it should be. */
export interface BuiltMember {
  readonly name: string | Buffer
  readonly content: string | Buffer
  readonly deflate?: boolean
  /** With a descriptor behind the content, and nothing of it in the local header. */
  readonly described?: boolean
  /** All sizes and the offset as ZIP64 fields, in both headers. */
  readonly zip64?: boolean
  readonly flags?: number
  /** Of Unix; 0: the program that made it knows none. */
  readonly mode?: number
  /** What stands in the place of the packed content. */
  readonly packed?: Buffer
  readonly extra?: Buffer
  readonly local?: Partial<Fields>
  readonly central?: Partial<Fields & { offset: number }>
}

interface Fields {
  readonly name: string
  readonly method: number
  readonly flags: number
  readonly crc: number
  readonly bytes: number
  readonly packedBytes: number
  readonly extra: Buffer
}

export interface BuiltEnd {
  readonly count?: number
  readonly countHere?: number
  readonly directoryBytes?: number
  readonly directoryOffset?: number
  readonly comment?: Buffer
  /** Fields of the ZIP64 end record; null: there is none. */
  readonly zip64?: {
    readonly count?: number
    readonly directoryOffset?: number
    readonly directoryBytes?: number
    readonly locator?: number
    readonly length?: number
  } | null
}

const u16 = (value: number): Buffer => {
  const buffer = Buffer.alloc(2)
  buffer.writeUInt16LE(value)
  return buffer
}
const u32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value >>> 0)
  return buffer
}
const u64 = (value: number): Buffer => {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(BigInt(value))
  return buffer
}
const beyond = 0xffffffff

/** An extra field. */
export const extraField = (id: number, content: Buffer): Buffer =>
  Buffer.concat([u16(id), u16(content.length), content])
export const zip64Field = (...values: readonly number[]): Buffer => extraField(1, Buffer.concat(values.map(u64)))

/** Builds a zip, by APPNOTE 6.3.10, section 4.3, as far as nobody wants it otherwise. */
export function buildZip(members: readonly BuiltMember[], end: BuiltEnd = {}): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  const put = (bytes: Buffer) => {
    parts.push(bytes)
    at += bytes.length
  }
  for (const member of members) {
    const offset = at
    const content = Buffer.from(member.content)
    const packed = member.packed ?? (member.deflate === true ? deflateRawSync(content) : content)
    const described = member.described === true
    const zip64 = member.zip64 === true
    const facts: Fields = {
      name: '',
      method: member.deflate === true ? 8 : 0,
      flags: (member.flags ?? 0) | (described ? 8 : 0),
      crc: crc32(content),
      bytes: content.length,
      packedBytes: packed.length,
      extra: member.extra ?? Buffer.alloc(0),
    }
    const local = { ...facts, ...(described && { crc: 0, bytes: 0, packedBytes: 0 }), ...member.local }
    const nameOf = (fields: Partial<Fields>) => Buffer.from(fields.name ?? member.name)
    const name = nameOf(member.local ?? {})
    const extra = zip64 ? Buffer.concat([zip64Field(local.bytes, local.packedBytes), local.extra]) : local.extra
    put(
      Buffer.concat([
        ...[u32(0x04034b50), u16(45), u16(local.flags), u16(local.method), u32(0), u32(local.crc)],
        ...[u32(zip64 ? beyond : local.packedBytes), u32(zip64 ? beyond : local.bytes)],
        ...[u16(name.length), u16(extra.length), name, extra, packed],
      ]),
    )
    if (described) {
      const sizes = zip64 ? [u64(facts.packedBytes), u64(facts.bytes)] : [u32(facts.packedBytes), u32(facts.bytes)]
      put(Buffer.concat([u32(0x08074b50), u32(facts.crc), ...sizes]))
    }
    const central = { ...facts, offset, ...member.central }
    const centralName = nameOf(member.central ?? {})
    const centralExtra = zip64
      ? Buffer.concat([zip64Field(central.bytes, central.packedBytes, central.offset), central.extra])
      : central.extra
    directory.push(
      Buffer.concat([
        ...[u32(0x02014b50), u16((3 << 8) | 45), u16(45), u16(central.flags), u16(central.method), u32(0)],
        ...[u32(central.crc), u32(zip64 ? beyond : central.packedBytes), u32(zip64 ? beyond : central.bytes)],
        ...[u16(centralName.length), u16(centralExtra.length), u16(0), u16(0), u16(0)],
        ...[u32((member.mode ?? 0o100644) << 16), u32(zip64 ? beyond : central.offset), centralName, centralExtra],
      ]),
    )
  }
  const directoryOffset = at
  put(Buffer.concat(directory))
  put(endOf(end, members.length, directoryOffset, at))
  return Buffer.concat(parts)
}

function endOf(end: BuiltEnd, count: number, directoryOffset: number, at: number): Buffer {
  const facts = { count, directoryOffset, directoryBytes: at - directoryOffset }
  const comment = end.comment ?? Buffer.alloc(0)
  const short = { ...facts, ...end }
  const record = Buffer.concat([
    ...[u32(0x06054b50), u16(0), u16(0), u16(end.countHere ?? short.count), u16(short.count)],
    ...[u32(short.directoryBytes), u32(short.directoryOffset), u16(comment.length), comment],
  ])
  if (end.zip64 === undefined || end.zip64 === null) return record
  const long = { ...facts, ...end.zip64 }
  return Buffer.concat([
    ...[u32(0x06064b50), u64(long.length ?? 44), u16(45), u16(45), u32(0), u32(0)],
    ...[u64(long.count), u64(long.count), u64(long.directoryBytes), u64(long.directoryOffset)],
    ...[u32(0x07064b50), u32(0), u64(long.locator ?? at), u32(1), record],
  ])
}
