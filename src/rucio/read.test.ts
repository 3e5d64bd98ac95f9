import { expect, test } from '@jest/globals'
import { atMost } from './read.ts'

test('atMost() passes so many bytes on, and breaks the rest off', async () => {
  const source = { ended: false }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let i = 0; i < 5; i++) yield await Promise.resolve(Buffer.from('abcd'))
    } finally {
      source.ended = true
    }
  }
  const read = async (maxBytes: number): Promise<string> => {
    let text = ''
    for await (const chunk of atMost(chunks(), maxBytes)) text += Buffer.from(chunk).toString()
    return text
  }
  expect(await read(20)).toHaveLength(20)
  source.ended = false
  await expect(read(19)).rejects.toThrow('longer than 19 bytes')
  expect(source.ended).toBe(true)
})
