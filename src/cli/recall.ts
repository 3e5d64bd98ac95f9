import { openMovers, withCatalog } from '../app.ts'
import type { ArchivedObject, Catalog, Recall, VaultPlace } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { nameMatcher } from '../model/glob.ts'
import { anyMover } from '../model/order.ts'
import { placeOf } from './archived.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { agoText, bytesText, jsonText, plural, table } from './format.ts'
import { atOnce, onTapeOnly } from './through-tape.ts'
import { didOf } from './selection.ts'

/** A request, and where its object is. */
interface Asked extends Recall {
  readonly known: { readonly id: ArchivedObject['id']; readonly location: string; readonly place: VaultPlace }
}

async function askedFor(catalog: Catalog): Promise<readonly Asked[]> {
  const places = await catalog.places()
  return (await catalog.recalls()).map((recall) => {
    const { id, location, pipeline } = recall.object
    return { ...recall, known: { id, location: location!, place: placeOf(places, pipeline) } }
  })
}

/** `recall list`: what was asked for from tape. What has arrived meanwhile is looked at, and no longer listed the next time. */
export const recallList: Run<GlobalOptions & { readonly json?: boolean }> = async (options, terminal, signal) => {
  const config = await configOf(options, terminal)
  return withCatalog(config, terminal, async (catalog) => {
    const asked = await askedFor(catalog)
    const movers = openMovers(config, terminal)
    try {
      const still = await onTapeOnly(asked, movers, signal)
      const arrived = asked.filter((each) => !still.has(each))
      await catalog.endRecalls(
        arrived.map(({ known }) => known.id),
        'arrived',
        terminal.now(),
      )
      const rows = asked.map((recall) => ({ ...recall, arrived: !still.has(recall) }))
      if (options.json === true) terminal.print(jsonText(rows.map(asJson)))
      else terminal.print(rows.length === 0 ? 'Nothing is asked for from tape.' : recallTable(rows, terminal.now()))
      return 0
    } finally {
      await movers.close()
    }
  })
}

const asJson = ({ object, askedAt, askedBy, arrived }: Recall & { readonly arrived: boolean }) => ({
  did: formatDid(object.did),
  ...{ generation: object.generation, part: object.part, parts: object.parts, object: object.location },
  ...{ bytes: object.bytes, askedAt, askedBy, arrived },
})

const recallTable = (rows: readonly (Recall & { readonly arrived: boolean })[], now: Date): string =>
  table(
    [
      { title: 'OBJECT' },
      { title: 'SIZE', align: 'right' },
      { title: 'ASKED FOR' },
      { title: 'BY' },
      { title: 'STATE' },
    ],
    rows.map(({ object, askedAt, askedBy, arrived }) => [
      object.location!,
      bytesText(object.bytes),
      agoText(askedAt, now),
      askedBy,
      arrived ? 'here' : 'on tape',
    ]),
  )

/** `recall cancel DID|GLOB`: nobody waits any more for objects of these datasets. */
export const recallCancel: Run<GlobalOptions & { readonly did: string }> = async (options, terminal, signal) => {
  didOf(options.did)
  const config = await configOf(options, terminal)
  return withCatalog(config, terminal, async (catalog) => {
    const matches = nameMatcher([options.did])
    const asked = (await askedFor(catalog)).filter(({ object }) => matches(formatDid(object.did)))
    if (asked.length === 0)
      throw failure(
        'UNKNOWN_DID',
        `Cannot cancel ${options.did}: nothing of it is asked for from tape`,
        '`tape-rse recall list` shows what is.',
      )
    const movers = openMovers(config, terminal)
    try {
      for (const { place, some } of atOnce(asked)) {
        const { recall } = place.tape
        const order = {
          vault: { root: place.root, mount: place.mount },
          locations: some.map(({ known }) => known.location),
        }
        if (recall.kind === 'command' && recall.cancel !== null)
          await movers.run<'recall'>({ kind: 'recall', ...order, command: recall.cancel }, anyMover, signal) // effect
        await catalog.endRecalls(
          some.map(({ known }) => known.id),
          'cancelled',
          terminal.now(),
        ) // commit
      }
    } finally {
      await movers.close()
    }
    terminal.print(`${plural(asked.length, 'object')} no longer asked for.`)
    return 0
  })
}
