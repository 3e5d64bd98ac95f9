import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compareDids } from '../model/did.ts'
import type { Sighting } from '../model/target.ts'
import type { ListedFile, ListedReplica } from '../rucio/answers.ts'
import { fingerprintOf, normalAdler32, normalMd5 } from './rucio-checksum.ts'
import type { Listing } from './rucio-content.ts'
import { contentOf } from './rucio-content.ts'
import type { Freezing } from './source.ts'

const dataset = { scope: 'raw', name: 'ds' }
const disk = { diskRse: 'DISK', root: '/disk', paths: [] }
const closedAt = new Date('2026-11-21T21:42:54Z')
const MD5 = 'd41d8cd98f00b204e9800998ecf8427e'

const fileOf = (scope: string, name: string, bytes: number, adler32: string | null = '00000001'): ListedFile => ({
  dataset,
  did: { scope, name },
  bytes,
  adler32,
})
const replicaOf = ({ did, bytes, adler32 }: ListedFile): ListedReplica => ({
  did,
  bytes,
  adler32,
  md5: null,
  states: new Map([['DISK', 'AVAILABLE']]),
  pfns: new Map([['DISK', [`file://localhost/disk/${did.scope}/${did.name}`]]]),
})
const listingOf = (files: readonly ListedFile[]): Listing => ({ files, replicas: files.map(replicaOf), metadata: {} })
const sightingOf = (files: readonly ListedFile[]): Sighting => ({
  did: dataset,
  waiting: null,
  closedAt,
  length: files.length,
  bytes: files.reduce((sum, file) => sum + file.bytes!, 0),
})

const f1 = fileOf('raw', 'f1', 10)
const f2 = fileOf('raw', 'f2', 20)
const freeze = (listing: Partial<Listing>, sighting: Partial<Sighting> = {}): Freezing =>
  contentOf({ ...sightingOf([f1, f2]), ...sighting }, { ...listingOf([f1, f2]), ...listing }, disk, 'arcBackup')
const codes = (freezing: Freezing): string[] =>
  'problems' in freezing ? freezing.problems.map(({ code }) => code) : []
const withReplica = (change: Partial<ListedReplica>): Freezing =>
  freeze({ replicas: [replicaOf(f1), { ...replicaOf(f2), ...change }] })

describe('contentOf()', () => {
  test('joins files and replicas by DID, in whatever order they come', () => {
    const anyFiles = fc.uniqueArray(
      fc.tuple(
        fc.constantFrom('raw', 'raw-guider', 'u'),
        fc.constantFrom('a', 'A', 'a/b', 'b.zip', 'b_x', 'c'),
        fc.nat(),
      ),
      { minLength: 1, selector: ([scope, name]) => `${scope}:${name}` },
    )
    const shuffled = anyFiles
      .map((rows) => rows.map(([scope, name, bytes]) => fileOf(scope, name, bytes, bytes.toString(16))))
      .chain((files) => fc.tuple(fc.constant(files), fc.shuffledSubarray(files, { minLength: files.length })))
    fc.assert(
      fc.property(shuffled, ([files, others]) => {
        const freezing = contentOf(
          sightingOf(files),
          { files, replicas: others.map(replicaOf), metadata: {} },
          disk,
          'arcBackup',
        )
        if ('problems' in freezing) throw new Error(freezing.problems[0].message)
        const expected = files
          .toSorted((a, b) => compareDids(a.did, b.did))
          .map(({ did, bytes }) => ({
            did,
            bytes,
            adler32: bytes!.toString(16).padStart(8, '0'),
            md5: null,
            pfn: `file://localhost/disk/${did.scope}/${did.name}`,
            path: `/disk/${did.scope}/${did.name}`,
          }))
        expect(freezing.content.entries).toEqual(expected)
        expect(freezing.content.fingerprint).toBe(fingerprintOf(others))
      }),
    )
  })

  test('keeps the metadata but for the tag, the closing time and the sum', () => {
    const metadata = { arcBackup: 'TAPE:need', day: 20261121, nested: { a: [1] } }
    expect(freeze({ metadata })).toMatchObject({
      content: { metadata: { day: 20261121, nested: { a: [1] } }, closedAt, bytes: 30 },
    })
    const kept = freeze({ metadata })
    expect('content' in kept && Object.keys(kept.content.metadata)).toEqual(['day', 'nested'])
  })

  test.each([
    [
      'there are no files and none were counted',
      freeze({ files: [], replicas: [] }, { length: 0, bytes: 0 }),
      ['DATASET_EMPTY'],
    ],
    [
      'there are no files but some were counted',
      freeze({ files: [], replicas: [] }),
      ['DATASET_DISAGREES', 'DATASET_DISAGREES'],
    ],
    ['the count differs', freeze({}, { length: 3 }), ['DATASET_DISAGREES']],
    ['nothing was counted', freeze({}, { length: null, bytes: null }), ['DATASET_DISAGREES', 'DATASET_DISAGREES']],
    ['the sum differs', freeze({}, { bytes: 31 }), ['DATASET_DISAGREES']],
    ['it was never closed', freeze({}, { closedAt: null }), ['DATASET_DISAGREES']],
    ['a file has no replica line', freeze({ replicas: [replicaOf(f1)] }), ['REPLICA_MISSING']],
    ['a replica is elsewhere only', withReplica({ states: new Map([['OTHER', 'AVAILABLE']]) }), ['REPLICA_MISSING']],
    ['a replica is BAD', withReplica({ states: new Map([['DISK', 'BAD']]) }), ['REPLICA_UNAVAILABLE']],
    ['a replica has no PFN', withReplica({ pfns: new Map() }), ['REPLICA_ELSEWHERE']],
    [
      'a PFN leads elsewhere',
      withReplica({ pfns: new Map([['DISK', ['file:///disk/../etc/f']]]) }),
      ['REPLICA_ELSEWHERE'],
    ],
    ['the sizes of a file differ', withReplica({ bytes: 21 }), ['DATASET_DISAGREES']],
    ['the adler32 of a file differ', withReplica({ adler32: '2' }), ['DATASET_DISAGREES']],
    [
      'a replica is of no file',
      freeze({ replicas: [f1, f2, fileOf('raw', 'f3', 1)].map(replicaOf) }),
      ['DATASET_DISAGREES'],
    ],
    ['there is no checksum', freeze(listingOf([fileOf('raw', 'f1', 10, null), f2])), ['CHECKSUM_MISSING']],
    ['the checksum cannot be one', freeze(listingOf([fileOf('raw', 'f1', 10, 'none'), f2])), ['CHECKSUM_MISSING']],
    [
      'a file has no size',
      freeze({ files: [f1, { ...f2, bytes: null }] }),
      ['DATASET_DISAGREES', 'DATASET_DISAGREES', 'DATASET_DISAGREES'],
    ],
    ['a file is listed twice', freeze({ files: [f1, f1] }, { bytes: 20 }), ['DATASET_DISAGREES', 'DATASET_DISAGREES']],
  ] as const)('says what is wrong when %s', (_, freezing, expected) => {
    expect(codes(freezing)).toEqual(expected)
  })

  test('lists all problems of all files', () => {
    const bad = { ...replicaOf(fileOf('raw', 'f1', 10, null)), states: new Map([['DISK', 'BAD']]) }
    const freezing = freeze({ files: [{ ...f1, adler32: null }, f2], replicas: [bad] }, { length: 5 })
    expect(codes(freezing)).toEqual(['DATASET_DISAGREES', 'CHECKSUM_MISSING', 'REPLICA_UNAVAILABLE', 'REPLICA_MISSING'])
  })

  test('lists fifty problems of a kind, and how many more there are', () => {
    const files = Array.from({ length: 1000 }, (_, i) => fileOf('raw', `f${i}`, 1))
    const freezing = contentOf(sightingOf(files), { files, replicas: [], metadata: {} }, disk, 'arcBackup')
    expect(codes(freezing)).toEqual(Array(51).fill('REPLICA_MISSING'))
    expect('problems' in freezing && freezing.problems.at(-1)?.message).toContain('950 more files')
  })

  test('takes md5 where there is no adler32, and the first PFN that leads below the root', () => {
    const file = fileOf('raw', 'f1', 10, null)
    const pfns = ['root://h//disk/f1', 'file:///elsewhere/f1', 'file:///disk/f1', 'file:///disk/second']
    const replica = { ...replicaOf(file), md5: MD5.toUpperCase(), pfns: new Map([['DISK', pfns]]) }
    const freezing = freeze({ files: [file], replicas: [replica] }, { length: 1, bytes: 10 })
    expect(freezing).toMatchObject({
      content: { entries: [{ adler32: null, md5: MD5, pfn: 'file:///disk/f1', path: '/disk/f1' }] },
    })
  })

  test('takes a replica that is listed twice, as one file of two datasets may be', () => {
    expect(codes(freeze({ replicas: [f1, f2, f2].map(replicaOf) }))).toEqual([])
  })
})

describe('fingerprintOf()', () => {
  test('is the sha256 of the text that is documented', () => {
    const text = 'raw:a:10:0000000a\nraw:b::\n'
    const files = [{ ...fileOf('raw', 'b', 0, null), bytes: null }, fileOf('raw', 'a', 10, 'A')]
    expect(fingerprintOf(files)).toBe(createHash('sha256').update(text).digest('hex'))
  })

  test('differs as soon as a file is added, removed, or another', () => {
    const all = [
      [],
      [f1],
      [f1, f2],
      [f1, f1],
      [f1, { ...f2, bytes: 21 }],
      [f1, { ...f2, adler32: '2' }],
      [f1, fileOf('u', 'f2', 20)],
    ].map(fingerprintOf)
    expect(new Set(all).size).toBe(all.length)
  })
})

test('normalAdler32() pads and lowers, and takes nothing else', () => {
  expect(['CC737EB', '0cc737eb', '1', '', '0x1', '123456789', null].map(normalAdler32)).toEqual(
    ['0cc737eb', '0cc737eb', '00000001', null, null, null, null], // prettier-ignore
  )
})

test('normalMd5() lowers, and takes nothing else', () => {
  expect([MD5.toUpperCase(), MD5.slice(1), '', null].map(normalMd5)).toEqual([MD5, null, null, null])
})
