import { createHash } from '../io/hash.ts'
import { crc32 } from '@node-rs/crc32'
import { adler32, adler32Combine, hex32 } from '../io/adler32.ts'

/** What is known of a file's content, and so what proves it: adler32, or md5 where there is no adler32. */
export interface KnownSums {
  readonly adler32: string | null
  readonly md5: string | null
}

/** The running checksums of one file. */
export interface Sums {
  /** Takes the next bytes; returns their own adler32. */
  add(bytes: Buffer): number
  crc32(): number
  /** "adler32 is …, Rucio says …" if the bytes are not those that are known; else null. Call it once, at the end. */
  difference(): string | null
}

export function sumsOf(known: KnownSums): Sums {
  // md5 is three times as slow as everything else together: only where it is all there is.
  const md5 = known.adler32 === null ? createHash('md5') : null
  let crc = 0
  let adler = 1
  return {
    add(bytes) {
      const own = adler32(bytes)
      adler = adler32Combine(adler, own, bytes.length)
      crc = crc32(bytes, crc)
      md5?.update(bytes)
      return own
    },
    crc32: () => crc,
    difference() {
      if (md5 !== null) {
        const digest = md5.digest('hex')
        return digest === known.md5 ? null : `md5 is ${digest}, Rucio says ${known.md5 ?? 'nothing'}`
      }
      return hex32(adler) === known.adler32
        ? null
        : `adler32 is ${hex32(adler)}, Rucio says ${known.adler32 ?? 'nothing'}`
    },
  }
}
