import type { Catalog, Generation } from '../catalog/catalog.ts'
import { vaultSettings, withCatalog, withSite, type Site } from '../app.ts'
import type { PipelineConfig } from '../config/schema.ts'
import type { BundleId } from '../model/bundle.ts'
import { formatDid, type Did } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { closedAtOf } from '../model/manifest.ts'
import { anyMover, type ObjectPlan, type Removed } from '../model/order.ts'
import { copiesOf } from '../source/rucio-copies.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { configOf } from './config.ts'
import { bytesText, plural, table } from './format.ts'
import { didOf, generationOf } from './selection.ts'

interface RemoveOptions extends GlobalOptions {
  readonly did: string
  readonly generation?: string
  readonly lastCopy?: boolean
  readonly yes?: boolean
}

/** What is to be removed of one pipeline. */
interface Removal {
  readonly pipeline: PipelineConfig
  readonly generations: readonly Generation[]
}

/**
 * `remove DID`: removes the objects of ended generations, as the procedure for archiving a dataset again wants it. The catalog
 * keeps what they were. Refused while Rucio says `done` of them, or while a file has no other available copy.
 */
export const remove: Run<RemoveOptions> = async (options, terminal, signal) => {
  const did = didOf(options.did)
  const generation = generationOf(options)
  const config = await configOf(options, terminal)
  return withCatalog(config, terminal, (catalog) =>
    withSite(config, terminal, async (site) => {
      const known = await catalog.find(did)
      if (known.length === 0)
        throw failure(
          'UNKNOWN_DID',
          `Cannot remove ${options.did}: the catalog does not know it`,
          'Check how it is spelled; case counts.',
        )
      const removals = config.pipelines.flatMap((pipeline): Removal[] => {
        const ended = known.filter(
          ({ row }) =>
            row.pipeline === pipeline.name &&
            row.endedAt !== null &&
            (generation === null || row.generation === generation),
        )
        const generations = ended.filter(({ bundles }) => bundles.some(({ state }) => state === 'confirmed'))
        return generations.length === 0 ? [] : [{ pipeline, generations }]
      })
      if (removals.length === 0) {
        terminal.print(`The catalog knows no objects of ${options.did} that could be removed.`)
        return 0
      }
      const refuse = async () => {
        for (const removal of removals) {
          await refuseDone(did, removal, known, site, signal)
          if (options.lastCopy !== true) await refuseLastCopies(did, removal, catalog, site, signal)
        }
      }
      await refuse()
      if (!(await agreed(did, removals, options, terminal))) return 1
      await refuse() // the answer may have taken an hour
      const outcomes: Removed['outcome'][] = []
      for (const removal of removals) outcomes.push(...(await removeAll(removal, catalog, site, terminal, signal)))
      return outcomes.includes('foreign') ? 3 : 0
    }),
  )
}

const refused = (did: Did, what: string, hint: string) =>
  failure('REMOVAL_REFUSED', `Cannot remove ${formatDid(did)}: ${what}`, hint)

/** `done` must not outlive the objects that it promises: those of the newest generation that was archived whole. */
async function refuseDone(
  did: Did,
  { pipeline, generations }: Removal,
  known: readonly Generation[],
  site: Site,
  signal: AbortSignal,
): Promise<void> {
  const promised = known.find(
    ({ row, bundles }) =>
      row.pipeline === pipeline.name && bundles.every(({ state }) => state === 'confirmed') && bundles.length > 0,
  )
  if (promised !== undefined && promised.row.state === 'acknowledged' && !generations.includes(promised)) return
  const description = await site.source(pipeline).describe(did, signal)
  const { tapeRse } = pipeline.source
  if (description?.tag !== `${tapeRse}:done`) return
  throw refused(
    did,
    `Rucio says arcBackup=${tapeRse}:done of it`,
    `Set the tag to ${tapeRse}:need first, to have it archived anew, or remove the tag.`,
  )
}

async function refuseLastCopies(
  did: Did,
  { pipeline, generations }: Removal,
  catalog: Catalog,
  site: Site,
  signal: AbortSignal,
): Promise<void> {
  const ids = generations.flatMap(({ bundles }) => bundles.map(({ id }) => id))
  const entries = (await Promise.all(ids.map((id) => catalog.entries(id)))).flat()
  const copies = await copiesOf(site.client, entries, pipeline.source.tapeRse, signal)
  const last = copies.filter(({ rses }) => rses.length === 0).map(({ entry }) => formatDid(entry.did))
  if (last.length === 0) return
  const shown = `${last.slice(0, 5).join(', ')}${last.length > 5 ? ` and ${last.length - 5} more` : ''}`
  throw refused(
    did,
    `${plural(last.length, 'file')} ${last.length === 1 ? 'has' : 'have'} no other available copy in Rucio: ${shown}`,
    'Keep the archive. If these files are not wanted any more, say --last-copy.',
  )
}

/** Asks the person, unless they have said yes already. */
async function agreed(
  did: Did,
  removals: readonly Removal[],
  options: RemoveOptions,
  terminal: Terminal,
): Promise<boolean> {
  const rows = removals.flatMap(({ pipeline, generations }) =>
    generations.flatMap(({ row, bundles }) =>
      bundles
        .filter(({ state }) => state === 'confirmed')
        .map(({ location, bytes }) => [
          String(row.generation),
          bytesText(bytes),
          `${pipeline.vault.root}/${location!}`,
        ]),
    ),
  )
  terminal.print(
    table([{ title: 'GEN', align: 'right' }, { title: 'SIZE', align: 'right' }, { title: 'OBJECT' }], rows),
  )
  if (options.yes === true) return true
  const answer = await terminal.ask(
    `Remove ${plural(rows.length, 'object')} of ${formatDid(did)}? This cannot be undone. [y/N] `,
  )
  if (answer === null)
    throw failure(
      'USAGE',
      'Cannot ask whether to remove them: standard input is no terminal',
      'Say --yes if you are sure.',
    )
  if (answer) return true
  terminal.print('Nothing was removed.')
  return false
}

async function removeAll(
  { pipeline, generations }: Removal,
  catalog: Catalog,
  site: Site,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<readonly Removed['outcome'][]> {
  const vault = vaultSettings(pipeline, catalog.id)
  const outcomes: Removed['outcome'][] = []
  for (const { row, bundles } of generations) {
    if (!(await catalog.removing(row.id, terminal.now())))
      throw refused(row.did, 'it is being archived again at this moment', 'Hold it first: tape-rse hold.')
    for (const { id, state, location, bytes } of bundles) {
      if (state !== 'confirmed') continue
      const object = await objectOf(catalog, id, bytes)
      const { answer } = await site.movers.run<'remove'>(
        { kind: 'remove', vault, location: location!, object },
        anyMover,
        signal,
      )
      outcomes.push(answer.outcome)
      terminal.print(outcomeText(answer, `${vault.root}/${location!}`))
    }
  }
  return outcomes
}

/** As much of a plan as tells an object of ours from others. */
async function objectOf(catalog: Catalog, bundle: BundleId, bytes: number): Promise<ObjectPlan> {
  const manifest = await catalog.manifest(bundle)
  return { manifest, time: Math.floor(closedAtOf(manifest).getTime() / 1000), members: [], bytes }
}

function outcomeText(answer: Removed, path: string): string {
  switch (answer.outcome) {
    case 'removed':
      return `removed ${path}`
    case 'absent':
      return `was gone already: ${path}`
    case 'foreign':
      return `left alone, because it is not what was archived (${answer.bytes} bytes): ${path}`
  }
}
