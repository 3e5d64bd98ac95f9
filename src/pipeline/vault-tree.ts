import { anyMover, type Movers, type ReadingSettings, type VaultEntry } from '../model/order.ts'

/** Directories that one order looks into. */
const batch = 50

/** Everything in a vault but its directories. It is not promised that what comes or goes meanwhile is seen. */
export async function everything(
  vault: ReadingSettings,
  movers: Movers,
  signal: AbortSignal,
): Promise<readonly VaultEntry[]> {
  const found: VaultEntry[] = []
  let open = ['']
  while (open.length > 0) {
    const directories = open.slice(0, batch)
    open = open.slice(batch)
    const { answer } = await movers.run<'list'>({ kind: 'list', vault, directories }, anyMover, signal)
    for (const entry of answer.found) {
      if (entry.kind === 'directory') open.push(entry.path)
      else found.push(entry)
    }
  }
  return found
}
