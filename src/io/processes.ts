import { readFileSync } from 'node:fs'

/** A process as /proc/PID/stat shows it (proc_pid_stat(5)). */
export interface ProcessSeen {
  readonly parent: number
  /** When it began, and after which boot: tells it from another process with the same id. */
  readonly started: string
}

const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** null: there is none, or nothing but its exit status is left of it. */
export function processAt(pid: number): ProcessSeen | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : { parent: Number(parent), started: `${rest[17]!} ${boot}` }
}
