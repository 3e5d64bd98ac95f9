import { parseDuration } from '../config/units.ts'
import { failure } from '../model/errors.ts'
import { workerScript } from '../mover/start.ts'
import { killMs, startSupervisor, type Supervisor } from '../mover/supervisor.ts'
import type { QuietTerminal } from './command.ts'

/** What commands that read objects have in common. */
interface Reading {
  readonly patience?: string
  readonly toStdout?: boolean
}

/** Movers that only read, one at a time: what lies on one tape is read in its order. */
export function readingMovers({ patience, toStdout }: Reading, { now }: QuietTerminal): Supervisor {
  const move = patience === undefined ? patienceMs : parseDuration(patience)
  if (move === null || move < 1000)
    throw failure('USAGE', `Cannot wait ${patience!}: --patience takes a time such as 30m or 6h`, '')
  return startSupervisor({
    ...{ script: workerScript, movers: 1, killMs, now, whereabouts: null, onStuck: () => undefined },
    deadlines: { move, look: Math.min(move, lookMs) },
    ...(toStdout === true && { output: 'inherit' }),
  })
}

/** As the config's `deadlines` are by default. */
const patienceMs = 30 * 60_000
const lookMs = 2 * 60_000
