import { expect, test } from '@jest/globals'
import { misreadBySearch } from './rse.ts'

test.each([
  '*',
  '%',
  'TAPE*',
  'TAPE_%',
  'SITE_TRUE',
  'UNTRUE',
  'falsetto',
  'true',
  '12#',
  "'a'#",
  '',
  'TAPE:1',
  'TAPE 1',
  'TAPE\n',
])('misreadBySearch() refuses %j', (rse) => {
  expect(misreadBySearch(rse)).toEqual(expect.any(String))
})

test.each(['SLAC_RAW_TAPE', 'TAPE', 'CERN-PROD.TAPE-1', '42', '2026-01-01', 'TRUST', 'True', 'None'])(
  'misreadBySearch() takes %j, which ":need" makes a string',
  (rse) => {
    expect(misreadBySearch(rse)).toBeNull()
  },
)
