import { describe, expect, test } from '@jest/globals'
import type { Entry } from '../model/target.ts'
import { differenceText } from './difference.ts'

const entry = (name: string, more: Partial<Entry> = {}): Entry => ({
  did: { scope: 'raw', name },
  bytes: 10,
  adler32: '00000001',
  md5: null,
  pfn: `file:///${name}`,
  path: `/${name}`,
  ...more,
})

describe('differenceText()', () => {
  test('names what was added, removed and replaced', () => {
    const before = [entry('kept'), entry('gone'), entry('other')]
    const after = [entry('kept'), entry('other', { adler32: '00000002' }), entry('new')]
    expect(differenceText(before, after)).toBe(
      '1 file was added (new), 1 file was removed (gone), 1 file has other bytes (other)',
    )
  })

  test('names a few of many', () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map((name) => entry(name))
    expect(differenceText([], many)).toBe('5 files were added (a, b, c and 2 more)')
    expect(differenceText(many, [])).toBe('5 files were removed (a, b, c and 2 more)')
  })

  test('takes a checksum that only one side knows for no difference, and a scope for one', () => {
    expect(differenceText([entry('a')], [entry('a', { adler32: null, md5: 'x' })])).toBe('it has the same files')
    const elsewhere = entry('a', { did: { scope: 'user', name: 'a' } })
    expect(differenceText([entry('a')], [elsewhere])).toBe('1 file was added (a), 1 file was removed (a)')
  })
})
