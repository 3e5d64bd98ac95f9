import { Buffer } from 'node:buffer'
import { crc32 } from '@node-rs/crc32'
import { adler32, adler32Combine, hex32 } from '../io/adler32.ts'
import type { ObjectPlan, OrderMember } from '../model/order.ts'
import { manifestName } from '../model/manifest.ts'
import type { Beat, Difference, Input } from './format.ts'
import { sumsOf } from './sums.ts'
import { centralBytes, descriptorBytes, hasDescriptor, layoutOf, localBytes, type Layout } from './zip-layout.ts'
import { crcAt, descriptor, endRecords, stampOf, writeCentral, writeLocal, type Stamp } from './zip-records.ts'
import { headOf, maxHeaderBytes } from './zip-write.ts'

/**
 * Reads a zip from start to end and compares every byte of it with the plan. Nothing of the zip is believed: its structure has to
 * be, to the letter, what the plan and the content make it; its content has to have the sums that Rucio gave.
 * @param buffer a block in which adler32() works without a copy, aligned for direct reads
 */
export function proveZip(
  plan: ObjectPlan,
  buffer: Buffer,
  input: Input,
  whole: string | null,
  beat: Beat,
): { adler32: string } | Difference {
  if (input.bytes !== plan.bytes)
    return { difference: `its size is ${input.bytes}, planned are ${plan.bytes}: ${endOf(plan, input.bytes)}` }
  const stream = readAhead(buffer, input, beat)
  try {
    proveMembers(plan, stream)
    if (stream.next(1).length > 0) throw new Differs(goesOn)
  } catch (error) {
    if (error instanceof Differs) return { difference: error.message }
    throw error
  }
  const sum = hex32(stream.adler32)
  if (whole !== null && sum !== whole) return { difference: `its adler32 is ${sum}, it was written with ${whole}` }
  return { adler32: sum }
}

class Differs extends Error {}

const goesOn = 'it goes on after its end record'
const localHeader = (name: string) => `local header of member "${name}"`
const dataOf = (name: string) => `data of member "${name}"`
const descriptorOf = (name: string) => `data descriptor of member "${name}"`
const entryOf = (name: string) => `directory entry of member "${name}"`
/** What follows the directory; with ZIP64 records or without. */
const endStructures = (records: Buffer): readonly (readonly [bytes: number, what: string])[] => {
  const end = [22, 'end record'] as const
  return records.length === 22 ? [end] : [[56, 'ZIP64 end record'], [20, 'ZIP64 end record locator'], end]
}

/** Where an object of another size than planned ends, as the plan has it: no search from its end can say, in a zip of zips. */
function endOf(plan: ObjectPlan, bytes: number): string {
  let left = bytes
  for (const [length, what] of structuresOf(plan)) {
    if (left < length) return `it ends in the ${what}`
    left -= length
  }
  return goesOn
}

/** Everything that an object is made of, in its order. */
function* structuresOf(plan: ObjectPlan): Generator<readonly [bytes: number, what: string]> {
  const manifest = { name: manifestName, bytes: Buffer.byteLength(plan.manifest) }
  const layout = layoutOf(manifest.bytes, plan.members)
  const members = [manifest, ...plan.members]
  for (const [index, member] of members.entries()) {
    yield [localBytes(member), localHeader(member.name)]
    yield [member.bytes, dataOf(member.name)]
    if (index > 0) yield [descriptorBytes(member.bytes), descriptorOf(member.name)]
  }
  for (const [index, member] of members.entries())
    yield [centralBytes(member, layout.offsets[index]!), entryOf(member.name)]
  yield* endStructures(endRecords(members.length, layout))
}

/** One header as it is, and as it has to be. Made once, because millions of members may come by. */
const found = Buffer.alloc(maxHeaderBytes)
const planned = Buffer.alloc(maxHeaderBytes)

function proveMembers(plan: ObjectPlan, stream: Stream): void {
  const stamp = stampOf(plan.time)
  const crcs = new Uint32Array(plan.members.length + 1)
  const head = headOf(plan)
  const manifest = { name: manifestName, bytes: Buffer.byteLength(plan.manifest) }
  const layout = layoutOf(manifest.bytes, plan.members)
  const headerBytes = localBytes(manifest)
  crcs[0] = crc32(head.subarray(headerBytes))
  expect(stream, head.subarray(0, headerBytes), localHeader(manifestName))
  expect(stream, head.subarray(headerBytes), dataOf(manifestName))
  for (const [index, member] of plan.members.entries()) crcs[index + 1] = proveMember(member, stamp, stream)
  proveDirectory(plan, layout, crcs, stamp, stream)
  const records = endRecords(crcs.length, layout)
  let at = 0
  for (const [bytes, what] of endStructures(records)) expect(stream, records.subarray(at, (at += bytes)), what)
}

function proveMember(member: OrderMember, stamp: Stamp, stream: Stream): number {
  const { name } = member
  const described = hasDescriptor(member.bytes)
  const header = take(stream, found, localBytes(member), localHeader(name))
  // Only the data can say whether its CRC is right; all else is compared first, so that what differs first is named.
  const crc = described ? 0 : header.readUInt32LE(crcAt)
  const bytes = writeLocal(planned, member, described, stamp, crc)
  if (!planned.subarray(0, bytes).equals(header)) throw new Differs(localHeader(name))
  const sums = sumsOf(member)
  for (let left = member.bytes; left > 0;) {
    const part = stream.next(left)
    if (part.length === 0) throw new Differs(`it ends in the ${dataOf(name)}`)
    stream.took(sums.add(part), part.length)
    left -= part.length
  }
  const difference = sums.difference()
  if (difference !== null) throw new Differs(`${dataOf(name)}: its ${difference}`)
  if (!described && crc !== sums.crc32()) throw new Differs(localHeader(name))
  if (described) expect(stream, descriptor(member.bytes, sums.crc32()), descriptorOf(name))
  return sums.crc32()
}

function proveDirectory(plan: ObjectPlan, layout: Layout, crcs: Uint32Array, stamp: Stamp, stream: Stream): void {
  const manifest = { name: manifestName, bytes: Buffer.byteLength(plan.manifest) }
  for (const [index, crc] of crcs.entries()) {
    const member = index === 0 ? manifest : plan.members[index - 1]!
    const offset = layout.offsets[index]!
    const bytes = writeCentral(planned, 0, member, index > 0 && hasDescriptor(member.bytes), offset, stamp, crc)
    expect(stream, planned.subarray(0, bytes), entryOf(member.name))
  }
}

/** The next bytes are exactly these. */
function expect(stream: Stream, bytes: Buffer, what: string): void {
  for (let from = 0; from < bytes.length;) {
    const part = stream.next(bytes.length - from)
    if (part.length === 0) throw new Differs(`it ends in the ${what}`)
    if (!part.equals(bytes.subarray(from, from + part.length))) throw new Differs(what)
    stream.took(adler32(part), part.length)
    from += part.length
  }
}

/** The next bytes, kept in `into`. */
function take(stream: Stream, into: Buffer, length: number, what: string): Buffer {
  const kept = into.subarray(0, length)
  for (let from = 0; from < length;) {
    const part = stream.next(length - from)
    if (part.length === 0) throw new Differs(`it ends in the ${what}`)
    part.copy(kept, from)
    stream.took(adler32(part), part.length)
    from += part.length
  }
  return kept
}

/** The bytes of an input, as they come, and the adler32 of those that were taken. */
interface Stream {
  readonly adler32: number
  /** At most `most` of the bytes that follow; none at the end. They stay until the next call. */
  next(most: number): Buffer
  /** Takes what `next` gave, whose adler32 is `sum`. */
  took(sum: number, bytes: number): void
}

function readAhead(buffer: Buffer, input: Input, beat: Beat): Stream {
  let from = 0
  let to = 0
  let sum = 1
  return {
    get adler32() {
      return sum
    },
    next(most) {
      if (from === to) {
        from = 0
        to = input.read(buffer)
        beat(to)
      }
      return buffer.subarray(from, Math.min(to, from + most))
    },
    took(own, bytes) {
      sum = adler32Combine(sum, own, bytes)
      from += bytes
    },
  }
}
