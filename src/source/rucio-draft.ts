import type { Did } from '../model/did.ts'
import { formatDid } from '../model/did.ts'
import type { Problem } from '../model/errors.ts'
import type { Sighting } from '../model/target.ts'
import type { RucioClient } from '../rucio/client.ts'
import { fingerprintOf } from './rucio-checksum.ts'
import { atMost, contentOf, entriesOf, type Disk } from './rucio-content.ts'
import { list } from './rucio-freeze.ts'
import type { Freezing } from './source.ts'

/** A dataset as it would be frozen now, were it closed and tagged. */
export interface Draft {
  readonly sighting: Sighting
  /** It still changes: this is what is in it at the moment. */
  readonly open: boolean
  readonly freezing: Freezing
}

/**
 * Reads the content of a dataset, open or closed, tagged or not.
 * @returns a problem if there is no such dataset
 */
export async function draft(
  client: RucioClient,
  did: Did,
  disk: Disk,
  tag: string,
  now: Date,
  signal: AbortSignal,
): Promise<Draft | { readonly problem: Problem }> {
  const metadata = await client.metadata(did, signal)
  if (metadata === null)
    return { problem: noDataset(did, 'Rucio knows no such DID', 'Check how scope and name are spelled; case counts.') }
  if (metadata.type !== 'DATASET')
    return {
      problem: noDataset(
        did,
        `it is a ${metadata.type.toLowerCase()}`,
        'Plan the datasets themselves: nothing else is archived.',
      ),
    }
  const listing = (await list(client, [did], disk, signal)).listings[0]!
  const { closedAt, length, bytes, open } = metadata
  if (!open) {
    const sighting = { did, waiting: null, closedAt, length, bytes }
    return { sighting, open, freezing: contentOf(sighting, listing, disk, tag) }
  }
  // While it is open, what was counted at its last closing says nothing of it.
  const { entries, problems } = entriesOf(did, listing, disk)
  const sum = entries.reduce((total, entry) => total + entry.bytes, 0)
  const sighting = { did, waiting: null, closedAt: now, length: entries.length, bytes: sum }
  const empty = noDataset(did, 'it has no files', 'Attach its files.')
  const [first, ...more] =
    entries.length + problems.length === 0 ? [{ ...empty, code: 'DATASET_EMPTY' as const }] : atMost(problems)
  if (first !== undefined) return { sighting, open, freezing: { problems: [first, ...more] } }
  const content = { entries, bytes: sum, closedAt: now, fingerprint: fingerprintOf(listing.files), metadata: {} }
  return { sighting, open, freezing: { content } }
}

const noDataset = (did: Did, what: string, hint: string): Problem => ({
  code: 'DID_GONE',
  message: `Cannot plan ${formatDid(did)}: ${what}`,
  hint,
})
