import type { Did } from '../model/did.ts'
import { dispositionOf, TapeRseError } from '../model/errors.ts'
import { inBatches } from '../rucio/batches.ts'
import type { RucioClient } from '../rucio/client.ts'
import type { Telling } from './source.ts'

/** One transaction sets them all; so many cost Rucio about as much as one. */
const MAX_TOLD = 50

/** The metadata by which a dataset asks for archiving, and is told of it. Others compare these strings: they are exact. */
export interface Tag {
  readonly key: string
  readonly need: Need
  readonly done: Done
}
/** `<tape RSE>:need` */
type Need = `${string}:need`
/** `<tape RSE>:done` */
type Done = `${string}:done`

export const tagFor = (key: string, tapeRse: string): Tag => ({ key, need: `${tapeRse}:need`, done: `${tapeRse}:done` })

/**
 * Sets the tag of each DID. Rucio takes a batch as a whole or not at all, so a refused one is halved until the culprit stands
 * alone with its error. Answers in the order of the question.
 * @throws TapeRseError when Rucio as a whole is at fault; some may have been told then
 */
export async function tell(
  client: RucioClient,
  dids: readonly Did[],
  key: string,
  value: Need | Done,
  signal: AbortSignal,
): Promise<readonly Telling[]> {
  const tellings: Telling[] = []
  for (const batch of inBatches(dids, MAX_TOLD))
    tellings.push(...(await tellBatch(client, batch, { [key]: value }, signal)))
  return tellings
}

async function tellBatch(
  client: RucioClient,
  dids: readonly Did[],
  values: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly Telling[]> {
  try {
    await client.setMetadata(
      dids.map((did) => ({ did, values })),
      signal,
    )
    return dids.map(() => ({ told: true }))
  } catch (error) {
    if (!(error instanceof TapeRseError) || isOfTheSite(error)) throw error
    // A failed transaction may be the fault of one DID or of a database that is down: then reading fails as well.
    if (error.code === 'RUCIO_FAILED') await client.bulkColumns(dids, signal)
    if (dids.length === 1) return [{ told: false, error }]
    const tellings: Telling[] = []
    for (const half of inBatches(dids, Math.ceil(dids.length / 2))) {
      tellings.push(...(await tellBatch(client, half, values, signal)))
    }
    return tellings
  }
}

/** Whether an error says nothing of the thing that was asked about. */
export const isOfTheSite = (error: unknown): boolean => ['pause', 'stop'].includes(dispositionOf(error))
