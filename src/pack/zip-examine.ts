import { Buffer } from 'node:buffer'
import { crc32 } from '@node-rs/crc32'
import { adler32, adler32Combine, hex32 } from '../io/adler32.ts'
import { manifestName, parseManifest, type ManifestFacts } from '../model/manifest.ts'
import type { ObjectPlan } from '../model/order.ts'
import type { Beat, Difference, Examination, Input, RangeInput } from './format.ts'
import { centralBytes, descriptorBytes, hasDescriptor, layoutOf } from './zip-layout.ts'
import { Differs, expect, localHeader, take } from './zip-member.ts'
import { proveZip } from './zip-prove.ts'
import { centralCrcAt, crcAt, descriptor, endRecords, stampOf, writeCentral, writeLocal } from './zip-records.ts'
import { readAhead, type Stream } from './zip-stream.ts'
import { headOf, maxHeaderBytes } from './zip-write.ts'

/** More than any manifest has: beyond it, what looks like one is none. */
const maxManifestBytes = 256 * 1024 * 1024

/**
 * Reads the manifest and the directory of an object, and nothing between them, and compares the directory, the records behind it and the
 * size of the whole with what the manifest says there has to be. Whether the content is that of the files is not looked at.
 * @param buffer a block in which adler32() works without a copy, aligned for direct reads
 */
export function examineZip(input: RangeInput, buffer: Buffer, beat: Beat): Examination {
  const found = readManifest(input)
  if ('foreign' in found || 'difference' in found) return found
  const plan = planOf(found.text, found.facts, input.bytes)
  const head = headOf(plan)
  if (!found.head.equals(head)) return { difference: localHeader(manifestName) }
  const layout = layoutOf(Buffer.byteLength(plan.manifest), plan.members)
  if (layout.bytes !== input.bytes)
    return { difference: `its size is ${input.bytes}, by its manifest it has to be ${layout.bytes}` }
  const stream = readAhead(buffer, inputFrom(input, layout.directoryOffset), beat)
  try {
    const crcs = readDirectory(plan, stream)
    expect(stream, endRecords(crcs.length, layout), 'end record')
    return { manifest: plan.manifest, bytes: input.bytes, adler32: wholeSum(plan, head, crcs, stream.adler32) }
  } catch (error) {
    if (error instanceof Differs) return { difference: error.message }
    throw error
  }
}

/** The same, and all of its content is read and compared with its manifest. */
export function examineZipDeep(input: RangeInput, buffer: Buffer, beat: Beat): Examination {
  const examined = examineZip(input, buffer, beat)
  if (!('manifest' in examined)) return examined
  const plan = planOf(examined.manifest, parseManifest(examined.manifest)!, input.bytes)
  const proof = proveZip(plan, buffer, inputFrom(input, 0), examined.adler32, beat)
  return 'difference' in proof ? proof : { ...examined, adler32: proof.adler32 }
}

/** The manifest alone: nothing but the beginning of the object is read. */
export function readManifestText(
  input: RangeInput,
): { readonly manifest: string } | { readonly foreign: string } | Difference {
  const found = readManifest(input)
  return 'text' in found ? { manifest: found.text } : found
}

const planOf = (manifest: string, { closedAt, entries }: ManifestFacts, bytes: number): ObjectPlan => ({
  manifest,
  time: Math.floor(closedAt.getTime() / 1000),
  members: entries.map((entry) => ({ ...entry, name: entry.did.name })),
  bytes,
})

function readManifest(
  input: RangeInput,
):
  | { readonly head: Buffer; readonly text: string; readonly facts: ManifestFacts }
  | { readonly foreign: string }
  | Difference {
  const header = read(input, 0, 30)
  if (header.length < 30 || header.readUInt32LE(0) !== 0x04034b50) return { foreign: 'it is not a zip' }
  const [nameBytes, extraBytes] = [header.readUInt16LE(26), header.readUInt16LE(28)]
  const name = read(input, 30, nameBytes).toString()
  if (name !== manifestName) return { foreign: `it does not begin with ${manifestName}` }
  const [begin, bytes] = [30 + nameBytes + extraBytes, header.readUInt32LE(22)]
  if (bytes > Math.min(input.bytes - begin, maxManifestBytes)) return { difference: 'it ends in its manifest' }
  const head = read(input, 0, begin + bytes)
  const body = head.subarray(begin)
  if (crc32(body) !== header.readUInt32LE(crcAt))
    return { difference: 'its manifest does not have the CRC of its header' }
  const text = body.toString()
  const facts = parseManifest(text)
  if (facts === null) return { foreign: 'its manifest is not one that this version can read' }
  return { head, text, facts }
}

function read(input: RangeInput, from: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(Math.max(0, Math.min(bytes, input.bytes - from)))
  let got = 0
  while (got < buffer.length) {
    const more = input.readAt(buffer.subarray(got), from + got)
    if (more === 0) break
    got += more
  }
  return buffer.subarray(0, got)
}

function inputFrom(input: RangeInput, from: number): Input {
  let at = from
  return {
    bytes: input.bytes - from,
    read(buffer) {
      const got = input.readAt(buffer, at)
      at += got
      return got
    },
  }
}

const foundEntry = Buffer.alloc(maxHeaderBytes)
const plannedEntry = Buffer.alloc(maxHeaderBytes)

/** The CRC of each member, as the directory has it; all else in the directory has to be as the manifest wants it. */
function readDirectory(plan: ObjectPlan, stream: Stream): Uint32Array {
  const manifest = { name: manifestName, bytes: Buffer.byteLength(plan.manifest) }
  const layout = layoutOf(manifest.bytes, plan.members)
  const stamp = stampOf(plan.time)
  const crcs = new Uint32Array(plan.members.length + 1)
  for (const [index, member] of [manifest, ...plan.members].entries()) {
    const offset = layout.offsets[index]!
    const what = `directory entry of member "${member.name}"`
    const entry = take(stream, foundEntry, centralBytes(member, offset), what)
    crcs[index] = entry.readUInt32LE(centralCrcAt)
    const described = index > 0 && hasDescriptor(member.bytes)
    const bytes = writeCentral(plannedEntry, 0, member, described, offset, stamp, crcs[index])
    if (!plannedEntry.subarray(0, bytes).equals(entry)) throw new Differs(what)
  }
  return crcs
}

/** The adler32 of the whole, from the sums of its parts: the content itself is not read. */
function wholeSum(plan: ObjectPlan, head: Buffer, crcs: Uint32Array, directory: number): string | null {
  const stamp = stampOf(plan.time)
  let sum = adler32(head)
  const add = (own: number, bytes: number) => (sum = adler32Combine(sum, own, bytes))
  for (const [index, member] of plan.members.entries()) {
    if (member.adler32 === null) return null
    const crc = crcs[index + 1]!
    const described = hasDescriptor(member.bytes)
    const headerBytes = writeLocal(plannedEntry, member, described, stamp, crc)
    add(adler32(plannedEntry.subarray(0, headerBytes)), headerBytes)
    add(Number.parseInt(member.adler32, 16), member.bytes)
    if (described) add(adler32(descriptor(member.bytes, crc)), descriptorBytes(member.bytes))
  }
  const layout = layoutOf(Buffer.byteLength(plan.manifest), plan.members)
  add(directory, plan.bytes - layout.directoryOffset)
  return hex32(sum)
}
