import { archiveOnce, planOnce } from '../app.ts'
import type { CatalogReader, PipelineSummary, Summary } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { ERRORS, failure } from '../model/errors.ts'
import { bytesText, jsonText, table } from './format.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { summaryText } from './status.ts'

interface RunOptions extends GlobalOptions {
  readonly once?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `run --once`: archives until nothing can move. `--dry-run`: says what it would do. */
export const run: Run<RunOptions> = async (options, terminal, signal) => {
  if (options.once !== true) {
    throw failure(
      'USAGE',
      'Cannot run as a service: that is not built yet',
      'Use `tape-rse run --once`, from cron or a systemd timer.',
    )
  }
  const config = configOf(options, terminal)
  if (options.dryRun === true) {
    const plan = await planOnce(config, terminal, planOf, signal)
    terminal.print(options.json === true ? jsonText(plan) : planText(plan))
    return plan.problems.length > 0 ? 3 : 0
  }
  const summary = await archiveOnce(config, terminal, signal)
  terminal.print(options.json === true ? jsonText(summary) : summaryText(summary, terminal.now()))
  return exitCodeOf(
    summary,
    config.pipelines.map((pipeline) => pipeline.name),
  )
}

/** 0: all that is tagged is done or rightly waits. 3: some is held or failed. Else what pauses a pipeline says. */
export function exitCodeOf(summary: Summary, configured: readonly string[]): number {
  const pipelines = summary.pipelines.filter(({ pipeline }) => configured.includes(pipeline))
  const pause = pipelines.find((pipeline) => pipeline.pause !== null)?.pause
  if (pause) return ERRORS[pause.problem.code].exit
  return pipelines.some(hasFailures) ? 3 : 0
}

const hasFailures = ({ targets, polls, failed }: PipelineSummary): boolean =>
  failed > 0 || targets.some(({ held }) => held) || polls.some(({ problem }) => problem !== null)

interface Plan {
  readonly bundles: readonly {
    readonly pipeline: string
    readonly did: string
    readonly location: string
    readonly files: number
    readonly bytes: number
  }[]
  readonly waiting: readonly { readonly pipeline: string; readonly did: string; readonly reason: string }[]
  readonly problems: readonly {
    readonly pipeline: string
    readonly did: string
    readonly code: string
    readonly message: string
    readonly hint: string
  }[]
}

async function planOf(catalog: CatalogReader): Promise<Plan> {
  const bundles: Plan['bundles'][number][] = []
  const waiting: Plan['waiting'][number][] = []
  const problems: Plan['problems'][number][] = []
  for (const row of await catalog.list({ pipeline: null, state: 'live', limit: 1_000_000 })) {
    const { pipeline } = row
    const did = formatDid(row.did)
    if (row.waiting !== null) waiting.push({ pipeline, did, reason: row.waiting })
    for (const { code, message, hint } of row.problems) problems.push({ pipeline, did, code, message, hint })
    if (row.state !== 'frozen') continue
    const found = (await catalog.find(row.did)).find((each) => each.row.id === row.id)
    for (const { location, files, bytes, state } of found?.bundles ?? []) {
      if (state === 'planned' || state === 'assigned')
        bundles.push({ pipeline, did, location: location ?? '(held)', files, bytes })
    }
  }
  for (const { pipeline, polls } of (await catalog.summary()).pipelines) {
    for (const { scope, problem } of polls)
      if (problem !== null) problems.push({ pipeline, did: `${scope}:*`, ...problem })
  }
  return { bundles, waiting, problems }
}

function planText({ bundles, waiting, problems }: Plan): string {
  const total = bundles.reduce((sum, bundle) => sum + bundle.bytes, 0)
  const parts = [`Would write ${bundles.length} objects, ${bytesText(total)}. Nothing was written.`]
  if (bundles.length > 0) {
    const rows = bundles.map(({ did, files, bytes, location }) => [did, String(files), bytesText(bytes), location])
    parts.push(
      table(
        [
          { title: 'DATASET' },
          { title: 'FILES', align: 'right' },
          { title: 'SIZE', align: 'right' },
          { title: 'OBJECT' },
        ],
        rows,
      ),
    )
  }
  if (waiting.length > 0) {
    parts.push(
      `Not taken:`,
      table(
        [{ title: 'DID' }, { title: 'WHY' }],
        waiting.map(({ did, reason }) => [did, reason]),
      ),
    )
  }
  if (problems.length > 0) {
    parts.push(
      'Would be held:',
      ...problems.map(({ did, code, message, hint }) => `  ${did}\n    ${code}: ${message}\n    ${hint}`),
    )
  }
  return parts.join('\n')
}
