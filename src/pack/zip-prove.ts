import { Buffer } from 'node:buffer'
import { crc32 } from '@node-rs/crc32'
import { hex32 } from '../io/adler32.ts'
import type { ObjectPlan } from '../model/order.ts'
import { manifestName } from '../model/manifest.ts'
import type { Beat, Difference, Input } from './format.ts'
import { centralBytes, descriptorBytes, hasDescriptor, layoutOf, localBytes, type Layout } from './zip-layout.ts'
import { dataOf, descriptorOf, Differs, expect, localHeader, proveMember } from './zip-member.ts'
import { endRecords, stampOf, writeCentral, type Stamp } from './zip-records.ts'
import { readAhead, type Stream } from './zip-stream.ts'
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

const goesOn = 'it goes on after its end record'
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

/** A directory entry as it has to be. Made once, because millions of members may come by. */
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

function proveDirectory(plan: ObjectPlan, layout: Layout, crcs: Uint32Array, stamp: Stamp, stream: Stream): void {
  const manifest = { name: manifestName, bytes: Buffer.byteLength(plan.manifest) }
  for (const [index, crc] of crcs.entries()) {
    const member = index === 0 ? manifest : plan.members[index - 1]!
    const offset = layout.offsets[index]!
    const bytes = writeCentral(planned, 0, member, index > 0 && hasDescriptor(member.bytes), offset, stamp, crc)
    expect(stream, planned.subarray(0, bytes), entryOf(member.name))
  }
}
