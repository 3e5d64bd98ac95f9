import { existsSync } from 'node:fs'
import { mountAbove, type Mount } from '../io/mounts.ts'
import type { StuckMover } from '../model/stuck.ts'
import type { Call, MountSeen } from './whereabouts.ts'

/** Who hangs, and where. One that has ended at last is forgotten. */
export interface StuckMovers {
  /** @param roots those of its order, for a call of which nothing is known */
  add(pid: number, lives: () => boolean, call: Call, roots: readonly Root[]): StuckMover
  /** One that hangs where an order with these roots would go; null: none does. */
  on(roots: readonly Root[]): StuckMover | null
  /** Looks who has ended. */
  look(): void
}

/** The root of a vault or source, and the mount that it is on: of the same root, mounted anew, it is another. */
export interface Root {
  readonly path: string
  readonly mount: MountSeen | null
}

export const rootOn = (mounts: readonly Mount[], path: string): Root => ({ path, mount: mountAbove(mounts, path) })

interface Stuck extends StuckMover {
  readonly lives: () => boolean
  readonly roots: readonly Root[]
  /** Of the file systems that hang as a whole, as far as is known. */
  readonly devices: readonly string[]
}

/** @param changed told of all who are left, when one comes or goes */
export function stuckMovers(now: () => Date, changed: (stuck: readonly StuckMover[]) => void): StuckMovers {
  let all: readonly Stuck[] = []
  const tell = () =>
    changed(all.map(({ pid, operation, path, since, freedBy }) => ({ pid, operation, path, since, freedBy })))

  function look(): void {
    const left = all.filter(({ lives }) => lives())
    if (left.length === all.length) return
    all = left
    tell()
  }
  return {
    add(pid, lives, { operation, path, mount, root }, ofOrder) {
      const roots = root === null ? ofOrder : [root]
      const remote = (mount === null ? roots.map((each) => each.mount) : [mount]).filter(isRemote)
      const freedBy = remote.length === 0 ? null : remote.map(freeing).join('; ')
      const mover: Stuck = {
        ...{ pid, operation, path, freedBy, lives, roots },
        since: now(),
        devices: remote.map(({ device }) => device),
      }
      all = [...all, mover]
      tell()
      return mover
    },
    on(roots) {
      look()
      const hangs =
        ({ path, mount }: Root) =>
        (stuck: Stuck) =>
          (mount !== null && stuck.devices.includes(mount.device)) ||
          stuck.roots.some((root) => root.path === path && root.mount?.device === mount?.device)
      for (const root of roots) {
        const stuck = all.find(hangs(root))
        if (stuck !== undefined) return stuck
      }
      return null
    },
    look,
  }
}

/** A local disk may be that of everything else; what hangs there hangs by itself. */
const isRemote = (mount: MountSeen | null): mount is MountSeen =>
  mount !== null && /^(fuse|nfs|lustre|ceph|smb|cifs|gpfs|9p)/u.test(mount.type)

/** docs/hpss.md, "A mount that hangs": what ends a call, whatever has become of its mount. */
function freeing({ point, device, type }: MountSeen): string {
  if (!type.startsWith('fuse')) return `umount -f '${point.replaceAll("'", `'\\''`)}'`
  const connection = `${connections}/${device.split(':')[1]!}`
  const first = existsSync(connection) ? '' : `mount -t fusectl fusectl ${connections}; `
  return `${first}echo 1 > ${connection}/abort`
}

/** Where the kernel shows them, if that file system is mounted: many machines without systemd have none. */
const connections = '/sys/fs/fuse/connections'
