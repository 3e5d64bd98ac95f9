import { openReader } from '../app.ts'
import type { TargetFilter, TargetRow } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import { agoText, bytesText, jsonText, table } from './format.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'

interface ListOptions extends GlobalOptions {
  readonly state?: string
  readonly pipeline?: string
  readonly limit?: string
  readonly json?: boolean
}

const states = ['requested', 'frozen', 'acknowledged', 'withdrawn', 'superseded', 'held', 'waiting', 'live'] as const

/** `list`: the datasets that the catalog knows. */
export const list: Run<ListOptions> = async (options, terminal) => {
  const filter = filterOf(options)
  const catalog = await openReader(configOf(options, terminal))
  try {
    const rows = await catalog.list(filter)
    terminal.print(
      options.json === true
        ? jsonText(rows.map((row) => ({ ...row, did: formatDid(row.did) })))
        : listText(rows, terminal.now()),
    )
    return 0
  } finally {
    await catalog.close()
  }
}

function filterOf({
  state = null,
  pipeline = null,
  limit = '1000',
}: {
  state?: string | null
  pipeline?: string | null
  limit?: string
}): TargetFilter {
  const known = states.find((candidate) => candidate === state)
  if (state !== null && known === undefined) {
    throw failure(
      'USAGE',
      `Cannot list state "${state}": there is no such state`,
      `Choose one of ${states.join(', ')}.`,
    )
  }
  const most = Number(limit)
  if (!Number.isInteger(most) || most < 1)
    throw failure('USAGE', `Cannot list ${limit} datasets: --limit takes a positive integer`, '')
  return { pipeline, state: known ?? null, limit: most }
}

function listText(rows: readonly TargetRow[], now: Date): string {
  if (rows.length === 0) return 'No datasets.'
  const columns = [
    { title: 'DATASET' },
    { title: 'STATE' },
    { title: 'GEN', align: 'right' as const },
    { title: 'FILES', align: 'right' as const },
    { title: 'SIZE', align: 'right' as const },
    { title: 'SINCE' },
    { title: 'WHY' },
  ]
  return table(
    columns,
    rows.map((row) => [
      formatDid(row.did),
      row.held ? `${row.state}, held` : row.state,
      String(row.generation),
      row.length === null ? '' : String(row.length),
      row.bytes === null ? '' : bytesText(row.bytes),
      agoText(row.endedAt ?? row.frozenAt ?? row.requestedAt, now),
      row.problems[0]?.code ?? row.waiting ?? row.endedWhy ?? '',
    ]),
  )
}
