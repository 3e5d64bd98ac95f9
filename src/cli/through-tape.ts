import { hostname, userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Catalog } from '../catalog/catalog.ts'
import { interrupted, problemsOf, TapeRseError } from '../model/errors.ts'
import { anyMover } from '../model/order.ts'
import { maxAtOnce } from '../model/residency.ts'
import type { Supervisor } from '../mover/supervisor.ts'
import type { GlobalOptions, QuietTerminal } from './command.ts'
import { mayBeOnTape, type Askable, type Batch } from './batch.ts'
import { agoText, plural } from './format.ts'

/** What recalls are remembered in; null where this user may not write there. */
type Memory = Pick<Catalog, 'recall' | 'recalls' | 'recallSent' | 'endRecalls'> & {
  readonly close: () => Promise<void>
}

/** What has not arrived for so long is asked for again. */
const lapseMs = 24 * 3_600_000
const firstPauseMs = 1000
const longestPauseMs = 5 * 60_000

interface Waiting extends GlobalOptions {
  readonly wait?: boolean
}

/**
 * Batches in the order in which they can be read: first what is on disk; then, as it arrives, what has to come from tape, which is asked
 * for at once, so that tapes are mounted while the rest is read. Without `wait` the latter are given as not to be read.
 * @throws TapeRseError INTERRUPTED: what was asked for stays so
 */
export async function* throughTape(
  batches: readonly Batch[],
  options: Waiting,
  movers: Supervisor,
  terminal: QuietTerminal,
  signal: AbortSignal,
): AsyncGenerator<Batch, void> {
  // What cannot be asked about is read, and waited for.
  const onTape = await onTapeOnly(batches.filter(mayBeOnTape), movers, signal).catch(unlessOfSite(new Set<Askable>()))
  if (onTape.size === 0) {
    yield* batches
    return
  }
  const memory = await openMemory(options, terminal)
  try {
    const asked = terminal.now()
    const problem = await askFor([...onTape], memory, movers, asked, signal)
    yield* batches.filter((batch) => !(onTape as ReadonlySet<Batch>).has(batch))
    if (problem !== null || options.wait !== true) {
      for (const each of onTape) yield problem === null ? askedFor(each) : unread(each, problem)
      return
    }
    yield* arrivals([...onTape], asked, memory, movers, terminal, signal)
  } finally {
    terminal.showLine?.(null)
    await memory?.close()
  }
}

/**
 * Objects as they arrive, however long that takes. With a memory, what has lapsed is asked for again, and what somebody cancelled is given
 * up; without one they are waited for. If anything cannot be asked for, all that are left are given as unreadable.
 */
async function* arrivals(
  wanted: readonly Askable[],
  since: Date,
  memory: Memory | null,
  movers: Supervisor,
  { now, showLine }: QuietTerminal,
  signal: AbortSignal,
): AsyncGenerator<Batch, void> {
  let left = wanted
  let pause = firstPauseMs
  while (left.length > 0) {
    showLine?.(`waiting for ${plural(left.length, 'object')} from tape, asked for ${agoText(since, now())}`)
    await sleep(pause, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) throw interrupted()
    // Before the probe: who finds that an object has arrived ends its recall.
    const asked = memory === null ? null : new Set((await memory.recalls()).map(({ object }) => object.id))
    const still = await onTapeOnly(left, movers, signal).catch(unlessOfSite(new Set(left)))
    const here = left.filter((each) => !still.has(each))
    pause = here.length > 0 ? firstPauseMs : Math.min(2 * pause, longestPauseMs)
    await memory?.endRecalls(
      here.map(({ known }) => known.id),
      'arrived',
      now(),
    )
    yield* here
    left = [...still]
    if (memory === null || asked === null) continue
    yield* left.filter(({ known }) => !asked.has(known.id)).map((each) => unread(each, 'its recall was cancelled'))
    left = left.filter(({ known }) => asked.has(known.id))
    const problem = await askFor(left, memory, movers, now(), signal)
    if (problem === null) continue
    yield* left.map((each) => unread(each, problem))
    return
  }
}

const askedFor = ({ object, names }: Askable): Batch => ({
  ...{ object, names, outcome: 'recalled', why: 'it is on tape, and was asked for' },
})
/** What ails single objects, or the probe, keeps nothing from being read. */
const unlessOfSite =
  <T>(instead: T) =>
  (error: unknown): T => {
    if (
      error instanceof TapeRseError &&
      ['RESIDENCY_FAILED', 'VAULT_IO', 'MOVER_STALLED', 'MOVER_DIED'].includes(error.code)
    )
      return instead
    throw error
  }

const unread = ({ object, names }: Askable, why: string): Batch => ({ object, names, outcome: 'unreadable', why })

/** Those of which the bytes are on tape and nowhere else. */
export async function onTapeOnly<T extends { readonly known: Askable['known'] }>(
  objects: readonly T[],
  movers: Supervisor,
  signal: AbortSignal,
): Promise<ReadonlySet<T>> {
  const onTape = new Set<T>()
  for (const { place, some } of atOnce(objects)) {
    const order = { vault: { root: place.root, mount: place.mount }, probe: place.tape.probe }
    const locations = some.map(({ known }) => known.location)
    const { answer } = await movers.run<'residency'>({ kind: 'residency', ...order, locations }, anyMover, signal)
    for (const [index, each] of some.entries()) if (answer.states[index] === 'tape') onTape.add(each)
  }
  return onTape
}

/** Asks for objects that nobody has asked for; returns why that was not possible, or null. Nothing is remembered of what failed. */
async function askFor(
  objects: readonly Askable[],
  memory: Memory | null,
  movers: Supervisor,
  at: Date,
  signal: AbortSignal,
): Promise<string | null> {
  const ids = objects.map(({ known }) => known.id)
  const by = `${userInfo().username}@${hostname()}`
  const due = new Set(await (memory?.recall(ids, by, at, new Date(at.getTime() - lapseMs)) ?? ids)) // commit
  const left = new Set(due)
  try {
    for (const { place, some } of atOnce(objects.filter(({ known }) => due.has(known.id)))) {
      const { recall } = place.tape
      if (recall.kind === 'none') continue
      const order = { vault: { root: place.root, mount: place.mount }, command: recall.command }
      const locations = some.map(({ known }) => known.location)
      await movers.run<'recall'>({ kind: 'recall', ...order, locations }, anyMover, signal) // effect
      await memory?.recallSent(
        some.map(({ known }) => known.id),
        at,
      ) // commit
      for (const { known } of some) left.delete(known.id)
    }
    return null
  } catch (error) {
    await memory?.endRecalls([...left], 'failed', at) // commit
    if (!(error instanceof TapeRseError) || signal.aborted) throw error
    return problemsOf(error)[0]!.message
  }
}

/** As many of one place as may be asked about, or asked for, at once; in their order, which is that of writing. */
export function* atOnce<T extends { readonly known: Askable['known'] }>(
  objects: readonly T[],
): Generator<{ readonly place: Askable['known']['place']; readonly some: readonly T[] }> {
  for (const ofPlace of Map.groupBy(objects, ({ known }) => known.place.root).values())
    for (let from = 0; from < ofPlace.length; from += maxAtOnce)
      yield { place: ofPlace[0]!.known.place, some: ofPlace.slice(from, from + maxAtOnce) }
}

/** Who may only read the catalog asks all the same; then nobody knows that it was asked for. */
async function openMemory(options: GlobalOptions, terminal: QuietTerminal): Promise<Memory | null> {
  const [{ configOf }, { openWritable }] = await Promise.all([import('./config.ts'), import('../app.ts')])
  try {
    return await openWritable(await configOf(options, terminal), terminal)
  } catch (error) {
    if (error instanceof TapeRseError) return null
    throw error
  }
}
