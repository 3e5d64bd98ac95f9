import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { accessFor, localPath } from './rucio-path.ts'

const plain = { root: '/sdf/data', paths: [] }

test.each([
  ['file://localhost/sdf/data/raw/f', '/sdf/data/raw/f'],
  ['file:///sdf/data/raw/f', '/sdf/data/raw/f'],
  ['file://host.example.org/sdf/data/a b#c?d%20%2e%2e.fits', '/sdf/data/a b#c?d%20%2e%2e.fits'],
  ['file:///sdf/data', null],
  ['file:///sdf/database/f', null],
  ['file:///sdf/data/raw/../../etc/passwd', null],
  ['file:///sdf/data/./f', null],
  ['file:///sdf/data//f', null],
  ['file:///sdf/data/f/', null],
  ['file:///sdf/data/f\0', null],
  ['file:///etc/passwd', null],
  ['root://host:1094//sdf/data/f', null],
  ['/sdf/data/f', null],
])('localPath() of %j is %j', (pfn, path) => {
  expect(localPath(pfn, plain)).toBe(path)
  expect(localPath(pfn, { ...plain, root: '/sdf/data/' })).toBe(path)
})

test.each([
  ['root://host:1094//xrd/raw/f', '/sdf/data/raw/f'],
  ['root://host:1094//xrd/old/raw/f', '/sdf/data/archive/raw/f'],
  ['root://host:1094//xrdother/f', null],
  ['file:///old/f', '/sdf/data/f'],
  ['file:///sdf/data/f', '/sdf/data/f'],
])('localPath() of %j by rules is %j', (pfn, path) => {
  const paths = [
    { pfn: 'root://host:1094//xrd/', local: '/sdf/data/' },
    { pfn: 'root://host:1094//xrd/old', local: '/sdf/data/archive/' },
    { pfn: 'file:///old/', local: '/sdf/data' },
  ]
  expect(localPath(pfn, { root: '/sdf/data', paths })).toBe(path)
  expect(localPath(pfn, { root: '/sdf/data', paths: paths.toReversed() })).toBe(path)
})

test('localPath() never leads out of the root, whatever the parts', () => {
  const part = fc.constantFrom('', '.', '..', 'sdf', 'data', 'x', '%2e%2e')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = localPath(`file://h/sdf/data/${parts.join('/')}`, plain)
      const odd = parts.length === 0 || parts.some((part) => part === '' || part === '.' || part === '..')
      expect(path).toBe(odd ? null : `/sdf/data/${parts.join('/')}`)
    }),
  )
})

test('accessFor() asks for file:// in the LAN, and for the schemes of the rules everywhere', () => {
  expect(accessFor([])).toEqual({ schemes: ['file'], domain: 'lan' })
  const rules = ['root://a//', 'davs://b/', 'root://c//', 'file:///d/'].map((pfn) => ({ pfn, local: '/sdf' }))
  expect(accessFor(rules)).toEqual({ schemes: ['file', 'root', 'davs'], domain: 'all' })
})
