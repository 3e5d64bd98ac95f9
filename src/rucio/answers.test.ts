import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseColumns, parseIdentifiedMetadata, parseReplica, parseRucioDate } from './answers.ts'

test('parseRucioDate() reads every second as Rucio writes it', () => {
  const seconds = fc.integer({ min: 0, max: 4_102_444_799 })
  fc.assert(
    fc.property(seconds, (seconds) => {
      const date = new Date(seconds * 1000)
      expect(parseRucioDate(date.toUTCString().replace('GMT', 'UTC'))).toEqual(date)
    }),
  )
})

test.each(['', '2026-11-21T21:42:54Z', 'Sat, 21 Nov 2026 21:42:54 PST', 'Sat, 99 Nov 2026 21:42:54 UTC', '1795297374'])(
  'parseRucioDate() does not take %j',
  (text) => {
    expect(parseRucioDate(text)).toBeNull()
  },
)

test('parseColumns() takes a dataset that was never closed', () => {
  const row = {
    scope: 'raw',
    name: 'ds',
    did_type: 'DATASET',
    is_open: true,
    closed_at: null,
    length: null,
    bytes: null,
  }
  expect(parseColumns({ ...row, suppressed: null, account: 'root' })).toEqual({
    did: { scope: 'raw', name: 'ds' },
    type: 'DATASET',
    open: true,
    closedAt: null,
    length: null,
    bytes: null,
    suppressed: false,
  })
})

test('parseColumns() does not take a closing time that it cannot read for none', () => {
  const row = {
    scope: 'raw',
    name: 'ds',
    did_type: 'DATASET',
    is_open: false,
    closed_at: 'yesterday',
    length: 1,
    bytes: 1,
  }
  expect(() => parseColumns(row)).toThrow('not a date of Rucio: yesterday')
})

test('parseIdentifiedMetadata() takes the DID apart from its metadata', () => {
  const line = { scope: 'raw', name: 'ds', arcBackup: 'TAPE:need', nested: { a: [1] } }
  expect(parseIdentifiedMetadata(line)).toEqual({
    did: { scope: 'raw', name: 'ds' },
    values: { arcBackup: 'TAPE:need', nested: { a: [1] } },
  })
})

test('parseReplica() keeps states and PFNs apart for each RSE', () => {
  const line = {
    scope: 'raw',
    name: 'f',
    bytes: 1,
    adler32: null,
    pfns: {},
    rses: { A: ['p', 'q'] },
    states: { A: 'BAD', B: 'COPYING' },
  }
  const replica = parseReplica(line)
  expect([...replica.states]).toEqual([['A', 'BAD'], ['B', 'COPYING']]) // prettier-ignore
  expect([...replica.pfns]).toEqual([['A', ['p', 'q']]])
  expect(replica.md5).toBeNull()
})

test.each([-1, 1.5, '10'])('parseReplica() does not take %j for a size', (bytes) => {
  expect(() => parseReplica({ scope: 'raw', name: 'f', bytes })).toThrow()
})
