import { Buffer } from 'node:buffer'
import { crc32 } from '@node-rs/crc32'
import { adler32, adler32Combine, hex32 } from '../io/adler32.ts'
import { failure } from '../model/errors.ts'
import { manifestName } from '../model/manifest.ts'
import type { ObjectPlan, OrderMember } from '../model/order.ts'
import type { Beat, Output, SourceFile } from './format.ts'
import { gather, type Gather } from './gather.ts'
import { sumsOf } from './sums.ts'
import { hasDescriptor, layoutOf, localBytes, smallBytes, type Member } from './zip-layout.ts'
import { descriptor, endRecords, stampOf, writeCentral, writeLocal, type Stamp } from './zip-records.ts'

/** A header is at most this long: its name has two bytes for its length. */
export const maxHeaderBytes = 65_535 + 128
/** Blocks are written when they have so many bytes: while they are still in the processor's cache. */
const flushFrom = 512 * 1024
/** The buffer that a zip is made in: room for any small member and its header behind a block that is not full yet. */
export const outputBytes = flushFrom + smallBytes + maxHeaderBytes

/** The bytes of an object up to and with its manifest. */
export function headOf(plan: ObjectPlan): Buffer {
  const manifest = Buffer.from(plan.manifest)
  const member = manifestMember(plan)
  const header = Buffer.alloc(localBytes(member))
  writeLocal(header, member, false, stampOf(plan.time), crc32(manifest))
  return Buffer.concat([header, manifest])
}

const manifestMember = (plan: ObjectPlan): Member => ({ name: manifestName, bytes: Buffer.byteLength(plan.manifest) })

/**
 * Writes a zip from start to end, in one pass over its sources.
 * @param buffer of `outputBytes`, in which adler32() works without a copy
 */
export function writeZip(
  plan: ObjectPlan,
  buffer: Buffer,
  open: (path: string) => SourceFile,
  output: Output,
  beat: Beat,
): { bytes: number; adler32: string } {
  const out = gather(buffer, flushFrom, output, beat)
  const stamp = stampOf(plan.time)
  const crcs = new Uint32Array(plan.members.length + 1)

  const head = headOf(plan)
  const manifest = manifestMember(plan)
  crcs[0] = crc32(head.subarray(localBytes(manifest)))
  out.append(head)
  for (const [index, member] of plan.members.entries()) {
    crcs[index + 1] = hasDescriptor(member.bytes)
      ? writeLarge(member, stamp, open, out)
      : writeSmall(member, stamp, open, out)
  }

  const layout = layoutOf(manifest.bytes, plan.members)
  for (const [index, crc] of crcs.entries()) {
    const member = index === 0 ? manifest : plan.members[index - 1]!
    const described = index > 0 && hasDescriptor(member.bytes)
    const room = out.room(maxHeaderBytes)
    out.take(writeCentral(room, 0, member, described, layout.offsets[index]!, stamp, crc))
  }
  out.append(endRecords(crcs.length, layout))
  out.flush()
  return { bytes: out.bytes, adler32: hex32(out.adler32) }
}

/** A member that fits the buffer: it is read behind the place of its header, which is written when its CRC is known. */
function writeSmall(member: OrderMember, stamp: Stamp, open: (path: string) => SourceFile, out: Gather): number {
  const headerBytes = localBytes(member)
  const room = out.room(headerBytes + member.bytes)
  const data = room.subarray(headerBytes, headerBytes + member.bytes)
  const sums = sumsOf(member)
  let sum = 1
  fromSource(member, open, (source) => {
    for (let read = 0; read < member.bytes;) read += readSome(source, data.subarray(read), member, read)
    sum = sums.add(data)
  })
  refuseDifference(member, sums.difference())
  writeLocal(room, member, false, stamp, sums.crc32())
  const headerSum = adler32(room.subarray(0, headerBytes))
  // In one piece: taking the header alone could flush it, and leave the data behind.
  out.take(headerBytes + member.bytes, adler32Combine(headerSum, sum, member.bytes))
  return sums.crc32()
}

/** A member that does not: its CRC follows it, in a descriptor, because nothing that is written is ever gone back to. */
function writeLarge(member: OrderMember, stamp: Stamp, open: (path: string) => SourceFile, out: Gather): number {
  out.take(writeLocal(out.room(maxHeaderBytes), member, true, stamp, 0))
  const sums = sumsOf(member)
  fromSource(member, open, (source) => {
    for (let read = 0; read < member.bytes;) {
      const room = out.room(1)
      const part = room.subarray(
        0,
        readSome(source, room.subarray(0, Math.min(member.bytes - read, flushFrom)), member, read),
      )
      out.take(part.length, sums.add(part))
      read += part.length
    }
  })
  refuseDifference(member, sums.difference())
  out.append(descriptor(member.bytes, sums.crc32()))
  return sums.crc32()
}

/** Opens a source, has exactly its planned bytes read, and closes it, which checks that it is still the same file. */
function fromSource(member: OrderMember, open: (path: string) => SourceFile, read: (source: SourceFile) => void): void {
  const source = open(member.path)
  try {
    if (source.bytes !== member.bytes)
      throw wrongSize(member, `it has ${source.bytes} bytes, Rucio says ${member.bytes}`)
    read(source)
  } catch (error) {
    try {
      source.close()
    } catch {
      // That it changed as well does not say more than what was found first.
    }
    throw error
  }
  source.close()
}

function readSome(source: SourceFile, into: Buffer, member: OrderMember, before: number): number {
  const got = source.read(into)
  if (got === 0) throw wrongSize(member, `it ends after ${before} of ${member.bytes} bytes`)
  return got
}

const wrongSize = (member: OrderMember, what: string) =>
  failure(
    'SOURCE_SIZE',
    `Cannot pack ${member.path}: ${what}`,
    'Restore the replica, or declare it bad in Rucio so that it is replaced.',
  )

function refuseDifference(member: OrderMember, difference: string | null): void {
  if (difference === null) return
  throw failure(
    'SOURCE_CHECKSUM',
    `Cannot pack ${member.path}: its ${difference}`,
    'The replica is damaged, or the path leads to another file. Restore it, or declare it bad in Rucio so that it is replaced.',
  )
}
