import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { childrenOf } from './processes.ts'
import type { Ran, Site } from './site.ts'

/** Waits until something is so. Who waits in vain ends, so that nothing goes on behind the next test. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 200_000): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain until ${holds.toString()}`)
    await sleep(50)
  }
}

/** A running agent. */
export interface Service {
  readonly child: ChildProcess
  readonly ended: Promise<Ran>
  /** What it has logged so far. */
  log(): string
  stop(): Promise<Ran>
}

export function startService(site: Site): Service {
  const { child, ended } = site.start('run')
  let text = ''
  child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return {
    child,
    ended,
    log: () => text,
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** A process that is stopped would stay. */
function wake(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch {
    // it has ended meanwhile
  }
}

/** Ends those that still run, by force. */
export async function endServices(services: readonly Service[]): Promise<void> {
  for (const { child } of services) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    for (const mover of childrenOf(child.pid!)) wake(mover)
    child.kill('SIGKILL')
  }
  await Promise.all(services.map(({ ended }) => ended))
}
