import { withCatalog } from '../app.ts'
import { didKey, formatDid, type Did } from '../model/did.ts'
import type { CatalogReader } from '../catalog/catalog.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { plural } from './format.ts'
import { didOf, filterOf, isGlob, selected, type Selection } from './selection.ts'

/** `hold`: nothing more is done for a dataset until `release`. A DID may be held that the agent has never seen. */
export const hold: Run<GlobalOptions & Selection & { readonly why?: string }> = async (options, terminal) => {
  filterOf(options)
  return withCatalog(await configOf(options, terminal), terminal, async (catalog) => {
    const single = options.did !== undefined && options.reason === undefined && !isGlob(options.did)
    const dids = single ? [didOf(options.did)] : unique((await selected(catalog, options)).map(({ did }) => did))
    await catalog.hold(dids, options.why ?? null, terminal.now())
    terminal.print(
      `${said(dids, 'held')} until \`tape-rse release\`. An object that is being written is finished; nothing more begins.`,
    )
    return 0
  })
}

/** `release`: takes a person's hold away. What a fault holds is a matter of `retry`. */
export const release: Run<GlobalOptions & Selection> = async (options, terminal) => {
  filterOf(options)
  return withCatalog(await configOf(options, terminal), terminal, async (catalog) => {
    const dids = await heldByPeople(catalog, options)
    await catalog.unhold(dids)
    terminal.print(
      dids.length === 0 ? 'Nobody holds that: see `tape-rse list --state held`.' : `${said(dids, 'released')}.`,
    )
    return 0
  })
}

async function heldByPeople(catalog: CatalogReader, selection: Selection): Promise<readonly Did[]> {
  const held = (await catalog.holds()).map(({ did }) => did)
  const { did } = selection
  if (did !== undefined && selection.reason === undefined && !isGlob(did)) {
    const key = didKey(didOf(did))
    return held.filter((each) => didKey(each) === key)
  }
  const keys = new Set((await selected(catalog, selection)).map((row) => didKey(row.did)))
  return held.filter((each) => keys.has(didKey(each)))
}

const unique = (dids: readonly Did[]): readonly Did[] => [...new Map(dids.map((did) => [didKey(did), did])).values()]

const said = (dids: readonly Did[], what: string): string =>
  dids.length === 1 ? `${formatDid(dids[0]!)} is ${what}` : `${plural(dids.length, 'dataset')} are ${what}`
