import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

/** What a mover runs. */
export const workerScript = join(
  import.meta.dirname,
  import.meta.filename.endsWith('.ts') ? 'worker.ts' : 'mover/worker.cjs',
)

/** A mover lives long and makes short-lived things: without these its heap grows to twice what it needs (bench/pack.ts). */
const frugal: readonly string[] = ['--max-semi-space-size=2', '--optimize-for-size']

/**
 * Starts the process of a mover.
 * @param whereabouts directory in which it says what it is at; null: it does not
 * @param output where it writes that is told to deliver to standard output
 */
export function startMover(script: string, whereabouts: string | null, output: 'inherit' | 'ignore'): ChildProcess {
  const node = ['--disable-warning=ExperimentalWarning', ...frugal]
  const told = [String(process.pid), ...(whereabouts === null ? [] : [whereabouts])]
  return spawn(process.execPath, [...node, script, ...told], {
    detached: true, // its own process group: a terminal's Ctrl-C reaches the control process alone
    stdio: ['ignore', output, 'pipe', 'ipc'],
    env: {},
  })
}
