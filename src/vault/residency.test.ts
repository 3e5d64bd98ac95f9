import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { recallBy, residencies, residencyOfLevels } from './residency.ts'

describe('residencyOfLevels()', () => {
  test.each([
    ['0:disk:4:;1:tape:nodata:', 'disk'],
    ['0:disk:4:;1:tape:4:PV000001', 'both'],
    ['0:disk:nodata:;1:tape:4:PV000001', 'tape'],
    ['0:disk:nodata:;1:tape:nodata:;2:tape:4:PV000002', 'tape'],
    ['0:disk:3:;1:tape:2:PV', 'unknown'],
    ['0:disk:nodata:;1:tape:3:PV', 'unknown'],
    ['', 'unknown'],
    ['something else', 'unknown'],
  ])('%s', (text, residency) => expect(residencyOfLevels(text, 4)).toBe(residency))

  test('never says tape of what no level of tape holds whole', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!/[1-9]\d*:[^;]*:17/u.test(text)) expect(['disk', 'unknown']).toContain(residencyOfLevels(text, 17))
      }),
    )
  })
})

describe('a command', () => {
  const answering = (script: string) => ['sh', '-c', script, 'probe'] as const
  test('answers with a line for each path', () => {
    const probe = {
      kind: 'command',
      command: answering('for p; do case $p in *a) echo tape;; *) echo both;; esac; done'),
    } as const
    expect(residencies(probe, ['/v/a', '/v/b'])).toEqual(['tape', 'both'])
  })
  test.each([
    ['too few lines', 'echo tape', 'RESIDENCY_FAILED', /answered with 1 lines/u],
    ['another word', 'echo tape; echo drawer', 'RESIDENCY_FAILED', /answered with 2 lines/u],
    ['an error', 'echo "no such server" >&2; exit 3', 'RESIDENCY_FAILED', /exit code 3: no such server/u],
  ])('that gives %s is refused', (_, script, code, message) => {
    expect(() => residencies({ kind: 'command', command: answering(script) }, ['/v/a', '/v/b'])).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as never }),
    )
  })
  test('that is not there, or fails, asks for nothing', () => {
    const failed = expect.objectContaining({ code: 'RECALL_FAILED' }) as unknown as Error
    expect(() => recallBy(['/not/there'], ['/v/a'])).toThrow(failed)
    expect(() => recallBy(answering('exit 1'), ['/v/a'])).toThrow(failed)
    expect(() => recallBy(answering('test "$2" = /v/b'), ['/v/a', '/v/b'])).not.toThrow()
  })
})
