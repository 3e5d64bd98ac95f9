import type { QuietTerminal, Run } from './command.ts'
import type { GetOptions } from './deliver.ts'
import { readingMovers } from './reading-movers.ts'

/**
 * `get DID [DEST]`: reads files out of the objects of a dataset, by what the catalog knows of them, and gives each its name only when
 * its bytes are right. What is there already, and right, is left alone: called again, it goes on where it stopped. `get --from PATH
 * [DEST]`: the same without a catalog, by what the zips say of themselves.
 */
export const get: Run<GetOptions, QuietTerminal> = async (options, terminal, signal) => {
  const movers = readingMovers(options, terminal)
  try {
    movers.warm(options.toStdout === true ? null : terminal.spareMover) // it starts while the rest of this program is loaded, and the catalog asked
    const { deliver } = await import('./deliver.ts')
    return await deliver(options, movers, terminal, signal)
  } finally {
    await movers.close()
  }
}
