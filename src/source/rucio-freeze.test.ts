import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { batchesByFiles } from './rucio-freeze.ts'

test('batchesByFiles() keeps every dataset once, in order, fifty at most and no more files than one answer takes', () => {
  const datasets = fc.array(fc.record({ length: fc.option(fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 30_000 }))) }), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(datasets, (datasets) => {
      const batches = batchesByFiles(datasets)
      expect(batches.flat()).toEqual(datasets)
      for (const batch of batches) {
        const files = batch.reduce((sum, { length }) => sum + (length ?? 0), 0)
        expect(batch.length >= 1 && batch.length <= 50).toBe(true)
        expect(batch.length === 1 || files <= 20_000).toBe(true)
      }
    }),
  )
})
