import { didKey } from '../model/did.ts'
import type { Entry } from '../model/target.ts'
import type { ListedReplica } from '../rucio/answers.ts'
import type { RucioClient } from '../rucio/client.ts'
import { normalAdler32, normalMd5 } from './rucio-checksum.ts'

/** A file of an archived dataset, and where else Rucio has it. */
export interface Copies {
  readonly entry: Entry
  /** RSEs with an AVAILABLE replica of these very bytes, but for the tape RSE of the archive itself. */
  readonly rses: readonly string[]
}

/** Asks Rucio where the files of an archive are besides. Answers in the order of the question. */
export async function copiesOf(
  client: RucioClient,
  entries: readonly Entry[],
  tapeRse: string,
  signal: AbortSignal,
): Promise<readonly Copies[]> {
  const unique = new Map(entries.map(({ did }) => [didKey(did), did]))
  const listed = await client.replicasOfFiles([...unique.values()], signal)
  const lines = Map.groupBy(listed, ({ did }) => didKey(did))
  return entries.map((entry) => {
    const same = (lines.get(didKey(entry.did)) ?? []).filter((line) => isSame(entry, line))
    const rses = same.flatMap(({ states }) =>
      [...states].flatMap(([rse, state]) => (state === 'AVAILABLE' ? [rse] : [])),
    )
    return { entry, rses: [...new Set(rses)].filter((rse) => rse !== tapeRse).sort() }
  })
}

/** The same size, and the same checksums as far as both sides know them: at least one. */
function isSame(entry: Entry, { bytes, adler32, md5 }: ListedReplica): boolean {
  const pairs = [
    [entry.adler32, normalAdler32(adler32)],
    [entry.md5, normalMd5(md5)],
  ].filter(([ours, theirs]) => ours !== null && theirs !== null)
  return bytes === entry.bytes && pairs.length > 0 && pairs.every(([ours, theirs]) => ours === theirs)
}
