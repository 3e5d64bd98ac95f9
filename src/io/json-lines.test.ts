import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readJsonLines } from './json-lines.ts'

async function* pieces(text: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b)
  let start = 0
  for (const end of ends) {
    yield await Promise.resolve(text.subarray(start, end))
    start = end
  }
}

async function read(text: string | Uint8Array, cuts: readonly number[] = []): Promise<unknown[]> {
  const values: unknown[] = []
  await readJsonLines(pieces(Buffer.from(text), cuts), (value) => values.push(value))
  return values
}

test('readJsonLines() gives every value in order, wherever the bytes are cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue()), fc.array(fc.nat()), async (values, cuts) => {
      const lines = values.map((value) => JSON.stringify(value))
      const text = lines.map((line) => `${line}\n`).join('')
      const expected = lines.map((line) => JSON.parse(line) as unknown)
      expect(await read(text, cuts)).toEqual(expected)
    }),
  )
})

test('readJsonLines() throws when the text ends in the middle of a line, wherever', async () => {
  const text = Buffer.from('{"name":"käse"}\n"b"\n')
  for (let end = 1; end < text.length; end++) {
    const reading = read(text.subarray(0, end))
    if (text[end - 1] === 0x0a) await expect(reading).resolves.toHaveLength(1)
    else await expect(reading).rejects.toThrow()
  }
})

test('readJsonLines() names the line that is not JSON', async () => {
  await expect(read('1\n\nTraceback (most recent call last)\n')).rejects.toThrow(/^line 3 is not JSON$/)
})

test('readJsonLines() takes an empty text as no values', async () => {
  await expect(read('')).resolves.toEqual([])
})
