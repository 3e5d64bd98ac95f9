import { resolve } from 'node:path'
import type { VaultPlace } from '../catalog/catalog.ts'
import { ERRORS, failure, TapeRseError, type ErrorCode, type Problem } from '../model/errors.ts'
import type { Delivery, Fetched, FetchFailure } from '../model/order.ts'
import type { Supervisor } from '../mover/supervisor.ts'
import { isPublished, openNamed, pick, placeOf, whyNotPublished, type Picked, type Wish } from './archived.ts'
import type { GlobalOptions, QuietTerminal } from './command.ts'
import { fetchOrder, mayBeOnTape, type Batch, type Wanted } from './batch.ts'
import { jsonText, plural, printable } from './format.ts'
import { progressOf, type Progress } from './progress.ts'
import { generationOf } from './selection.ts'

export interface GetOptions extends GlobalOptions {
  /** null: of what lies at the path `from`. */
  readonly did: string | null
  readonly from?: string
  readonly dest?: string
  readonly file?: readonly string[]
  readonly generation?: string
  readonly force?: boolean
  readonly toStdout?: boolean
  readonly wait?: boolean
  readonly patience?: string
  readonly json?: boolean
}

/** A file that was not delivered. */
interface Undelivered extends FetchFailure {
  readonly object: string
}

/** Finds what is wanted, has it read and delivered, and says how that went; returns the exit code. */
export async function deliver(
  options: GetOptions,
  movers: Supervisor,
  terminal: QuietTerminal,
  signal: AbortSignal,
): Promise<number> {
  const { batches, notes } = await wanted(options, movers, terminal, signal)
  const delivery = deliveryOf(options, terminal)
  const total = batches.reduce((sum, batch) => sum + ('order' in batch ? batch.bytes : 0), 0)
  const progress = progressOf(total, terminal)
  const result = { delivered: 0, already: 0, undelivered: [] as Undelivered[], notes }
  for await (const batch of inTurn(batches, options, movers, terminal, signal)) {
    const { delivered, already, failed } = await fetchBatch(batch, delivery, movers, progress, signal)
    result.delivered += delivered
    result.already += already
    result.undelivered.push(...failed.map((each) => ({ ...each, object: batch.object })))
  }
  progress.end()
  return report(options, result, terminal)
}

/** Batches in the order in which they can be read. */
async function* inTurn(
  batches: readonly Batch[],
  options: GetOptions,
  movers: Supervisor,
  terminal: QuietTerminal,
  signal: AbortSignal,
): AsyncGenerator<Batch, void> {
  if (!batches.some(mayBeOnTape)) {
    yield* batches
    return
  }
  const { throughTape } = await import('./through-tape.ts')
  yield* throughTape(batches, options, movers, terminal, signal)
}

async function wanted(
  options: GetOptions,
  movers: Supervisor,
  terminal: QuietTerminal,
  signal: AbortSignal,
): Promise<Wanted> {
  const { did, from, file: files = [] } = options
  const generation = generationOf(options)
  if (from === undefined) {
    if (did === null)
      throw failure('USAGE', 'Cannot tell what to get: neither a DID nor --from is given', 'Write scope:name.')
    const batches = await batchesOf({ did, files, generation }, options, terminal)
    checkOutput(options, batches)
    return { batches, notes: [] }
  }
  const { batchesAt } = await import('./get-from.ts')
  const found = await batchesAt({ path: resolve(terminal.cwd, from), files, generation }, movers, signal)
  checkOutput(options, found.batches)
  return found
}

async function batchesOf(wish: Wish, options: GlobalOptions, terminal: QuietTerminal): Promise<readonly Batch[]> {
  const catalog = await openNamed(options, terminal)
  try {
    const picked = await pick(catalog, wish)
    const places = await catalog.places()
    return picked.map((each) => batchOf(each, placeOf(places, each.object.pipeline)))
  } finally {
    catalog.close()
  }
}

function batchOf(picked: Picked, place: VaultPlace): Batch {
  const { object, files } = picked
  const batch = { object: object.location ?? '', names: files.map(({ entry }) => entry.did.name) }
  if (!isPublished(object)) return { ...batch, outcome: 'unreadable', why: whyNotPublished(object) }
  const bytes = files.reduce((sum, { entry }) => sum + entry.bytes, 0)
  const known = { id: object.id, location: object.location!, place }
  return { ...batch, bytes, known, order: (to) => fetchOrder(picked, place, to) }
}

/** How many files a zip of others has is not known here: mover/extract.ts checks that again. */
function checkOutput({ toStdout, dest }: GetOptions, batches: readonly Batch[]): void {
  if (toStdout !== true) return
  if (dest !== undefined)
    throw failure('USAGE', 'Cannot write to standard output and to a directory', 'Leave out one of them.')
  const count = batches.reduce((sum, { names }) => sum + names.length, 0)
  if (count !== 1)
    throw failure(
      'USAGE',
      `Cannot write ${plural(count, 'file')} to standard output: --to-stdout takes one`,
      'Name it by --file, or by its own DID.',
    )
}

const deliveryOf = ({ dest, force, toStdout }: GetOptions, { cwd }: QuietTerminal): Delivery =>
  toStdout === true
    ? { kind: 'output' }
    : { kind: 'directory', path: resolve(cwd, dest ?? '.'), overwrite: force === true }

/** Errors of one object: the others are delivered all the same. */
const ofObject: readonly ErrorCode[] = ['OBJECT_MISSING', 'OBJECT_FOREIGN', 'VAULT_IO', 'MOVER_DIED', 'MOVER_STALLED']

async function fetchBatch(
  batch: Batch,
  to: Delivery,
  movers: Supervisor,
  progress: Progress,
  signal: AbortSignal,
): Promise<Pick<Fetched, 'delivered' | 'already' | 'failed'>> {
  const none = (what: string, outcome: FetchFailure['outcome'] = 'unreadable') => ({
    delivered: 0,
    already: 0,
    failed: batch.names.map((name) => ({ name, outcome, what })),
  })
  if (!('order' in batch)) return none(batch.why, batch.outcome)
  try {
    const { moved } = progress.begin()
    const { answer } = await movers.run<'fetch' | 'extract'>(batch.order(to), { not: null, moved }, signal)
    progress.done(batch.bytes)
    return answer
  } catch (error) {
    if (!(error instanceof TapeRseError) || !ofObject.includes(error.code)) throw error
    return none(error.message)
  }
}

interface Result {
  readonly delivered: number
  readonly already: number
  readonly undelivered: readonly Undelivered[]
  readonly notes: readonly string[]
}

function report(options: GetOptions, result: Result, terminal: QuietTerminal): number {
  const { delivered, already, undelivered, notes } = result
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
  for (const note of notes) terminal.print(printable(`  ${note}`))
  if (undelivered.some(({ outcome }) => outcome === 'exists'))
    terminal.print('  What has the name of another file is left alone; --force overwrites it.')
  if (undelivered.some(({ outcome }) => outcome === 'recalled'))
    terminal.print(
      '  What is on tape is on its way: call it again later, or with --wait. `tape-rse recall list` shows it.',
    )
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
