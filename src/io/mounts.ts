import { readFileSync } from 'node:fs'

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  /** Where it is mounted. */
  readonly point: string
  /** `major:minor` of the files on it. */
  readonly device: string
  readonly type: string
  /** What is mounted: a device, a server, a name. */
  readonly origin: string
}

/** Reads the mounts of this process. Touches none of them, so it never hangs on one. */
export const readMounts = (): readonly Mount[] => parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))

export function parseMounts(text: string): readonly Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before, after] = line.split(' - ') as [string, string]
      const [, , device, , point] = before.split(' ')
      const [type, origin] = after.split(' ')
      return { point: unescape(point!), device: device!, type: type!, origin: unescape(origin!) }
    })
}

/** The kernel writes blanks, tabs, newlines and backslashes as `\ooo`. */
const unescape = (text: string): string =>
  Buffer.from(
    text.replace(/\\([0-7]{3})/gu, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    'utf8',
  ).toString('utf8')

/** What is mounted at exactly this point: the last one mounted there hides the others. */
export const mountAt = (mounts: readonly Mount[], point: string): Mount | null =>
  mounts.findLast((mount) => mount.point === point) ?? null

/** The mount that a path is on, by the names of both: links are not followed, nothing is touched. */
export const mountAbove = (mounts: readonly Mount[], path: string): Mount | null =>
  mounts.reduce<Mount | null>(
    (best, mount) => (isBelow(path, mount.point) && mount.point.length >= (best?.point.length ?? 0) ? mount : best),
    null,
  )

const isBelow = (path: string, point: string): boolean =>
  path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`)
