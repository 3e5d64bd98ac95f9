import { readJsonLines } from '../io/json-lines.ts'
import { TapeRseError } from '../model/errors.ts'
import { brokenAnswer, errorOfRefusal, interrupted } from './errors.ts'
import type { HttpAnswer } from './http.ts'

/** Most of a refusal that is read; Rucio's longest known is 174 kB. */
const MAX_REFUSAL = 2 ** 20
/** Most of an answer that is one JSON value. */
const MAX_JSON = 64 * 2 ** 20
/** Most of an answer in lines: two million replicas. */
const MAX_LINES = 2 ** 30

/** Reads a refusal and throws what it means. */
export async function refuse(what: string, answer: HttpAnswer, secrets: readonly string[], now: Date): Promise<never> {
  const text = await readText(answer.body, MAX_REFUSAL).catch(() => '') // its headers say enough
  throw errorOfRefusal(what, { ...answer, text }, secrets, now)
}

/** @throws TapeRseError RUCIO_BROKEN_ANSWER; INTERRUPTED */
export async function readJson(what: string, answer: HttpAnswer, signal: AbortSignal): Promise<unknown> {
  const text = await whole(what, () => readText(answer.body, MAX_JSON), signal)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw brokenAnswer(what, text === '' ? 'it is empty' : 'it is not JSON', false, cause)
  }
}

/**
 * Reads one JSON value a line and parses each.
 * @throws TapeRseError RUCIO_BROKEN_ANSWER at the first line that is cut, not JSON, or not what `parse` takes; INTERRUPTED
 */
export async function readLines<T>(
  what: string,
  answer: HttpAnswer,
  parse: (value: unknown) => T,
  signal: AbortSignal,
): Promise<T[]> {
  const values: T[] = []
  await whole(what, () => readJsonLines(atMost(answer.body, MAX_LINES), (value) => values.push(parse(value))), signal)
  return values
}

/** Reads to the end and drops it, so that the connection can be used again. */
export const skip = (what: string, answer: HttpAnswer, signal: AbortSignal): Promise<unknown> =>
  whole(what, () => readText(answer.body, MAX_JSON), signal)

async function whole<T>(what: string, reading: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await reading()
  } catch (error) {
    if (signal.aborted) throw interrupted(what)
    if (error instanceof TapeRseError) throw error
    // Only the text of the error: an aborted stream may fail with an AxiosError, which holds the request.
    throw brokenAnswer(what, error instanceof Error ? error.message : String(error), true)
  }
}

async function readText(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of atMost(chunks, maxBytes)) parts.push(chunk)
  return Buffer.concat(parts).toString('utf8')
}

/** @throws {Error} once there are more bytes */
export async function* atMost(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`it is longer than ${maxBytes} bytes`)
    yield chunk
  }
}
