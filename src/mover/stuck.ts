import type { Mount } from '../io/mounts.ts'
import { processAt } from '../io/processes.ts'
import type { StuckMover } from '../model/stuck.ts'
import type { Call } from './whereabouts.ts'

type MountSeen = Pick<Mount, 'point' | 'device' | 'type'>

/** Who hangs, and on which mounts. One that has ended at last is forgotten. */
export interface StuckMovers {
  add(process: { readonly pid: number; readonly started: string }, call: Call, mounts: readonly MountSeen[]): StuckMover
  /** One that hangs on any of these mounts; null: none does. */
  on(mounts: readonly MountSeen[]): StuckMover | null
  /** Looks who has ended. */
  look(): void
}

interface Stuck extends StuckMover {
  readonly started: string
  readonly devices: readonly string[]
}

/** @param changed told of all who are left, when one comes or goes */
export function stuckMovers(now: () => Date, changed: (stuck: readonly StuckMover[]) => void): StuckMovers {
  let all: readonly Stuck[] = []
  const tell = () => changed(all.map(({ started: _, devices: __, ...mover }) => mover))

  function look(): void {
    const left = all.filter(({ pid, started }) => processAt(pid)?.started === started)
    if (left.length === all.length) return
    all = left
    tell()
  }
  return {
    add({ pid, started }, { operation, path, mount }, mounts) {
      const on = mount === null ? mounts : [mount]
      const mover = { pid, operation, path, since: now(), freedBy: on.map(freeing).join('; ') }
      all = [...all, { ...mover, started, devices: on.map(({ device }) => device) }]
      tell()
      return mover
    },
    on(mounts) {
      look()
      const devices = new Set(mounts.map(({ device }) => device))
      return all.find((each) => each.devices.some((device) => devices.has(device))) ?? null
    },
    look,
  }
}

/** docs/hpss.md, "A mount that hangs": what ends a call, whatever has become of its mount. */
const freeing = ({ point, device, type }: MountSeen): string =>
  type.startsWith('fuse')
    ? `echo 1 > /sys/fs/fuse/connections/${device.split(':')[1]!}/abort`
    : `umount -f '${point.replaceAll("'", `'\\''`)}'`
