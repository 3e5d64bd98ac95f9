import { setTimeout } from 'node:timers/promises'
import type { AgentRow, Drain, Move, PipelineSummary, Summary } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import type { StuckMover } from '../model/stuck.ts'
import { agoText, bytesText, durationText, jsonText, plural, table, untilText } from './format.ts'
import type { GlobalOptions, QuietTerminal, Run, Terminal } from './command.ts'
import { credentialText } from './credential.ts'
import { openNamed } from './archived.ts'
import { agentRuns } from './selection.ts'

interface StatusOptions extends GlobalOptions {
  readonly watch?: boolean
  readonly json?: boolean
}

const watchMs = 2000
/** Moves the cursor home and clears what is below it. */
const clearScreen = '\u001b[H\u001b[J'

/** `status`: what moves, what waits and why, what needs a person. */
export const status: Run<StatusOptions, QuietTerminal> = async (options, terminal, signal) => {
  if (options.watch === true && (terminal.columns === null || options.json === true))
    throw failure(
      'USAGE',
      'Cannot watch: standard output is no terminal',
      'Call `tape-rse status --json` now and then.',
    )
  const catalog = await openNamed(options, terminal)
  try {
    for (;;) {
      const now = terminal.now()
      const summary = await catalog.summary(now)
      const text = options.json === true ? jsonText(summary) : summaryText(summary, now, terminal)
      terminal.print(options.watch === true ? `${clearScreen}${text}` : text)
      if (options.watch !== true) return 0
      await setTimeout(watchMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return 0
    }
  } finally {
    catalog.close()
  }
}

/** All pipelines, as people read them. */
export function summaryText(summary: Summary, now: Date, { emphasise }: Pick<Terminal, 'emphasise'>): string {
  const lines = [agentText(summary.agent, now)]
  if (summary.credential !== null) lines.push(credentialSeenText(summary.credential, now, emphasise))
  if (summary.drain !== null) lines.push(emphasise(drainText(summary.drain, summary.pipelines, now)))
  lines.push(...backupText(summary.backup, now, emphasise))
  for (const mover of summary.stuck) lines.push(...stuckText(mover, now, emphasise))
  if (summary.pipelines.length === 0) lines.push('Nothing has been polled yet.')
  return [lines.join('\n'), ...summary.pipelines.map((pipeline) => pipelineText(pipeline, now, emphasise))].join('\n\n')
}

function agentText(agent: AgentRow | null, now: Date): string {
  if (agent === null) return 'No agent has run yet: `tape-rse run`.'
  const who = `Agent ${agent.version} on ${agent.host} (pid ${agent.pid})`
  if (agent.endedAt !== null) return `${who} ended ${agoText(agent.endedAt, now)}.`
  if (agentRuns(agent, now)) return `${who} runs, started ${agoText(agent.startedAt, now)}.`
  return `${who} was last heard of ${agoText(agent.heardAt, now)}: it died, or hangs.`
}

/** What an agent that ended signed in with may be another by now. */
function credentialSeenText(
  credential: NonNullable<Summary['credential']>,
  now: Date,
  emphasise: (text: string) => string,
): string {
  const text = credentialText(credential, now, emphasise)
  const old = Math.abs(now.getTime() - credential.seenAt.getTime()) > 60_000
  return old ? `${text} That was ${agoText(credential.seenAt, now)}.` : text
}

function backupText(backup: Summary['backup'], now: Date, emphasise: (text: string) => string): readonly string[] {
  if (backup === null) return ['The catalog was never backed up: config key backup.']
  const { at, path, problem, failedAt } = backup
  const last =
    at === null ? 'The catalog was never backed up.' : `The catalog was backed up ${agoText(at, now)}: ${path!}.`
  if (problem === null) return [last]
  return [last, emphasise(`The backup ${agoText(failedAt!, now)} failed: ${problem.message}`), `  ${problem.hint}`]
}

const stuckText = (
  { pid, operation, path, since, freedBy }: StuckMover,
  now: Date,
  emphasise: (text: string) => string,
): readonly string[] => [
  emphasise(`STUCK: mover ${pid} hangs (${operation} ${path}), killed ${agoText(since, now)}, and does not end.`),
  freedBy === null ? `  See why ${path} does not answer.` : `  To free it, as root: ${freedBy}`,
]

function drainText({ since, why }: Drain, pipelines: readonly PipelineSummary[], now: Date): string {
  const left = pipelines.reduce((sum, { moving }) => sum + moving.length, 0)
  const still = left === 0 ? 'nothing moves' : `${plural(left, 'object')} still move`
  return `DRAINED ${agoText(since, now)}${why === null ? '' : ` (${why})`}: ${still}; nothing begins until \`tape-rse resume\`.`
}

function pipelineText(p: PipelineSummary, now: Date, emphasise: (text: string) => string): string {
  const lines = [`Pipeline ${p.pipeline}`]
  if (p.pause !== null) {
    lines.push(
      emphasise(`PAUSED ${agoText(p.pause.since, now)}: ${p.pause.problem.message}`),
      `  ${p.pause.problem.hint} It is probed, and goes on by itself.`,
    )
  }
  const rows = targetRows(p)
  if (rows.length > 0) {
    lines.push(
      table([{ title: 'DATASETS' }, { title: 'COUNT', align: 'right' }, { title: 'SIZE', align: 'right' }], rows),
    )
  }
  if (p.verification !== null && p.verification.damaged > 0)
    lines.push(
      emphasise(
        `DAMAGED: ${plural(p.verification.damaged, 'object')} in the vault, by what \`tape-rse verify\` has read.`,
      ),
      '  Keep all other copies of their files. `tape-rse list --state damaged` shows whose they are, `tape-rse repair DID` writes them again.',
    )
  if (p.moving.length > 0) lines.push('Moving now:', movingTable(p.moving))
  const backlog = backlogText(p)
  if (backlog !== null) lines.push(backlog)
  if (p.oldestRequest !== null)
    lines.push(`The oldest request that is not done was first seen ${agoText(p.oldestRequest, now)}.`)
  if (p.verification !== null) {
    const { objects, never, oldest } = p.verification
    const read =
      never === 0 ? 'all read back since they were proven' : `${never} never read back since they were proven`
    const onTape = p.verification.onTape === 0 ? '' : `, ${p.verification.onTape} known to be on tape`
    lines.push(`${plural(objects, 'object')} in the vault${onTape}, ${read}; of one that is ${agoText(oldest, now)}.`)
  }
  if (p.reasons.length > 0) lines.push('Failed, and tried again or waiting for a person:', reasonTable(p, now))
  if (p.heldByPeople > 0) lines.push(`${plural(p.heldByPeople, 'dataset')} held by people, until \`tape-rse release\`.`)
  for (const { scope, polledAt, succeededAt, found, problem } of p.polls) {
    if (problem === null) lines.push(`scope ${scope}: polled ${agoText(polledAt, now)}, ${plural(found, 'request')}`)
    else {
      const well = succeededAt === null ? 'it never went well' : `it last went well ${agoText(succeededAt, now)}`
      lines.push(
        emphasise(`scope ${scope}: the poll ${agoText(polledAt, now)} failed, ${well}: ${problem.message}`),
        `  ${problem.hint}`,
      )
    }
  }
  if (p.targets.some(({ held }) => held) || p.heldByPeople > 0)
    lines.push('`tape-rse list --state held` shows which are held, `tape-rse explain DID` why, and what to do.')
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

function movingTable(moves: readonly Move[]): string {
  const rows = moves.map((move) => {
    const seconds = (move.movedAt.getTime() - move.since.getTime()) / 1000
    const rate = seconds > 0 ? move.moved / seconds : 0
    return [
      `${formatDid(move.did)} ${move.part} of ${move.parts}`,
      `${move.doing === 'writing' ? 'written' : 'read back'}${move.attempt === 1 ? '' : `, try ${move.attempt}`}`,
      `${Math.min(100, Math.floor((100 * move.moved) / move.bytes))} %`,
      bytesText(move.bytes),
      rate === 0 ? '' : `${bytesText(rate)}/s`,
      rate === 0 ? '' : durationText((1000 * Math.max(0, move.bytes - move.moved)) / rate),
    ]
  })
  const right = 'right' as const
  return table(
    [
      { title: 'OBJECT' },
      { title: 'IS BEING' },
      { title: 'DONE', align: right },
      { title: 'SIZE', align: right },
      { title: 'RATE', align: right },
      { title: 'LEFT', align: right },
    ],
    rows,
  )
}

/** What is planned and not yet confirmed, and how long that takes at the pace of the last hour. */
function backlogText({ bundles, confirmedLately }: PipelineSummary): string | null {
  const open = bundles.filter(({ state, live }) => live && state !== 'confirmed')
  const count = open.reduce((sum, bundle) => sum + bundle.count, 0)
  if (count === 0) return null
  const bytes = open.reduce((sum, bundle) => sum + bundle.bytes, 0)
  const pace = confirmedLately.bytes / 3600
  const eta =
    pace === 0
      ? ''
      : `; at the pace of the last hour (${bytesText(pace)}/s) about ${durationText((1000 * bytes) / pace)}`
  return `Still to be written and proven: ${plural(count, 'object')}, ${bytesText(bytes)}${eta}.`
}

const reasonTable = ({ reasons }: PipelineSummary, now: Date): string =>
  table(
    [{ title: 'REASON' }, { title: 'DATASETS', align: 'right' }, { title: 'SINCE' }, { title: 'NEXT TRY' }],
    reasons.map(({ code, held, count, since, next }) => [
      held ? `${code} (held)` : code,
      String(count),
      agoText(since, now),
      next === null ? 'after `tape-rse retry`' : untilText(next, now),
    ]),
  )
