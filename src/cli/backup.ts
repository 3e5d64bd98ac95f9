import { backUpNow } from '../backup.ts'
import { withCatalog } from '../app.ts'
import { failure } from '../model/errors.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { bytesText } from './format.ts'

/** `backup [DIRECTORY]`: backs the catalog up now, beside an agent or without one. */
export const backup: Run<GlobalOptions & { readonly directory?: string }> = async (options, terminal, signal) => {
  const config = await configOf(options, terminal)
  const directory = options.directory ?? config.backup?.directory
  if (directory === undefined)
    throw failure(
      'USAGE',
      'Cannot tell where to: neither a directory nor the config key backup is given',
      'Name a directory, on another disk than the catalog.',
    )
  // What somebody puts elsewhere is not counted, and not thinned out.
  const own = options.directory === undefined
  const keep = own ? config.backup!.keep : Number.MAX_SAFE_INTEGER
  const { path, bytes } = await backUpNow({ catalog: config.catalog, directory, keep }, terminal.now(), signal)
  if (own) await withCatalog(config, terminal, (catalog) => catalog.backedUp({ at: terminal.now(), path, bytes }))
  terminal.print(`${path} (${bytesText(bytes)})`)
  return 0
}
