/** Longest line taken, in UTF-16 code units: a peer that never ends a line must not fill the memory. */
const MAX_LINE = 64 * 2 ** 20

/**
 * Reads newline-delimited JSON and hands each value to `take`, in order. Empty lines are skipped.
 * @throws {Error} at a line that is not UTF-8 or not JSON, and at a last line without its newline: the text was cut short then.
 * A text cut exactly between two lines cannot be told from a whole one.
 */
export async function readJsonLines(chunks: AsyncIterable<Uint8Array>, take: (value: unknown) => void): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let number = 0
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    if (rest.length > MAX_LINE) throw new Error(`line ${number + lines.length + 1} is too long`)
    for (const line of lines) {
      number++
      if (line !== '') take(parseLine(line, number))
    }
  }
  rest += decoder.decode()
  if (rest !== '') throw new Error(`line ${number + 1} has no end`)
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new Error(`line ${number} is not JSON`) // not quoted: who knows what is in it
  }
}
