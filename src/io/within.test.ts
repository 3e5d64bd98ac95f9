import { getEventListeners } from 'node:events'
import { expect, test } from '@jest/globals'
import { singly, within } from './within.ts'

const hanging = new Promise<never>(() => undefined)
const never = new AbortController().signal

test('within() gives what is there in time, and leaves nothing behind', async () => {
  expect(await within(Promise.resolve(1), 60_000, never)).toBe(1)
  await expect(within(Promise.reject(new Error('broken')), 60_000, never)).rejects.toThrow('broken')
  expect(getEventListeners(never, 'abort')).toEqual([])
})

test('within() gives up what takes too long, or is no longer wanted', async () => {
  await expect(within(hanging, 5, never)).rejects.toThrow('no answer within 0.005 s')
  const stop = new AbortController()
  const given = within(hanging, 60_000, stop.signal)
  stop.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  await expect(within(hanging, 60_000, stop.signal)).rejects.toThrow('enough')
})

test('singly() begins again only when the last one has ended', async () => {
  let begun = 0
  const works: ((value: number) => void)[] = []
  const work = singly(() => {
    begun++
    return new Promise<number>((resolve) => works.push(resolve))
  })
  const both = [work(), work()]
  works[0]!(7)
  expect(await Promise.all(both)).toEqual([7, 7])
  expect(begun).toBe(1)
  const next = work()
  works[1]!(8)
  expect(await next).toBe(8)
})
