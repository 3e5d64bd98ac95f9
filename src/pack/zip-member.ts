import { Buffer } from 'node:buffer'
import { adler32 } from '../io/adler32.ts'
import type { OrderMember } from '../model/order.ts'
import { sumsOf } from './sums.ts'
import { hasDescriptor, localBytes } from './zip-layout.ts'
import { crcAt, descriptor, writeLocal, type Stamp } from './zip-records.ts'
import type { Stream } from './zip-stream.ts'
import { maxHeaderBytes } from './zip-write.ts'

/** What is there is not what has to be there; the message says what differs. */
export class Differs extends Error {}

export const localHeader = (name: string) => `local header of member "${name}"`
export const dataOf = (name: string) => `data of member "${name}"`
export const descriptorOf = (name: string) => `data descriptor of member "${name}"`

/** One header as it is, and as it has to be. Made once, because millions of members may come by. */
const found = Buffer.alloc(maxHeaderBytes)
const planned = Buffer.alloc(maxHeaderBytes)

/** Who gets the content of a member as it is read. Nothing of it is known to be right until all of it is. */
export interface Receiver {
  /** Hands over, from its beginning, as much of the content as it has from an earlier time; returns how many bytes. */
  replay(feed: (bytes: Buffer) => void): number
  write(bytes: Buffer): void
}
const nobody: Receiver = { replay: () => 0, write: () => undefined }

/**
 * Reads a member and compares all of it: its header and descriptor to the letter, its content by the checksums in the plan and by its
 * CRC, which is returned.
 * @param stream begins at its local header
 * @param bodyAfter the stream to go on with after the header, if so much of the content is replayed
 * @throws Differs
 */
export function proveMember(
  member: Omit<OrderMember, 'path'>,
  stamp: Stamp,
  stream: Stream,
  receiver: Receiver = nobody,
  bodyAfter: (replayed: number) => Stream = () => stream,
): number {
  const { name } = member
  const described = hasDescriptor(member.bytes)
  const header = take(stream, found, localBytes(member), localHeader(name))
  // Only the data can say whether its CRC is right; all else is compared first, so that what differs first is named.
  const crc = described ? 0 : header.readUInt32LE(crcAt)
  const bytes = writeLocal(planned, member, described, stamp, crc)
  if (!planned.subarray(0, bytes).equals(header)) throw new Differs(localHeader(name))
  const sums = sumsOf(member)
  const replayed = receiver.replay((part) => sums.add(part))
  const body = bodyAfter(replayed)
  for (let left = member.bytes - replayed; left > 0;) {
    const part = body.next(left)
    if (part.length === 0) throw new Differs(`it ends in the ${dataOf(name)}`)
    body.took(sums.add(part), part.length)
    receiver.write(part)
    left -= part.length
  }
  const difference = sums.difference()
  if (difference !== null) throw new Differs(`${dataOf(name)}: its ${difference}`)
  if (!described && crc !== sums.crc32()) throw new Differs(localHeader(name))
  if (described) expect(body, descriptor(member.bytes, sums.crc32()), descriptorOf(name))
  return sums.crc32()
}

/** The next bytes are exactly these. */
export function expect(stream: Stream, bytes: Buffer, what: string): void {
  for (let from = 0; from < bytes.length;) {
    const part = stream.next(bytes.length - from)
    if (part.length === 0) throw new Differs(`it ends in the ${what}`)
    if (!part.equals(bytes.subarray(from, from + part.length))) throw new Differs(what)
    stream.took(adler32(part), part.length)
    from += part.length
  }
}

/** The next bytes, kept in `into`. */
export function take(stream: Stream, into: Buffer, length: number, what: string): Buffer {
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
