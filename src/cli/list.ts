import type { KnownTarget, Page, TargetFilter } from '../catalog/catalog.ts'
import { readCatalog } from '../catalog/sqlite.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { nextTry } from '../plan/back-off.ts'
import { agoText, bytesText, jsonText, table, untilText } from './format.ts'
import type { GlobalOptions, QuietTerminal, Run } from './command.ts'
import { configOf } from './config.ts'
import { didOf, reasonOf } from './selection.ts'

interface ListOptions extends GlobalOptions {
  readonly glob?: string
  readonly state?: string
  readonly pipeline?: string
  readonly reason?: string
  readonly sort?: string
  readonly reverse?: boolean
  readonly offset?: string
  readonly limit?: string
  readonly json?: boolean
}

const states = [
  'requested', 'frozen', 'acknowledged', 'withdrawn', 'superseded', 'held', 'failed', 'waiting', 'live', 'damaged',
] as const // prettier-ignore
const orders = ['turn', 'name', 'size', 'requested', 'ended', 'next'] as const

/** `list`: the datasets that the catalog knows. */
export const list: Run<ListOptions, QuietTerminal> = async (options, terminal) => {
  const filter = filterOf(options)
  const page = pageOf(options)
  const catalog = await readCatalog((await configOf(options, terminal)).catalog)
  try {
    const rows = await catalog.list(filter, page)
    if (options.json === true) {
      terminal.print(jsonText(rows.map((row) => ({ ...row, did: formatDid(row.did) }))))
      return 0
    }
    terminal.print(listText(rows, terminal.now()))
    const total = await catalog.count(filter)
    const next = page.offset + rows.length
    if (rows.length < total)
      terminal.print(
        `${rows.length === 0 ? 'None' : `${page.offset + 1} to ${next}`} of ${total}${next < total ? `; --offset ${next} shows more` : ''}.`,
      )
    return 0
  } finally {
    await catalog.close()
  }
}

function filterOf({ glob, state, pipeline, reason }: ListOptions): TargetFilter {
  if (glob !== undefined) didOf(glob)
  return {
    ...(glob !== undefined && { glob }),
    ...(state !== undefined && { state: oneOf(states, state, 'list state') }),
    ...(pipeline !== undefined && { pipeline }),
    ...(reason !== undefined && { reason: reasonOf(reason) }),
  }
}

const pageOf = ({ sort = 'turn', reverse = false, offset = '0', limit = '1000' }: ListOptions): Page => ({
  sort: oneOf(orders, sort, 'sort by'),
  reverse,
  offset: wholeNumber(offset, '--offset', 0),
  limit: wholeNumber(limit, '--limit', 1),
})

function oneOf<T extends string>(known: readonly T[], word: string, verb: string): T {
  const found = known.find((candidate) => candidate === word)
  if (found !== undefined) return found
  throw failure('USAGE', `Cannot ${verb} "${word}": there is no such thing`, `Choose one of ${known.join(', ')}.`)
}

function wholeNumber(text: string, option: string, least: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw failure('USAGE', `Cannot list datasets: ${option} takes a whole number from ${least} on, not ${text}`, '')
}

const columns = [
  { title: 'DATASET' },
  { title: 'STATE' },
  { title: 'GEN', align: 'right' },
  { title: 'FILES', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'SINCE' },
  { title: 'WHY' },
  { title: 'TRIES', align: 'right' },
  { title: 'NEXT' },
] as const

function listText(rows: readonly KnownTarget[], now: Date): string {
  if (rows.length === 0) return 'No datasets.'
  // Where nothing has failed, nobody wants to know how often.
  const shown = rows.some((row) => row.failures > 0) ? columns : columns.slice(0, 7)
  return table(
    shown,
    rows.map((row) => [
      formatDid(row.did),
      row.held || (row.hold !== null && row.endedAt === null) ? `${row.state}, held` : row.state,
      String(row.generation),
      row.length === null ? '' : String(row.length),
      row.bytes === null ? '' : bytesText(row.bytes),
      agoText(row.failingSince ?? row.endedAt ?? row.frozenAt ?? row.requestedAt, now),
      whyOf(row),
      row.failures === 0 ? '' : String(row.failures),
      nextOf(row, now),
    ]),
  )
}

const whyOf = ({ hold, endedAt, problems, waiting, endedWhy }: KnownTarget): string =>
  hold !== null && endedAt === null
    ? `by a person${hold.why === null ? '' : `: ${hold.why}`}`
    : (problems[0]?.code ?? waiting ?? endedWhy ?? '')

function nextOf(row: KnownTarget, now: Date): string {
  if (row.failures === 0) return ''
  if (row.hold !== null) return 'after release'
  const next = nextTry(row, now)
  return next === null ? 'after retry' : untilText(next, now)
}
