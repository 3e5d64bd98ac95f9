import type { Ask } from './ask.ts'
import type { CatalogLookup, Summary } from './catalog.ts'
import { withFaults } from './faults.ts'
import { openFile } from './file.ts'
import { lookups } from './lookup.ts'
import { summaryOf } from './summary.ts'

/** What a command needs of a catalog that has to answer at once. */
export interface QuickReader extends CatalogLookup {
  summary(now: Date): Promise<Summary>
  close(): void
}

/**
 * Opens an existing catalog to look something up, without kysely: that takes longer to load than `status` or `get` may take.
 * @throws TapeRseError CATALOG_UNUSABLE, as `readCatalog` does
 */
export function openQuickly(file: string): QuickReader {
  const { sqlite, checkRead } = openFile(file, false, true)
  const ask: Ask = <Row>(text: string, values: readonly (string | number)[] = []) =>
    new Promise<readonly Row[]>((resolve) => {
      const rows = withFaults(file, () => sqlite.prepare(text).all(...values) as unknown as readonly Row[])
      checkRead()
      resolve(rows)
    })
  return {
    summary: (now) => summaryOf(ask, now),
    ...lookups(ask),
    close: () => {
      sqlite.close()
    },
  }
}
