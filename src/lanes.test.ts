import { describe, expect, test } from '@jest/globals'
import { runLanes, type LaneRules, type Work } from './lanes.ts'

const never = new AbortController().signal
const rethrow = (error: unknown) => {
  throw error
}
const rules: LaneRules = { napMs: 5, whenIdle: 'end', onError: rethrow }
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Work that is done so many times. */
const times = (count: number, what: () => unknown): Work => {
  let left = count
  return async () => {
    if (left === 0) return false
    left--
    await pause(1)
    what()
    return true
  }
}

describe('runLanes()', () => {
  test('ends when all lanes are idle at once: what one did is work for another', async () => {
    let made = 0
    let used = 0
    const maker = times(3, () => made++)
    const user: Work = () => Promise.resolve(used < made && ++used > 0)
    expect(await runLanes([user, maker], rules, never)).toEqual([])
    expect([made, used]).toEqual([3, 3])
  })

  test('waits for work until it is stopped, and finishes what is in flight', async () => {
    const stop = new AbortController()
    let begun = 0
    let finished = 0
    const slow: Work = async () => {
      begun++
      await pause(20)
      finished++
      return true
    }
    const lanes = runLanes([slow, () => Promise.resolve(false)], { ...rules, whenIdle: 'wait' }, stop.signal)
    await pause(30)
    stop.abort()
    await lanes
    expect(finished).toBe(begun)
    expect(begun).toBeGreaterThan(0)
  })

  test('does not end lanes that wait, though all of them are idle', async () => {
    const stop = new AbortController()
    let looks = 0
    const look: Work = () => Promise.resolve(++looks < 0)
    const lanes = runLanes([look], { ...rules, whenIdle: 'wait' }, stop.signal)
    while (looks < 3) await pause(1)
    stop.abort()
    expect(await lanes).toEqual([])
  })

  test('begins nothing more after an error, finishes what is in flight, and tells all errors', async () => {
    const [first, second] = [new Error('first'), new Error('second')]
    let begun = 0
    const failing: Work = () => Promise.reject(first)
    const slow: Work = async () => {
      begun++
      await pause(10)
      throw second
    }
    expect(await runLanes([slow, failing], rules, never)).toEqual([first, second])
    expect(begun).toBe(1)
  })

  test('goes on after an error that onError takes', async () => {
    let failures = 2
    const flaky: Work = () => (failures-- > 0 ? Promise.reject(new Error('again')) : Promise.resolve(false))
    const heard: unknown[] = []
    const onError = (error: unknown) => Promise.resolve(void heard.push(error))
    expect(await runLanes([flaky], { ...rules, onError }, never)).toEqual([])
    expect(heard).toHaveLength(2)
  })
})
