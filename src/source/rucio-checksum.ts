import { createHash } from 'node:crypto'
import type { ListedFile } from '../rucio/answers.ts'

/** As we compare it: 8 lower-case hex digits; null for none, or for what cannot be an adler32. Some clients drop leading zeros. */
export const normalAdler32 = (text: string | null): string | null =>
  text !== null && /^[0-9a-f]{1,8}$/i.test(text) ? text.toLowerCase().padStart(8, '0') : null

/** As we compare it: 32 lower-case hex digits; null for none, or for what cannot be an md5. */
export const normalMd5 = (text: string | null): string | null =>
  text !== null && /^[0-9a-f]{32}$/i.test(text) ? text.toLowerCase() : null

/**
 * The identity of a dataset's content: sha256, in hex, over one line a file, `scope:name:bytes:adler32` and a newline, with
 * bytes in decimal and adler32 as 8 lower-case hex digits, each empty where Rucio has none. Lines are sorted by UTF-16 code unit
 * (for the ASCII that Rucio's schema allows: as `LC_ALL=C sort` does).
 */
export function fingerprintOf(files: readonly Pick<ListedFile, 'did' | 'bytes' | 'adler32'>[]): string {
  const lines = files.map(
    ({ did, bytes, adler32 }) => `${did.scope}:${did.name}:${bytes ?? ''}:${normalAdler32(adler32) ?? ''}\n`,
  )
  return createHash('sha256').update(lines.sort().join('')).digest('hex')
}
