import type { Summary } from './catalog.ts'
import { withFaults } from './faults.ts'
import { openFile } from './file.ts'
import { summaryOf, type Ask } from './summary.ts'

/** What `status` needs of a catalog. */
export interface SummaryReader {
  summary(now: Date): Promise<Summary>
  close(): void
}

/**
 * Opens an existing catalog for its summary alone, without kysely: that takes longer to load than `status` may take.
 * @throws TapeRseError CATALOG_UNUSABLE, as `readCatalog` does
 */
export function openSummary(file: string): SummaryReader {
  const { sqlite } = openFile(file, false, true)
  const ask: Ask = <Row>(text: string) =>
    new Promise<readonly Row[]>((resolve) => {
      resolve(withFaults(file, () => sqlite.prepare(text).all() as unknown as readonly Row[]))
    })
  return {
    summary: (now) => summaryOf(ask, now),
    close: () => {
      sqlite.close()
    },
  }
}
