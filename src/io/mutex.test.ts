import { expect, test } from '@jest/globals'
import { mutex } from './mutex.ts'

test('mutex() runs one after the other, in order, also after a failure', async () => {
  const alone = mutex()
  const happened: string[] = []
  const step = (name: string, fails = false) =>
    alone(async () => {
      happened.push(`${name} begins`)
      await new Promise((resolve) => setTimeout(resolve, 2))
      happened.push(`${name} ends`)
      if (fails) throw new Error(name)
    })
  const results = await Promise.allSettled([step('a'), step('b', true), step('c')])
  expect(happened).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})
