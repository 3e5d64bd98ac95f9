import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { didPath, didPathWithSlashes, scopePath, withQuery } from './paths.ts'

/** Any name but those that no URL can carry. */
const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text !== '.' && text !== '..')

test('didPath() survives URL parsing: scope and name come out as they went in', () => {
  fc.assert(
    fc.property(name, name, (scope, name) => {
      const parts = new URL(`http://h${didPath({ scope, name }, 'meta')}`).pathname.split('/')
      expect(parts.map(decodeURIComponent)).toEqual(['', 'dids', scope, name, 'meta'])
    }),
  )
})

test('didPathWithSlashes() survives URL parsing as well, or is not given', () => {
  const slashed = fc.array(fc.constantFrom('a', '.', '..', '%2e%2e', '+ b', ''), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(slashed, (parts) => {
      const path = didPathWithSlashes({ scope: 'raw', name: parts.join('/') }, 'meta')
      if (path === null) expect(parts.length === 1 || parts.includes('.') || parts.includes('..')).toBe(true)
      else {
        const found = new URL(`http://h${path}`).pathname.split('/').map(decodeURIComponent)
        expect(found).toEqual(['', 'dids', 'raw', ...parts, 'meta'])
      }
    }),
  )
})

test.each(['.', '..', ''])('didPath() refuses the name %j, which a URL parser would resolve away', (name) => {
  expect(() => didPath({ scope: 'raw', name }, 'meta')).toThrow(expect.objectContaining({ code: 'NAME_UNSAFE' }))
  expect(() => scopePath(name, 'dids/search')).toThrow(expect.objectContaining({ code: 'NAME_UNSAFE' }))
})

test('withQuery() writes a blank as %20 and a plus as %2B', () => {
  expect(withQuery('/x', { 'a b': '1+2 &' })).toBe('/x?a%20b=1%2B2%20%26')
  expect(withQuery('/x', {})).toBe('/x')
})
