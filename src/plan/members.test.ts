import { describe, expect, test } from '@jest/globals'
import type { Entry } from '../model/target.ts'
import { memberProblems } from './members.ts'

const manifest = '.tape-rse/manifest.json'
const entry = (did: string): Entry => {
  const [scope, name] = did.split(/:(.*)/su) as [string, string]
  return { did: { scope, name }, bytes: 1, adler32: '00010001', md5: null, pfn: `file:///${name}`, path: `/${name}` }
}
const problems = (...dids: string[]) => memberProblems(dids.map(entry), manifest)

describe('memberProblems()', () => {
  test('finds nothing wrong with ordinary names', () => {
    expect(problems('raw:a', 'raw:b/c', 'raw:b/d', 'raw:b.c')).toEqual([])
  })

  test('names both sides of one name from two scopes', () => {
    const [problem] = problems('raw:x', 'user:x')
    expect(problem).toMatchObject({ code: 'NAME_CLASH' })
    expect(problem!.message).toContain('raw:x')
    expect(problem!.message).toContain('user:x')
    expect(problem!.hint).not.toBe('')
  })

  test('names both sides of a file that would be a directory of another', () => {
    const [problem] = problems('raw:a', 'raw:a/b/c')
    expect(problem!.message).toContain('raw:a ')
    expect(problem!.message).toContain('raw:a/b/c')
  })

  test.each(['raw:.tape-rse/manifest.json', 'raw:.tape-rse', 'raw:.tape-rse/manifest.json/x'])(
    'keeps %s from the manifest’s place',
    (did) => {
      expect(problems(did).map((problem) => problem.code)).toContain('NAME_CLASH')
    },
  )

  test.each(['raw:/abs', 'raw:a/../b', 'raw:./a', 'raw:a//b', 'raw:a\\b', 'raw:C:x', 'raw:a\u0000b', 'raw:a\u001bb'])(
    'refuses %j as unsafe',
    (did) => {
      expect(problems(did).map((problem) => problem.code)).toEqual(['NAME_UNSAFE'])
    },
  )

  test('counts what would be a very long list', () => {
    const many = problems(...Array.from({ length: 500 }, (_, i) => `raw:/x${i}`))
    expect(many).toHaveLength(51)
    expect(many.at(-1)!.message).toContain('450 more')
  })
})
