import { expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { errnoOf } from './errno.ts'

test('errnoOf() names the errors that Node does not know, too', () => {
  const thrown = (call: () => unknown): unknown => {
    try {
      return call()
    } catch (error) {
      return error
    }
  }
  expect(errnoOf(thrown(() => readFileSync('/nowhere')))).toBe('ENOENT')
  const unknown = (number: number) =>
    Object.assign(new Error(), { code: `Unknown system error -${number}`, errno: -number })
  expect([116, 122, 9999].map((number) => errnoOf(unknown(number)))).toEqual([
    'ESTALE',
    'EDQUOT',
    'Unknown system error -9999',
  ])
  expect(errnoOf(Object.assign(new Error(), { code: 'UNKNOWN', errno: -122 }))).toBe('EDQUOT')
  expect([null, 'ENOENT', new Error('x'), { code: 5 }].map(errnoOf)).toEqual([null, null, null, null])
})
