import { expect, test } from '@jest/globals'
import { rereading } from './rereading.ts'

function setUp() {
  const file = { stamp: 'a', value: {} as object | null, reads: 0, looks: 0, now: 0 }
  const source = rereading({
    stamp: () => {
      file.looks++
      return Promise.resolve(file.stamp)
    },
    read: () => {
      file.reads++
      return file.value === null ? Promise.reject(new Error('half written')) : Promise.resolve(file.value)
    },
    everyMs: 100,
    clock: () => file.now,
  })
  return { file, get: source.current, renewed: source.renewed }
}

test('rereading() reads once while the stamp stays, and looks at it now and then', async () => {
  const { file, get } = setUp()
  const [one, two] = await Promise.all([get(), get()])
  expect(one).toBe(two)
  await get()
  expect(file).toMatchObject({ reads: 1, looks: 1 })
  file.now = 100
  expect(await get()).toBe(one)
  expect(file).toMatchObject({ reads: 1, looks: 2 })
})

test('rereading() reads again when the stamp has changed, at once where asked to look', async () => {
  const { file, get, renewed } = setUp()
  const before = await get()
  Object.assign(file, { stamp: 'b', value: {} })
  expect(await get()).toBe(before)
  expect(await renewed()).toBe(file.value)
})

test('rereading() fails while what is there cannot be read, and then goes on', async () => {
  const { file, get } = setUp()
  await get()
  Object.assign(file, { stamp: 'b', value: null, now: 100 })
  await expect(get()).rejects.toThrow('half written')
  await expect(get()).rejects.toThrow('half written')
  file.value = {}
  expect(await get()).toBe(file.value)
})
