import { resolve } from 'node:path'
import type { VaultPlace } from '../catalog/catalog.ts'
import { ERRORS, failure, TapeRseError, type ErrorCode, type Problem } from '../model/errors.ts'
import type { Delivery, Fetched, FetchFailure } from '../model/order.ts'
import type { Supervisor } from '../mover/supervisor.ts'
import { isPublished, openNamed, pick, placeOf, whyNotPublished, type Picked } from './archived.ts'
import type { GlobalOptions, QuietTerminal, Run } from './command.ts'
import { fetchOrder, readingMovers } from './fetching.ts'
import { jsonText, plural, printable } from './format.ts'
import { progressOf, type Progress } from './progress.ts'
import { generationOf } from './selection.ts'

interface GetOptions extends GlobalOptions {
  readonly did: string
  readonly dest?: string
  readonly file?: readonly string[]
  readonly generation?: string
  readonly force?: boolean
  readonly toStdout?: boolean
  readonly patience?: string
  readonly json?: boolean
}

/** A file that was not delivered. */
interface Undelivered extends FetchFailure {
  readonly object: string
}

/**
 * `get DID [DEST]`: reads files out of the objects of a dataset, by what the catalog knows of them, and gives each its name only when
 * its bytes are right. What is there already, and right, is left alone: called again, it goes on where it stopped.
 */
export const get: Run<GetOptions, QuietTerminal> = async (options, terminal, signal) => {
  const movers = readingMovers(options, terminal)
  try {
    movers.warm() // while the catalog is asked
    const { picked, places } = await found(options, terminal)
    const delivery = deliveryOf(options, terminal, picked)
    const total = picked.flatMap(({ files }) => files).reduce((sum, { entry }) => sum + entry.bytes, 0)
    const progress = progressOf(total, terminal)
    const result = { delivered: 0, already: 0, undelivered: [] as Undelivered[] }
    for (const each of picked) {
      const fetched = await fetchPicked(each, placeOf(places, each.object.pipeline), delivery, movers, progress, signal)
      result.delivered += fetched.delivered
      result.already += fetched.already
      const object = each.object.location ?? ''
      result.undelivered.push(...fetched.failed.map((failed) => ({ ...failed, object })))
    }
    progress.end()
    return report(options, result, terminal)
  } finally {
    await movers.close()
  }
}

async function found(
  options: GetOptions,
  terminal: QuietTerminal,
): Promise<{ readonly picked: readonly Picked[]; readonly places: ReadonlyMap<string, VaultPlace> }> {
  const catalog = await openNamed(options, terminal)
  try {
    const { did, file: files = [] } = options
    return {
      picked: await pick(catalog, { did, files, generation: generationOf(options) }),
      places: await catalog.places(),
    }
  } finally {
    catalog.close()
  }
}

function deliveryOf(
  { dest, force, toStdout }: GetOptions,
  { cwd }: QuietTerminal,
  picked: readonly Picked[],
): Delivery {
  if (toStdout !== true) return { kind: 'directory', path: resolve(cwd, dest ?? '.'), overwrite: force === true }
  const count = picked.reduce((sum, { files }) => sum + files.length, 0)
  if (count === 1 && dest === undefined) return { kind: 'output' }
  throw failure(
    'USAGE',
    count === 1
      ? 'Cannot write to standard output and to a directory'
      : `Cannot write ${plural(count, 'file')} to standard output: --to-stdout takes one`,
    count === 1 ? 'Leave out one of them.' : 'Name it by --file, or by its own DID.',
  )
}

/** Errors of one object: the others are delivered all the same. */
const ofObject: readonly ErrorCode[] = ['OBJECT_MISSING', 'OBJECT_FOREIGN', 'VAULT_IO', 'MOVER_DIED', 'MOVER_STALLED']

async function fetchPicked(
  picked: Picked,
  place: VaultPlace,
  to: Delivery,
  movers: Supervisor,
  progress: Progress,
  signal: AbortSignal,
): Promise<Pick<Fetched, 'delivered' | 'already' | 'failed'>> {
  const none = (what: string) => ({
    delivered: 0,
    already: 0,
    failed: picked.files.map(({ entry }) => ({ name: entry.did.name, outcome: 'unreadable' as const, what })),
  })
  if (!isPublished(picked.object)) return none(whyNotPublished(picked.object))
  try {
    const { moved } = progress.begin()
    const { answer } = await movers.run<'fetch'>(fetchOrder(picked, place, to), { not: null, moved }, signal)
    progress.done(picked.files.reduce((sum, { entry }) => sum + entry.bytes, 0))
    return answer
  } catch (error) {
    if (!(error instanceof TapeRseError) || !ofObject.includes(error.code)) throw error
    return none(error.message)
  }
}

type Result = { readonly delivered: number; readonly already: number; readonly undelivered: readonly Undelivered[] }

function report(options: GetOptions, result: Result, terminal: QuietTerminal): number {
  const { delivered, already, undelivered } = result
  const exit = undelivered.some(({ outcome }) => outcome === 'mismatch')
    ? ERRORS.OBJECT_MISMATCH.exit
    : undelivered.length === 0
      ? 0
      : 3
  if (options.toStdout === true) {
    if (undelivered.length > 0) throw new TapeRseError(undelivered.map(problemOf) as [Problem, ...Problem[]])
    return 0
  }
  if (options.json === true) {
    terminal.print(jsonText({ did: options.did, ...result }))
    return exit
  }
  for (const { name, what } of undelivered.slice(0, maxShown))
    terminal.print(printable(`not delivered: ${name}: ${what}`))
  if (undelivered.length > maxShown) terminal.print(`… and ${undelivered.length - maxShown} more (--json shows all)`)
  const parts = [
    `${plural(delivered, 'file')} delivered`,
    ...(already > 0 ? [`${already} there already`] : []),
    ...(undelivered.length > 0 ? [terminal.emphasise(`${undelivered.length} not delivered`)] : []),
  ]
  terminal.print(`${parts.join(', ')}.`)
  if (undelivered.some(({ outcome }) => outcome === 'exists'))
    terminal.print('  What has the name of another file is left alone; --force overwrites it.')
  if (undelivered.some(({ outcome }) => outcome === 'mismatch'))
    terminal.print('  The archive is damaged there. Keep other copies of these files, and tell the operators.')
  return exit
}

const maxShown = 20

const problemOf = ({ name, outcome, what }: Undelivered): Problem => ({
  code: outcome === 'mismatch' ? 'OBJECT_MISMATCH' : 'VAULT_IO',
  message: `Cannot deliver ${name}: ${what}`,
  hint:
    outcome === 'mismatch'
      ? 'What came of it on standard output is not the file. Keep other copies of it, and tell the operators.'
      : 'Call it again.',
})
