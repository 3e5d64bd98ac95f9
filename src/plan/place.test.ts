import { describe, expect, test } from '@jest/globals'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { locationOf, placeProblems } from './place.ts'

const root = '/hpss/vault'
/** Names as a permissive Rucio policy lets them through, and worse. */
const anyName = fc.oneof(
  fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }),
  fc.stringMatching(/^[A-Za-z0-9._+~/-]{1,80}$/u),
  fc
    .array(fc.constantFrom('..', '.', '', 'a', 'raw', '.x.part'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join('/')),
)
const anyDid = fc.record({
  scope: fc.oneof(fc.constantFrom('raw', '..', '.', 'a/b', '.tape-rse.json'), anyName),
  name: anyName,
})

describe('locationOf()', () => {
  test('names an object after the last part of the dataset’s name', () => {
    expect(locationOf({ scope: 'raw', name: 'Dataset/LSSTCam/MC_O_1' }, 2, 1, 3)).toBe(
      'raw/Dataset/LSSTCam/MC_O_1/MC_O_1.g2.1-3.zip',
    )
  })

  test('never leaves the root, and never makes a component that is too long, for what placeProblems() lets through', () => {
    fc.assert(
      fc.property(
        anyDid,
        fc.integer({ min: 1, max: 999 }),
        fc.integer({ min: 1, max: 999 }),
        (did, generation, parts) => {
          if (placeProblems(did, generation, parts, root).length > 0) return
          const location = locationOf(did, generation, parts, parts)
          expect(resolve(root, location)).toBe(`${root}/${location}`)
          for (const component of location.split('/')) expect(Buffer.byteLength(component)).toBeLessThanOrEqual(255)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('gives two DIDs, generations or parts the same location never', () => {
    const key = fc.tuple(
      anyDid,
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
    )
    fc.assert(
      fc.property(key, key, ([didA, ...a], [didB, ...b]) => {
        fc.pre(placeProblems(didA, a[0], a[2], root).length === 0 && placeProblems(didB, b[0], b[2], root).length === 0)
        const same = didA.scope === didB.scope && didA.name === didB.name && a.join() === b.join()
        expect(locationOf(didA, ...a) === locationOf(didB, ...b)).toBe(same)
      }),
    )
  })
})

describe('placeProblems()', () => {
  const codes = (scope: string, name: string) =>
    placeProblems({ scope, name }, 1, 1, root).map((problem) => problem.code)

  test.each([
    ['raw', 'a/../../b'],
    ['raw', '/abs'],
    ['raw', 'a//b'],
    ['raw', 'a/'],
    ['..', 'a'],
    ['raw', 'a\nb'],
    ['a/b', 'c'],
    ['raw', 'a\ud800'],
  ])('refuses %j:%j as unsafe', (scope, name) => {
    expect(codes(scope, name)).toContain('NAME_UNSAFE')
  })

  test('refuses names that no file system takes', () => {
    expect(codes('raw', 'x'.repeat(256))).toEqual(['NAME_TOO_LONG'])
    expect(codes('raw', 'x'.repeat(230))).toEqual(['NAME_TOO_LONG'])
    expect(codes('raw', 'ab/'.repeat(330) + 'c')).toEqual(['NAME_TOO_LONG'])
  })

  test('refuses what the vault itself uses', () => {
    expect(codes('.tape-rse.json', 'a')).toEqual(['NAME_CLASH'])
    expect(codes('raw', 'a/.a.g1.1-1.zip.1.part')).toEqual(['NAME_CLASH'])
  })

  test('lets the names of the Rubin Observatory through', () => {
    expect(codes('raw', 'Dataset/LSSTCam/raw/Obs/20260101/MC_O_20260101_000123')).toEqual([])
  })
})
