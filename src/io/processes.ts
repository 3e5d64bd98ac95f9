import { readFileSync } from 'node:fs'
import { errnoOf } from './errno.ts'

/** A process as /proc/PID/stat shows it (proc_pid_stat(5)). */
export interface ProcessSeen {
  readonly parent: number
  /** When it began, and after which boot: tells it from another process with the same id. */
  readonly started: string
}

const boot = bootId()

/**
 * null: there is none, or nothing but its exit status is left of it.
 * @throws {Error} if that cannot be said, as for want of open files
 */
export function processAt(pid: number): ProcessSeen | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ESRCH') return null
    throw error
  }
  const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : { parent: Number(parent), started: `${rest[17]!} ${boot}` }
}

/** Whether the process that began so lives; null: whenever it began. One about whom that cannot be said does. */
export function isAlive({ pid, started }: { readonly pid: number; readonly started: string | null }): boolean {
  try {
    const seen = processAt(pid)
    return seen !== null && (started === null || seen.started === started)
  } catch {
    return true
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return '' // where it may not be read, process ids and times have to do
  }
}
