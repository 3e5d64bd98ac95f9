import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { pace } from './pace.ts'

test('keeps to the pace, whatever the sizes and however long the work takes, and says that it lives', () => {
  const step = fc.record({ bytes: fc.integer({ min: 0, max: 1e7 }), workMs: fc.integer({ min: 0, max: 500 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1e5, max: 1e9 }), fc.array(step, { maxLength: 20 }), (rate, steps) => {
      let now = 1000
      let lived = now
      const clock = () => now
      const sleep = (ms: number) => {
        expect(ms).toBeGreaterThan(0)
        now += ms
        expect(now - lived).toBeLessThanOrEqual(200 + 1e-6)
      }
      const keep = pace(rate, { clock, sleep }, () => (lived = now))
      let moved = 0
      let worked = 0
      for (const { bytes, workMs } of steps) {
        now += workMs
        worked += workMs
        keep(bytes)
        moved += bytes
        // Never ahead of the pace; and no later than the work itself, or the pace, makes it.
        expect(now - 1000).toBeGreaterThanOrEqual((1000 * moved) / rate - 1e-6)
        expect(now - 1000).toBeLessThanOrEqual((1000 * moved) / rate + worked + 1e-6)
      }
    }),
  )
})
