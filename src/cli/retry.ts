import { withCatalog } from '../app.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { plural } from './format.ts'
import { filterOf, selected, whenNoticed, type Selection } from './selection.ts'

/** `retry`: clears what faults have put in the way of datasets, so that they are tried at once. */
export const retry: Run<GlobalOptions & Selection> = async (options, terminal) => {
  filterOf(options)
  return withCatalog(await configOf(options, terminal), terminal, async (catalog) => {
    const rows = await selected(catalog, options)
    const failed = rows.filter((row) => row.failures > 0)
    if (rows.length === 0 && options.did !== undefined && (await catalog.count(filterOf(options))) === 0) {
      throw failure(
        'UNKNOWN_DID',
        `Cannot retry ${options.did}: the catalog knows nothing of that name`,
        'Ask `tape-rse explain` why.',
      )
    }
    await catalog.retry(failed.map(({ id }) => id))
    const when = await whenNoticed(catalog, terminal.now())
    if (failed.length === 0) terminal.print('Nothing of that has failed.')
    else if (failed.length === 1) terminal.print(`${formatDid(failed[0]!.did)} is tried again ${when}.`)
    else terminal.print(`${plural(failed.length, 'dataset')} are tried again ${when}.`)
    const byHand = failed.filter(({ hold }) => hold !== null)
    if (byHand.length > 0)
      terminal.print(`${byHand.length} of them: held by a person as well, until \`tape-rse release\`.`)
    return 0
  })
}
