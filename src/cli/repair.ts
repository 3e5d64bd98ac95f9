import type { Catalog, Generation, KnownTarget } from '../catalog/catalog.ts'
import { vaultSettings, withCatalog, withSite, type Site } from '../app.ts'
import type { PipelineConfig } from '../config/schema.ts'
import { formatDid } from '../model/did.ts'
import { failure, TapeRseError, type Problem } from '../model/errors.ts'
import { anyMover } from '../model/order.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { configOf } from './config.ts'
import { plural } from './format.ts'
import { didOf, whenNoticed } from './selection.ts'

/** A generation with damaged objects, in its pipeline. */
interface Damaged {
  readonly pipeline: PipelineConfig
  readonly row: KnownTarget
  readonly bundles: Generation['bundles']
}

/**
 * `repair DID`: has the agent write damaged objects of a dataset again, from the disk replicas, if these are still what was archived. Each
 * step may be repeated, and none makes a lie: first Rucio hears that the dataset is not done, then the damaged object gets another name,
 * then the agent takes it up again.
 */
export const repair: Run<GlobalOptions & { readonly did: string }> = async (options, terminal, signal) => {
  const did = didOf(options.did)
  const config = await configOf(options, terminal)
  return withCatalog(config, terminal, (catalog) =>
    withSite(config, terminal, async (site) => {
      const known = await catalog.find(did)
      if (known.length === 0)
        throw failure(
          'UNKNOWN_DID',
          `Cannot repair ${options.did}: the catalog does not know it`,
          'Check how it is spelled; case counts.',
        )
      const damaged = config.pipelines.flatMap((pipeline): Damaged[] => {
        const own = known.find(
          ({ row, bundles }) =>
            row.pipeline === pipeline.name &&
            (row.state === 'acknowledged' || row.state === 'frozen') &&
            bundles.some(({ damage }) => damage !== null),
        )
        return own === undefined ? [] : [{ pipeline, ...own }]
      })
      if (damaged.length === 0) {
        terminal.print(
          `No object of ${options.did} is known to be damaged. \`tape-rse verify ${options.did}\` reads them back.`,
        )
        return 0
      }
      for (const { row } of damaged) {
        const newer = known.find(
          (other) =>
            other.row.pipeline === row.pipeline &&
            other.row.generation > row.generation &&
            other.row.state === 'frozen',
        )
        if (newer !== undefined)
          throw refused(
            row,
            `it is being archived anew, as generation ${newer.row.generation}`,
            'Wait until that is done.',
          )
      }
      for (const each of damaged) await refuseUnlessSame(each, site, signal)
      for (const each of damaged) await repairOne(each, catalog, site, terminal, signal)
      terminal.print(
        `The agent writes ${plural(damaged.flatMap(broken).length, 'object')} again ${await whenNoticed(catalog, terminal.now())}.`,
      )
      return 0
    }),
  )
}

const broken = ({ bundles }: Pick<Damaged, 'bundles'>) => bundles.filter(({ damage }) => damage !== null)

const refused = (row: KnownTarget, what: string, hint: string) =>
  failure('REPAIR_REFUSED', `Cannot repair ${formatDid(row.did)}: ${what}`, hint)

/** Rucio's content and the replicas at the disk RSE have to be what was archived: before anything is changed. */
async function refuseUnlessSame({ pipeline, row }: Damaged, site: Site, signal: AbortSignal): Promise<void> {
  const source = site.source(pipeline)
  const description = await source.describe(row.did, signal)
  const { tapeRse } = pipeline.source
  if (description === null)
    throw refused(row, 'Rucio does not know it any more', 'Bring back by `tape-rse get` what is not damaged.')
  if (description.tag !== `${tapeRse}:done` && description.tag !== `${tapeRse}:need`)
    throw refused(
      row,
      `its tag is ${description.tag ?? 'gone'}`,
      `Set arcBackup=${tapeRse}:need, if it is still to be archived.`,
    )
  if (description.waiting !== null) throw refused(row, `it is ${description.waiting}`, 'Close it first.')
  const [freezing] = await source.freeze([description], signal)
  const bring = 'Bring the replicas back to the disk RSE: `tape-rse get` delivers those files that are not damaged.'
  if (freezing === undefined || 'problems' in freezing) {
    const problems = freezing?.problems ?? []
    throw new TapeRseError([refused(row, 'its disk replicas are not all there', bring).problems[0]!, ...problems])
  }
  if (freezing.content.fingerprint !== row.fingerprint)
    throw refused(
      row,
      'it is not what was archived any more',
      'Have it archived anew: `tape-rse remove`, then set need.',
    )
  const files = freezing.content.entries.map(({ path, bytes }) => ({ path, bytes }))
  const { answer } = await site.movers.run<'inspect'>(
    { kind: 'inspect', sourceRoot: pipeline.source.root, files },
    anyMover,
    signal,
  )
  const problems: readonly Problem[] = answer.problems
  if (problems.length > 0)
    throw new TapeRseError([refused(row, 'its disk replicas are not all there', bring).problems[0]!, ...problems])
}

async function repairOne(
  damaged: Damaged,
  catalog: Catalog,
  site: Site,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { pipeline, row } = damaged
  const bad = broken(damaged)
  // Until all of this is done nothing else is to begin on it, also if somebody has released it since it was found.
  await catalog.hold(
    [row.did],
    `it is being repaired: call \`tape-rse repair ${formatDid(row.did)}\` again`,
    terminal.now(),
  )
  const source = site.source(pipeline)
  const [telling] = await source.tellNeed([row.did], signal) // effect
  if (telling?.told === false) throw telling.error
  // A proxy may have answered for Rucio: no object is moved while Rucio says done of it.
  const tag = (await source.describe(row.did, signal))?.tag ?? 'gone'
  if (tag !== `${pipeline.source.tapeRse}:need`)
    throw refused(row, `its tag did not become need: it is ${tag}`, 'Call it again.')
  terminal.print(`Rucio says ${pipeline.source.tapeRse}:need of ${formatDid(row.did)}.`)
  for (const { location, attempts } of bad) {
    const { answer } = await site.movers.run<'keepAside'>(
      { kind: 'keepAside', vault: vaultSettings(pipeline, catalog.id), location: location!, attempt: attempts },
      anyMover,
      signal,
    ) // effect
    terminal.print(
      answer.path === null ? `there is no object at ${location!}` : `the damaged object is kept as ${answer.path}`,
    )
  }
  await catalog.repair(
    row.id,
    bad.map(({ id }) => id),
    terminal.now(),
  ) // commit
}
