import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { adler32, hex32 } from '../src/io/adler32.ts'
import { anyMover, type ObjectPlan, type Packed, type Proved, type VaultSettings } from '../src/model/order.ts'
import { zipFormat } from '../src/pack/zip.ts'
import { startMovers } from '../src/testing/movers.ts'
import { numbers } from '../src/testing/numbers.ts'
import { makeZip } from './zips.ts'

/** Objects that are damaged on purpose, and the movers that have to find it. */

/** A stretch of a zip, by the name that a difference calls it. */
export interface Structure {
  readonly from: number
  readonly to: number
  readonly what: string
}

/** Where everything lies, as Python's zipfile has it: nothing of ours is asked. */
const map = `
import json, struct, sys, zipfile
data = open(sys.argv[1], 'rb').read()
found, at = [], 0
def add(size, what):
    global at
    found.append([at, at + size, what])
    at += size
with zipfile.ZipFile(sys.argv[1]) as z:
    for i in z.infolist():
        assert i.header_offset == at
        name, extra = struct.unpack_from('<HH', data, at + 26)
        of = ' of member "%s"' % i.filename
        add(30 + name + extra, 'local header' + of)
        add(i.compress_size, 'data' + of)
        if i.flag_bits & 8: add(16, 'data descriptor' + of)
    assert z.start_dir == at
    for i in z.infolist():
        name, extra, comment = struct.unpack_from('<HHH', data, at + 28)
        add(46 + name + extra + comment, 'directory entry of member "%s"' % i.filename)
if data[at:at + 4] == b'PK\\x06\\x06':
    add(12 + struct.unpack_from('<Q', data, at + 4)[0], 'ZIP64 end record')
    add(20, 'ZIP64 end record locator')
add(22, 'end record')
assert at == len(data)
print(json.dumps([each for each in found if each[0] < each[1]]))
`

export function structuresOf(zip: string): readonly Structure[] {
  const found = execFileSync('python3', ['-c', map, zip], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  return (JSON.parse(found) as [number, number, string][]).map(([from, to, what]) => ({ from, to, what }))
}

export const structureAt = (structures: readonly Structure[], offset: number): Structure =>
  structures.find(({ from, to }) => from <= offset && offset < to)!

export interface Flip {
  readonly offset: number
  readonly bit: number
  /** The structure in which it lies. */
  readonly what: string
}

/** Reproducible flips: every second one anywhere, the others in any structure, however small. */
export function flipsOf(structures: readonly Structure[], count: number, seed: number): readonly Flip[] {
  const next = numbers(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  return Array.from({ length: count }, (_, index) => {
    const { from, to } =
      index % 2 === 0 ? structures[below(structures.length)]! : { from: 0, to: structures.at(-1)!.to }
    const offset = from + below(to - from)
    return { offset, bit: below(8), what: structureAt(structures, offset).what }
  })
}

export function flipIn(file: string, { offset, bit }: Flip): void {
  const fd = openSync(file, 'r+')
  const byte = new Uint8Array(1)
  readSync(fd, byte, 0, 1, offset)
  byte[0]! ^= 1 << bit
  writeSync(fd, byte, 0, 1, offset)
  closeSync(fd)
}

/** Whether a difference names a structure, and nothing else. */
export const names = (difference: string, what: string): boolean =>
  difference === what || difference.startsWith(`${what}: `)

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

/** The member of `files` that is a zip, and ends where the directory of the outer zip begins. */
export const trap = 'nights/inner.zip'

/** One of each kind: streamed, small, empty, with slashes, not ASCII; last a zip, whose end record is near the end of the outer one. */
function files(): ReadonlyMap<string, Buffer> {
  const inner = makeZip(new Map([['one/of/the/inner', content('inner', 30_000)]]))
  try {
    return new Map([
      ['Dataset/LSSTCam/raw/MC_O_1.fits', content('large', 2 ** 20 + 200_017)],
      ['Dataset/LSSTCam/raw/MC_O_1_dimensions.yaml', content('yaml', 180)],
      ['empty', Buffer.alloc(0)],
      ['träge/望遠鏡.txt', content('names', 999)],
      [trap, readFileSync(inner.zip)],
    ])
  } finally {
    inner.dispose()
  }
}

/** Real movers, sources and one object that they make of them, below `root`. */
export interface Bench {
  readonly object: ObjectPlan
  /** Paths of the object before it is published, after that, and when it was set aside. */
  readonly part: string
  readonly published: string
  readonly aside: string
  pack(attempt?: number): Promise<Packed>
  /** By another mover than the one that packed it last. */
  prove(attempt?: number): Promise<Proved>
  clean(): Promise<number>
  /** What is in the vault but the marker, by its path below the directory of the object. */
  left(): readonly string[]
  close(): Promise<void>
}

export async function openBench(root?: string): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'damage-'))
  const source = join(directory, 'source')
  const vault: VaultSettings = {
    root: root ?? join(directory, 'vault'),
    mount: root ?? null,
    publish: 'rename',
    minFree: 0,
    owner: 'us',
  }
  if (root === undefined) mkdirSync(vault.root)
  const members = [...files()].map(([name, bytes], index) => {
    const path = join(source, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    // One of them is known by its md5 alone.
    const md5 = index === 1 ? createHash('md5').update(bytes).digest('hex') : null
    return { name, path, bytes: bytes.length, adler32: md5 === null ? hex32(adler32(bytes)) : null, md5 }
  })
  const manifest = `${JSON.stringify({ files: members.map(({ name, bytes }) => ({ name, bytes })) }, null, 2)}\n`
  const manifestBytes = Buffer.byteLength(manifest)
  const bytes =
    zipFormat().overhead(manifestBytes, members) +
    manifestBytes +
    members.reduce((sum, member) => sum + member.bytes, 0)
  const object: ObjectPlan = { manifest, time: Date.UTC(2026, 0, 2, 3, 4, 6) / 1000, members, bytes }

  const location = 'raw/night/night.g1.1-1.zip'
  const movers = startMovers({ movers: 2 })
  const never = new AbortController().signal
  await movers.run<'check'>({ kind: 'check', vault, known: false }, anyMover, never)
  let packed: { readonly sum: string; readonly by: number } = { sum: '', by: 0 }
  const objects = dirname(join(vault.root, location))
  const hidden = (kind: string) => join(objects, `.night.g1.1-1.zip.1.${kind}`)
  return {
    object,
    part: hidden('part'),
    published: join(vault.root, location),
    aside: hidden('mismatch'),
    async pack(attempt = 1) {
      const order = { kind: 'pack', vault, location, attempt, sourceRoot: source, object } as const
      const { answer, mover } = await movers.run<'pack'>(order, anyMover, never)
      packed = { sum: answer.adler32, by: mover }
      return answer
    },
    async prove(attempt = 1) {
      const order = { kind: 'prove', vault, location, attempt, object, adler32: packed.sum } as const
      return (await movers.run<'prove'>(order, { ...anyMover, not: packed.by }, never)).answer
    },
    async clean() {
      return (await movers.run<'clean'>({ kind: 'clean', vault, location, attempts: 1 }, anyMover, never)).answer
        .removed
    },
    left: () => (existsSync(objects) ? readdirSync(objects).sort() : []),
    async close() {
      await movers.close()
      rmSync(directory, { recursive: true })
    },
  }
}
