import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'
import { crc32 } from '@node-rs/crc32'
import { errnoOf } from '../io/errno.ts'
import type { Beat, FileReceiver, RangeInput, ZipMember } from './format.ts'
import { readExactly, zip64Of } from './zip-directory.ts'
import { zip64From } from './zip-layout.ts'
import { memberText, refusing, type Refuse } from './zip-refusal.ts'

/**
 * Reads members out of a zip that anybody may have made. Before any content is read, the header and the descriptor of each are compared
 * with the directory. Content is proven by its size and its CRC: what is wrong with one member does not keep it from the others.
 * @param members as readZipDirectory() gave them
 * @param zip what errors call it
 * @param buffer a block to read into
 * @throws TapeRseError ZIP_HEADERS, ZIP_OVERLAP, ZIP_ZIP64, ZIP_TRUNCATED: nothing was read then
 */
export async function extractMembers(
  members: readonly ZipMember[],
  zip: string,
  buffer: Buffer,
  input: RangeInput,
  receiverOf: (member: ZipMember) => FileReceiver,
  beat: Beat,
): Promise<void> {
  const refuse = refusing(zip)
  const located = members.map((member) => ({ member, from: contentOf(member, input, refuse, beat) }))
  for (const { member, from } of located) {
    const receiver = receiverOf(member)
    let difference: string | null
    try {
      difference = await readContent(member, from, buffer, input, receiver, beat)
    } catch (error) {
      receiver.fail(error)
      continue
    }
    receiver.end(difference)
  }
}

/** What a reader may not see otherwise in the local header than in the directory. */
const comparedFlags = (1 << 0) | (1 << 3) | (1 << 5) | (1 << 6) | (1 << 11) | (1 << 13)
const descriptorFollows = 1 << 3
const methods = { stored: 0, deflated: 8 }
/** So much of the extra fields is read with the header: seldom are there more. */
const usualExtraBytes = 64

/** Where the content of a member begins, if its local header (4.3.7) and descriptor (4.3.9) say the same as the directory. */
function contentOf(member: ZipMember, input: RangeInput, refuse: Refuse, beat: Beat): number {
  const { name, rawName, offset, limit, packedBytes } = member
  const wrong = (what: string) => refuse('ZIP_HEADERS', `${memberText(name)}: ${what}`)
  const usual = Math.min(30 + rawName.length + usualExtraBytes, limit - offset)
  let header = readExactly(input, offset, usual, refuse, beat)
  if (header.readUInt32LE(0) !== 0x04034b50) throw wrong('it does not begin where the directory says')
  const [nameBytes, extraBytes] = [header.readUInt16LE(26), header.readUInt16LE(28)]
  const from = offset + 30 + nameBytes + extraBytes
  if (from + packedBytes > limit) throw refuse('ZIP_OVERLAP', `${memberText(name)} reaches into what follows it`)
  if (from - offset > usual) header = readExactly(input, offset, from - offset, refuse, beat)
  if (!header.subarray(30, 30 + nameBytes).equals(rawName))
    throw wrong('its header has another name than the directory')
  const flags = header.readUInt16LE(6)
  if ((flags & comparedFlags) !== (member.flags & comparedFlags) || header.readUInt16LE(8) !== methods[member.method])
    throw wrong('its header has other flags, or another method, than the directory')
  const extra = header.subarray(30 + nameBytes, 30 + nameBytes + extraBytes)
  const sizes = zip64Of(extra, [header.readUInt32LE(22), header.readUInt32LE(18)], memberText(name), refuse)
  const stated = [header.readUInt32LE(14), ...sizes]
  const described = (flags & descriptorFollows) !== 0
  for (const [index, value] of [member.crc32, member.bytes, packedBytes].entries()) {
    if (stated[index] !== value && !(described && stated[index] === 0))
      throw wrong(`its header has another ${['CRC', 'size', 'packed size'][index]!} than the directory`)
  }
  if (described) checkDescriptor(member, from + packedBytes, input, refuse, beat)
  return from
}

/** With or without its signature, and with sizes of four bytes or of eight: all of these are found. */
function checkDescriptor(member: ZipMember, at: number, input: RangeInput, refuse: Refuse, beat: Beat): void {
  const found = readExactly(input, at, Math.min(24, member.limit - at), refuse, beat)
  const planned = [4, 8].flatMap((sizeBytes) => {
    const record = Buffer.alloc(8 + 2 * sizeBytes)
    record.writeUInt32LE(0x08074b50, 0)
    record.writeUInt32LE(member.crc32, 4)
    for (const [index, size] of [member.packedBytes, member.bytes].entries()) {
      if (sizeBytes === 8) record.writeBigUInt64LE(BigInt(size), 8 + 8 * index)
      else record.writeUInt32LE(Math.min(size, zip64From), 8 + 4 * index)
    }
    return [record, record.subarray(4)]
  })
  if (!planned.some((record) => found.subarray(0, record.length).equals(record)))
    throw refuse('ZIP_HEADERS', `${memberText(member.name)}: its descriptor contradicts the directory`)
}

/** Hands the content over; returns what is wrong with it, or null. */
async function readContent(
  member: ZipMember,
  from: number,
  buffer: Buffer,
  input: RangeInput,
  receiver: FileReceiver,
  beat: Beat,
): Promise<string | null> {
  let [crc, bytes] = [0, 0]
  const take = (part: Buffer): boolean => {
    bytes += part.length
    if (bytes > member.bytes) return false
    crc = crc32(part, crc)
    receiver.write(part)
    return true
  }
  const blocks = blocksOf(member, from, buffer, input, beat)
  const broken = member.method === 'stored' ? takeAll(blocks, take) : await inflate(blocks, member.packedBytes, take)
  const what = `data of member "${member.name}"`
  if (broken !== null) return `${what}: ${broken}`
  if (bytes !== member.bytes)
    return `${what}: it has ${bytes > member.bytes ? 'more than' : `${bytes} bytes, and not`} the ${member.bytes} that it says`
  return crc === member.crc32 ? null : `${what}: its CRC is not the one that the directory has`
}

function* blocksOf(
  { packedBytes }: ZipMember,
  from: number,
  buffer: Buffer,
  input: RangeInput,
  beat: Beat,
): Generator<Buffer, void> {
  for (let at = 0; at < packedBytes;) {
    const got = input.readAt(buffer.subarray(0, Math.min(buffer.length, packedBytes - at)), from + at)
    if (got === 0) return
    beat(got)
    at += got
    yield buffer.subarray(0, got)
  }
}

function takeAll(blocks: Iterable<Buffer>, take: (part: Buffer) => boolean): null {
  for (const block of blocks) if (!take(block)) break
  return null
}

/** Errors by which a stream says that it has ended, and there was more to come. */
const endedEarly: readonly string[] = ['ERR_STREAM_PREMATURE_CLOSE', 'ERR_TRAILING_JUNK_AFTER_STREAM_END']

/** Returns why it cannot be inflated to its end, or null. */
async function inflate(
  blocks: Iterable<Buffer>,
  packedBytes: number,
  take: (part: Buffer) => boolean,
): Promise<string | null> {
  const inflater = createInflateRaw()
  const tooMuch = new AbortController()
  // The buffer is used again for the next block, while zlib may still hold this one.
  const copies = function* () {
    for (const block of blocks) yield Buffer.from(block)
  }
  try {
    await pipeline(
      copies,
      inflater,
      async (parts: AsyncIterable<Buffer>) => {
        for await (const part of parts)
          if (!take(part)) {
            tooMuch.abort()
            return
          }
      },
      { signal: tooMuch.signal },
    )
  } catch (error) {
    if (tooMuch.signal.aborted) return null
    const code = errnoOf(error) ?? ''
    if (endedEarly.includes(code)) return 'it ends before its packed bytes do'
    if (!code.startsWith('Z_')) throw error
    return `it cannot be inflated (${code})`
  }
  return inflater.bytesWritten === packedBytes ? null : 'it ends before its packed bytes do'
}
