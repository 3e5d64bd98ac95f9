import { readdirSync, readFileSync } from 'node:fs'

/** Process ids of the children of a process. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/u.test(name))
    .map(Number)
    .filter((each) => {
      try {
        return Number(readFileSync(`/proc/${each}/stat`, 'latin1').split(') ')[1]!.split(' ')[1]) === pid
      } catch {
        return false
      }
    })
}

/** Most memory that a process has had so far. */
export const peakMiB = (pid: number): number =>
  Number(/VmHWM:\s*(\d+) kB/u.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
