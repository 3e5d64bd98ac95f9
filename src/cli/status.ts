import type { PipelineSummary, Summary } from '../catalog/catalog.ts'
import { openReader } from '../app.ts'
import { agoText, bytesText, jsonText, plural, table } from './format.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'

interface StatusOptions extends GlobalOptions {
  readonly json?: boolean
}

/** `status`: what is done, what moves, what waits and why, what needs a person. */
export const status: Run<StatusOptions> = async (options, terminal) => {
  const catalog = await openReader(configOf(options, terminal))
  try {
    const summary = await catalog.summary()
    terminal.print(options.json === true ? jsonText(summary) : summaryText(summary, terminal.now()))
    return 0
  } finally {
    await catalog.close()
  }
}

/** The counts of all pipelines, as people read them. */
export function summaryText(summary: Summary, now: Date): string {
  if (summary.pipelines.length === 0) return 'Nothing has been polled yet: run `tape-rse run --once`.'
  return summary.pipelines.map((pipeline) => pipelineText(pipeline, now)).join('\n\n')
}

function pipelineText(p: PipelineSummary, now: Date): string {
  const lines = [`Pipeline ${p.pipeline}`]
  if (p.pause !== null) {
    lines.push(`PAUSED since ${agoText(p.pause.since, now)}: ${p.pause.problem.message}`, `  ${p.pause.problem.hint}`)
  }
  const rows = targetRows(p)
  if (rows.length > 0) {
    lines.push(
      table([{ title: 'DATASETS' }, { title: 'COUNT', align: 'right' }, { title: 'SIZE', align: 'right' }], rows),
    )
  }
  for (const { scope, polledAt, found, problem } of p.polls) {
    lines.push(
      problem === null
        ? `scope ${scope}: polled ${agoText(polledAt, now)}, ${plural(found, 'request')}`
        : `scope ${scope}: the poll ${agoText(polledAt, now)} failed: ${problem.message}\n  ${problem.hint}`,
    )
  }
  if (p.oldestRequest !== null)
    lines.push(`The oldest request that is not done was first seen ${agoText(p.oldestRequest, now)}.`)
  const held = p.targets.filter((t) => t.held).reduce((sum, t) => sum + t.count, 0)
  if (held > 0)
    lines.push(
      `${plural(held, 'dataset')} held: \`tape-rse list --state held\` shows which, \`tape-rse explain DID\` why.`,
    )
  return lines.join('\n')
}

function targetRows({ targets }: PipelineSummary): string[][] {
  const rows = new Map<string, { count: number; bytes: number }>()
  for (const { state, waiting, held, count, bytes } of targets) {
    const name = held ? 'held' : waiting !== null && state === 'requested' ? `waiting: ${waiting}` : words[state]
    const row = rows.get(name) ?? { count: 0, bytes: 0 }
    rows.set(name, { count: row.count + count, bytes: row.bytes + bytes })
  }
  return [...rows].map(([name, { count, bytes }]) => [name, String(count), bytesText(bytes)])
}

const words = {
  requested: 'requested',
  frozen: 'being archived',
  acknowledged: 'done',
  withdrawn: 'withdrawn',
  superseded: 'superseded',
} as const
