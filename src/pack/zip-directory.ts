import { Buffer } from 'node:buffer'
import type { TapeRseError } from '../model/errors.ts'
import type { Beat, RangeInput, ZipMember } from './format.ts'
import { zip64Count, zip64From } from './zip-layout.ts'
import { checkMemberNames } from './zip-names.ts'
import { memberText, refusing, type Refuse } from './zip-refusal.ts'

/**
 * The directory of a zip that anybody may have made: PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5. Two programs that read one zip can
 * see two different things in it where its records contradict each other; whatever contradicts another record, or itself, is refused.
 */

/** An end record, and the longest comment behind it. */
const endBytes = 22
const maxTailBytes = endBytes + 0xffff
const locatorBytes = 20

/** Beyond these, to hold the directory in memory is no longer cheap. */
const maxDirectoryBytes = 256 * 1024 * 1024
const maxMembers = 1_500_000

/** Deflate makes at most 1032 bytes of one (RFC 1951: 258 bytes of two bits). */
const maxInflation = 1032
/** What is more than so many times its packed size, and large, is taken for a trap: it fills the disk that it is unpacked to. */
const suspicious = { times: 200, bytes: 1024 ** 3 }

/**
 * The files in a zip, by their offsets. Nothing is believed of it that can be compared; the content is not looked at. Directories are
 * left out: they come by the names of the files.
 * @param zip what errors call it
 * @throws TapeRseError ZIP_*
 */
export function readZipDirectory(input: RangeInput, zip: string, beat: Beat): readonly ZipMember[] {
  const refuse = refusing(zip)
  const end = readEnd(input, refuse)
  if (end.directoryBytes > maxDirectoryBytes || end.count > maxMembers)
    throw refuse('ZIP_UNSUPPORTED', `its directory is too large (${end.directoryBytes} bytes, ${end.count} members)`)
  const directory = readExactly(input, end.directoryOffset, end.directoryBytes, refuse, beat)
  const members = parseEntries(directory, end, refuse).sort((a, b) => a.offset - b.offset)
  const files = withLimits(members, end.directoryOffset, refuse).filter(({ name }) => !name.endsWith('/'))
  checkMemberNames(
    files.map(({ name }) => name),
    refuse,
  )
  checkInflation(files, refuse)
  return files
}

interface End {
  readonly count: number
  readonly directoryOffset: number
  readonly directoryBytes: number
}

function readEnd(input: RangeInput, refuse: Refuse): End {
  const from = Math.max(0, input.bytes - maxTailBytes)
  const tail = readExactly(input, from, input.bytes - from, refuse)
  const at = findEnd(tail, input, refuse)
  const end = tail.subarray(at)
  const position = from + at
  const short = {
    disk: end.readUInt16LE(4),
    directoryDisk: end.readUInt16LE(6),
    countHere: end.readUInt16LE(8),
    count: end.readUInt16LE(10),
    directoryBytes: end.readUInt32LE(12),
    directoryOffset: end.readUInt32LE(16),
  }
  if (short.disk !== short.directoryDisk || (short.disk !== 0 && short.disk !== 0xffff))
    throw refuse('ZIP_UNSUPPORTED', 'it is one of several parts')
  if (short.countHere !== short.count) throw refuse('ZIP_COUNT', 'its end record has two numbers of members')
  const long = readZip64End(input, position, refuse)
  if (long === null) {
    if (short.directoryBytes === zip64From || short.directoryOffset === zip64From)
      throw refuse('ZIP_ZIP64', 'its end record refers to a ZIP64 record that is not there')
    return fitting(short, position, refuse)
  }
  for (const key of ['count', 'directoryBytes', 'directoryOffset'] as const) {
    if (short[key] !== (key === 'count' ? zip64Count : zip64From) && short[key] !== long[key])
      throw refuse('ZIP_ZIP64', 'its two end records contradict each other')
  }
  return fitting(long, long.position, refuse)
}

/** Behind the directory comes the end record, and nothing between them: else it is the end record of another zip. */
function fitting(end: End, position: number, refuse: Refuse): End {
  if (end.directoryOffset + end.directoryBytes !== position)
    throw refuse('ZIP_END_RECORD', 'its end record is not that of this zip: the directory does not end where it begins')
  return end
}

/** Where the end record is in the tail: the only one whose comment ends where the zip ends. */
function findEnd(tail: Buffer, input: RangeInput, refuse: Refuse): number {
  const found: number[] = []
  let others = 0
  for (let at = tail.lastIndexOf('PK\x05\x06'); at >= 0; at = at === 0 ? -1 : tail.lastIndexOf('PK\x05\x06', at - 1)) {
    if (at + endBytes > tail.length) others++
    else if (at + endBytes + tail.readUInt16LE(at + 20) === tail.length) found.push(at)
    else others++
  }
  if (found.length === 1) return found[0]!
  if (found.length > 1) throw refuse('ZIP_END_RECORD', 'it has two end records, each of which could be the right one')
  if (others > 0) throw refuse('ZIP_END_RECORD', 'its end record is not at its end')
  const begin = Buffer.alloc(4)
  if (input.bytes >= 4) input.readAt(begin, 0)
  throw begin.toString('latin1') === 'PK\x03\x04'
    ? refuse('ZIP_TRUNCATED', 'it was cut short: it has no end record')
    : refuse('ZIP_FOREIGN', 'it is not a zip')
}

/** The ZIP64 end record (4.3.14), by its locator (4.3.15) right before the end record; null: there is no locator. */
function readZip64End(input: RangeInput, endAt: number, refuse: Refuse): (End & { position: number }) | null {
  const locatorAt = endAt - locatorBytes
  if (locatorAt < 0) return null
  const locator = readExactly(input, locatorAt, locatorBytes, refuse)
  if (locator.readUInt32LE(0) !== 0x07064b50) return null
  const wrong = (what: string) => refuse('ZIP_ZIP64', what)
  if (locator.readUInt32LE(4) !== 0 || locator.readUInt32LE(16) > 1)
    throw refuse('ZIP_UNSUPPORTED', 'it is one of several parts')
  const position = whole(locator, 8, wrong)
  if (position + 56 > locatorAt) throw wrong('its ZIP64 end record is not where its locator says')
  const record = readExactly(input, position, 56, refuse)
  if (record.readUInt32LE(0) !== 0x06064b50) throw wrong('its ZIP64 end record is not where its locator says')
  if (position + 12 + whole(record, 4, wrong) !== locatorAt) throw wrong('its ZIP64 end record has another length')
  if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0)
    throw refuse('ZIP_UNSUPPORTED', 'it is one of several parts')
  const count = whole(record, 32, wrong)
  if (whole(record, 24, wrong) !== count) throw refuse('ZIP_COUNT', 'its end record has two numbers of members')
  return { count, directoryBytes: whole(record, 40, wrong), directoryOffset: whole(record, 48, wrong), position }
}

/** A number of eight bytes that this program can count with. */
function whole(buffer: Buffer, at: number, wrong: (what: string) => TapeRseError): number {
  const value = Number(buffer.readBigUInt64LE(at))
  if (!Number.isSafeInteger(value)) throw wrong('a size in it is larger than anything')
  return value
}

export function readExactly(
  input: RangeInput,
  from: number,
  bytes: number,
  refuse: Refuse,
  beat: Beat = () => undefined,
): Buffer {
  if (from + bytes > input.bytes) throw refuse('ZIP_TRUNCATED', 'it ends before a record of it ends')
  const buffer = Buffer.alloc(bytes)
  for (let got = 0; got < bytes;) {
    const more = input.readAt(buffer.subarray(got, got + 1024 * 1024), from + got)
    if (more === 0) throw refuse('ZIP_TRUNCATED', 'it ends before a record of it ends')
    beat(more)
    got += more
  }
  return buffer
}

type Entry = Omit<ZipMember, 'limit'>

function parseEntries(directory: Buffer, { count, directoryOffset }: End, refuse: Refuse): Entry[] {
  const entries: Entry[] = []
  let at = 0
  while (at < directory.length) {
    if (entries.length === count) throw refuse('ZIP_COUNT', `it has more members than the ${count} that it says`)
    const { entry, next } = parseEntry(directory, at, refuse)
    if (entry.offset >= directoryOffset) throw refuse('ZIP_OVERLAP', `${memberText(entry.name)} lies in the directory`)
    entries.push(entry)
    at = next
  }
  if (entries.length !== count) throw refuse('ZIP_COUNT', `it has ${entries.length} members, and says ${count}`)
  return entries
}

/** Central directory header (4.3.12). */
function parseEntry(directory: Buffer, at: number, refuse: Refuse): { readonly entry: Entry; readonly next: number } {
  if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
    throw refuse('ZIP_DIRECTORY', 'its directory has something that is no entry')
  const [nameBytes, extraBytes] = [directory.readUInt16LE(at + 28), directory.readUInt16LE(at + 30)]
  const nameEnd = at + 46 + nameBytes
  const next = nameEnd + extraBytes + directory.readUInt16LE(at + 32)
  if (next > directory.length) throw refuse('ZIP_DIRECTORY', 'its directory ends in an entry')
  const flags = directory.readUInt16LE(at + 8)
  const rawName = directory.subarray(at + 46, nameEnd)
  const name = nameOf(rawName, refuse)
  const extra = directory.subarray(nameEnd, nameEnd + extraBytes)
  const long = zip64Of(
    extra,
    [directory.readUInt32LE(at + 24), directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 42)],
    memberText(name),
    refuse,
  )
  const [bytes, packedBytes, offset] = long as [number, number, number]
  if (directory.readUInt16LE(at + 34) !== 0 && directory.readUInt16LE(at + 34) !== 0xffff)
    throw refuse('ZIP_UNSUPPORTED', 'it is one of several parts')
  const method = methodOf(directory.readUInt16LE(at + 10), flags, name, refuse)
  checkKind(directory.readUInt32LE(at + 38) >>> 16, name, bytes, refuse)
  if (method === 'stored' && packedBytes !== bytes)
    throw refuse('ZIP_DIRECTORY', `${memberText(name)} is stored, and has two sizes`)
  const entry = { name, rawName, flags, method, bytes, packedBytes, offset, crc32: directory.readUInt32LE(at + 16) }
  return { entry, next }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Names of other encodings say nothing of which one it is. */
function nameOf(raw: Buffer, refuse: Refuse): string {
  try {
    return utf8.decode(raw)
  } catch {
    throw refuse(
      'ZIP_NAME',
      `the name of a member is not UTF-8: ${JSON.stringify(raw.toString('latin1').slice(0, 200))}`,
    )
  }
}

/** Encrypted, patched, or with a masked directory (4.4.4). */
const unreadableFlags = (1 << 0) | (1 << 5) | (1 << 6) | (1 << 13)

function methodOf(method: number, flags: number, name: string, refuse: Refuse): ZipMember['method'] {
  if ((flags & unreadableFlags) !== 0) throw refuse('ZIP_UNSUPPORTED', `${memberText(name)} is encrypted or patched`)
  if (method === 0) return 'stored'
  if (method === 8) return 'deflated'
  throw refuse('ZIP_UNSUPPORTED', `${memberText(name)} is packed by method ${method}, which this program does not know`)
}

const kinds = { mask: 0o170000, file: 0o100000, directory: 0o040000 }

/** @param mode of Unix; 0 where the program that made it knows none */
function checkKind(mode: number, name: string, bytes: number, refuse: Refuse): void {
  const kind = mode & kinds.mask
  if (name.endsWith('/')) {
    if (bytes !== 0) throw refuse('ZIP_DIRECTORY', `${memberText(name)} is a directory, and has content`)
    if (kind === 0 || kind === kinds.directory) return
  } else if (kind === 0 || kind === kinds.file) return
  throw refuse('ZIP_LINK', `${memberText(name)} is a link or a device, not a file`)
}

/**
 * The values of fields of four bytes, each of which may refer to one of eight in the extra field 0x0001 (4.5.3). One that does not
 * refer to it must not be there as another number.
 */
export function zip64Of(extra: Buffer, short: readonly number[], member: string, refuse: Refuse): readonly number[] {
  const wrong = (what: string) => refuse('ZIP_ZIP64', `${member}: ${what}`)
  const field = extraField(extra, 0x0001, member, refuse)
  const missing = short.filter((value) => value === zip64From).length
  if (field === null) {
    if (missing > 0) throw wrong('it refers to a ZIP64 field that is not there')
    return short
  }
  // Some programs write all fields, whether they are referred to or not; most write only those that are.
  const all = field.length > missing * 8 + 4
  let at = 0
  return short.map((value) => {
    if (value !== zip64From && !all) return value
    if (at + 8 > field.length) {
      if (value === zip64From) throw wrong('its ZIP64 field is too short')
      return value
    }
    const long = whole(field, at, wrong)
    at += 8
    if (value !== zip64From && value !== long) throw wrong('its ZIP64 field contradicts what it stands beside')
    return long
  })
}

/** The content of an extra field (4.5.1); null: there is none. */
function extraField(extra: Buffer, id: number, member: string, refuse: Refuse): Buffer | null {
  let found: Buffer | null = null
  for (let at = 0; at < extra.length;) {
    // A rest of up to three bytes is padding: some programs align the content by it.
    if (at + 4 > extra.length) break
    const [fieldId, bytes] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)]
    if (at + 4 + bytes > extra.length)
      throw refuse('ZIP_DIRECTORY', `${member}: its extra fields do not end where they say`)
    if (fieldId === id) {
      if (found !== null) throw refuse('ZIP_ZIP64', `${member}: it has two ZIP64 fields`)
      found = extra.subarray(at + 4, at + 4 + bytes)
    }
    at += 4 + bytes
  }
  return found
}

/** Local file header (4.3.7), as short as it can be. */
const leastBytes = ({ rawName, packedBytes }: Entry): number => 30 + rawName.length + packedBytes

function withLimits(sorted: readonly Entry[], directoryOffset: number, refuse: Refuse): readonly ZipMember[] {
  return sorted.map((entry, index) => {
    const limit = sorted[index + 1]?.offset ?? directoryOffset
    if (entry.offset + leastBytes(entry) > limit)
      throw refuse('ZIP_OVERLAP', `${memberText(entry.name)} reaches into what follows it`)
    return { ...entry, limit }
  })
}

function checkInflation(files: readonly Entry[], refuse: Refuse): void {
  let [bytes, packed] = [0, 0]
  for (const file of files) {
    if (file.bytes > file.packedBytes * maxInflation)
      throw refuse('ZIP_BOMB', `${memberText(file.name)} says that it is larger than its packed bytes can be`)
    bytes += file.bytes
    packed += file.packedBytes
  }
  if (bytes > suspicious.bytes && bytes > packed * suspicious.times)
    throw refuse('ZIP_BOMB', `its ${packed} bytes would become ${bytes}`)
}
