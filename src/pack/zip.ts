import { allocateBlock, blockBytes } from '../io/adler32.ts'
import type { Format } from './format.ts'
import { sumsOf } from './sums.ts'
import { readZipDirectory } from './zip-directory.ts'
import { examineZip, examineZipDeep, readManifestText } from './zip-examine.ts'
import { layoutOf } from './zip-layout.ts'
import { proveZip } from './zip-prove.ts'
import { unpackZip } from './zip-unpack.ts'
import { headOf, outputBytes, writeZip } from './zip-write.ts'

/**
 * Stored zips, written forward only (docs/formats.md). HPSS drops its own checksum of a file that was written with a back-seek,
 * and the usual libraries lose a source that vanishes or is cut short without a word; so this is ours.
 *
 * Holds two blocks of memory, from its first use on: make one for a process, not one for an object.
 */
export function zipFormat(): Format {
  let blocks: { readonly output: Buffer; readonly input: Buffer } | null = null
  const memory = () => (blocks ??= { output: allocateBlock(outputBytes), input: allocateBlock(blockBytes) })
  return {
    overhead: (manifestBytes, files) =>
      layoutOf(manifestBytes, files).bytes - manifestBytes - files.reduce((sum, file) => sum + file.bytes, 0),
    offsets: (manifestBytes, files) => [...layoutOf(manifestBytes, files).offsets.subarray(1)],
    examine: (input, deep, beat) => (deep ? examineZipDeep : examineZip)(input, memory().input, beat),
    sums: sumsOf,
    head: headOf,
    pack: (plan, open, output, beat) => writeZip(plan, memory().output, open, output, beat),
    unpack: (files, time, input, receiverOf, beat) => {
      unpackZip(files, time, memory().input, input, receiverOf, beat)
    },
    manifest: readManifestText,
    directory: readZipDirectory,
    extract: async (members, zip, input, receiverOf, beat) => {
      const { extractMembers } = await import('./zip-extract.ts') // what inflates is seldom wanted
      await extractMembers(members, zip, memory().input, input, receiverOf, beat)
    },
    prove: (plan, input, whole, beat) => proveZip(plan, memory().input, input, whole, beat),
  }
}
