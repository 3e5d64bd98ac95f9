import { withCatalog } from '../app.ts'
import { formatDid, parseDid, type Did } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'

/** `retry DID`: clears what holds a dataset back, so that the next run tries it at once. */
export const retry: Run<GlobalOptions & { readonly did: string }> = async (options, terminal) => {
  const did = didOf(options.did)
  return withCatalog(configOf(options, terminal), terminal, async (catalog) => {
    const count = await catalog.retry(did)
    if (count > 0) {
      terminal.print(`${formatDid(did)} is tried again at the next run.`)
      return 0
    }
    if ((await catalog.find(did)).length === 0) {
      throw failure(
        'UNKNOWN_DID',
        `Cannot retry ${formatDid(did)}: the catalog does not know it`,
        'Ask `tape-rse explain` why.',
      )
    }
    terminal.print(`${formatDid(did)} is not held back by anything.`)
    return 0
  })
}

export function didOf(text: string): Did {
  const did = parseDid(text)
  if (did === null) throw failure('USAGE', `Cannot read "${text}" as a DID`, 'Write it as scope:name.')
  return did
}
