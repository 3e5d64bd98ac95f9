import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { RucioError } from './errors.ts'
import { backOffMs, persist, sleep } from './retry.ts'

const never = new AbortController().signal
const passing = (afterMs: number | null = null): RucioError =>
  new RucioError('RUCIO_OVERLOADED', 'busy', { again: true, afterMs })

/** Runs `persist` over failures that come in order, then success. */
async function run(
  failures: readonly Error[],
  signal = never,
): Promise<{ tries: number; slept: number[]; error: unknown }> {
  const slept: number[] = []
  let tries = 0
  const attempt = async (): Promise<void> => {
    const failure = failures[tries++]
    await Promise.resolve()
    if (failure !== undefined) throw failure
  }
  const nap = async (ms: number): Promise<void> => {
    await Promise.resolve(slept.push(ms))
  }
  const error = await persist('do it', attempt, { sleep: nap, random: () => 0 }, signal).catch(
    (error: unknown) => error,
  )
  return { tries, slept, error }
}

test('backOffMs() doubles from a quarter of a second to ten, less at most half', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, random) => {
        const full = backOffMs(n, () => 0)
        expect(full).toBe(Math.min(10_000, 125 * 2 ** n))
        const ms = backOffMs(n, () => random)
        expect(ms <= full && ms >= full / 2).toBe(true)
      },
    ),
  )
})

test('persist() tries again, longer and longer apart, until it succeeds', async () => {
  expect(await run([passing(), passing(), passing()])).toEqual({ tries: 4, slept: [250, 500, 1000], error: undefined })
})

test('persist() gives up after five tries, with the last error', async () => {
  const last = passing()
  expect(await run([passing(), passing(), passing(), passing(), last, passing()])).toMatchObject({
    tries: 5,
    error: last,
  })
})

test('persist() does not repeat what will fail again, nor a bug', async () => {
  const lasting = new RucioError('RUCIO_REFUSED', 'no', {})
  expect(await run([lasting])).toEqual({ tries: 1, slept: [], error: lasting })
  const bug = new TypeError('bug')
  expect(await run([bug])).toEqual({ tries: 1, slept: [], error: bug })
})

test('persist() honours Retry-After, and gives up where it would be long', async () => {
  expect(await run([passing(7000)])).toMatchObject({ tries: 2, slept: [7000] })
  const long = passing(3_600_000)
  expect(await run([long])).toEqual({ tries: 1, slept: [], error: long })
})

test('persist() is interrupted before a try and while it sleeps', async () => {
  expect(await run([], AbortSignal.abort())).toMatchObject({ tries: 0, error: { code: 'INTERRUPTED' } })
  const stop = new AbortController()
  const failing = persist('do it', () => Promise.reject(passing()), { sleep, random: () => 0 }, stop.signal)
  stop.abort()
  await expect(failing).rejects.toMatchObject({ code: 'INTERRUPTED' })
})
