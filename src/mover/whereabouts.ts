import { mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../io/errno.ts'
import { mountAbove, type Mount } from '../io/mounts.ts'
import { isAlive, processAt } from '../io/processes.ts'

/*
 * Before each call to a file system a mover writes down, in a file of its own, what it calls: once it hangs, it cannot say it, and it may
 * live longer than its agent. Nothing that is archived relies on that.
 */

export type MountSeen = Pick<Mount, 'point' | 'device' | 'type'>

/** A call of a mover to a file system. */
export interface Call {
  readonly operation: string
  readonly path: string
  /** The mount of the path when the order began, and that of the root of its vault or source. null: not known. */
  readonly mount: MountSeen | null
  readonly root: { readonly path: string; readonly mount: MountSeen | null } | null
}

/** What a mover writes down of itself. */
interface Whereabouts extends Call {
  readonly parent: number
  readonly started: string
}

/** Told before each call that may hang: what it does, to which path, and below which root that is. */
export type Note = (operation: string, path: string, root: string) => void

const fileOf = (directory: string, pid: number): string => join(directory, String(pid))

/** For the mover itself. `mounts`: those of the order that is being carried out. */
export function noteIn(directory: string, mounts: () => readonly Mount[]): Note {
  const { parent, started } = processAt(process.pid)!
  let fd: number | null = null
  try {
    fd = openSync(fileOf(directory, process.pid), 'w', 0o644)
  } catch {
    return () => undefined
  }
  let said = ''
  /** Per root, for as long as the mounts are these: so that a note costs little, because there is one for each block. */
  const roots = new Map<string, { readonly mount: MountSeen | null; readonly below: readonly Mount[] }>()
  let rootsOf = mounts()

  function seenOf(root: string) {
    if (rootsOf !== mounts()) roots.clear()
    rootsOf = mounts()
    const known = roots.get(root)
    if (known !== undefined) return known
    const below = rootsOf.filter(({ point }) => point.startsWith(`${root}/`))
    const seen = { mount: mountSeen(mountAbove(rootsOf, root)), below }
    roots.set(root, seen)
    return seen
  }

  /** Those of late: one file is read and another written, block by block. */
  const lines = new Map<string, Buffer>()

  function lineOf(operation: string, path: string, root: string): Buffer {
    const { mount, below } = seenOf(root)
    const call: Whereabouts = {
      ...{ parent, started, operation, path },
      mount: mountSeen(mountAbove(below, path)) ?? mount,
      root: { path: root, mount },
    }
    return Buffer.from(`${JSON.stringify(call)}\n`)
  }

  return (operation, path, root) => {
    const call = `${operation} ${path}`
    if (fd === null || call === said) return
    said = call
    if (lines.size > 8 || rootsOf !== mounts()) lines.clear()
    const line = lines.get(call) ?? lineOf(operation, path, root)
    lines.set(call, line)
    try {
      writeSync(fd, line, 0, line.length, 0) // a longer line before it leaves its end behind
    } catch {
      fd = null
      forget(directory, process.pid) // what it says is no longer so
    }
  }
}

const mountSeen = (mount: Mount | null): MountSeen | null =>
  mount === null ? null : { point: mount.point, device: mount.device, type: mount.type }

/** Makes the directory. null: it cannot be had, and movers keep their whereabouts to themselves. */
export function makeWhereabouts(directory: string): string | null {
  try {
    mkdirSync(directory)
    return directory
  } catch (error) {
    return errnoOf(error) === 'EEXIST' ? directory : null
  }
}

/** What a mover said last. null: nothing, or it is no longer that process. */
export function lastCallOf(directory: string, pid: number): Call | null {
  const said = saidBy(directory, pid)
  return said !== null && isAlive({ pid, started: said.started }) ? said : null
}

/** A mover whose agent is gone, and who lives on. */
export interface Stray extends Call {
  readonly pid: number
  readonly started: string
}

/** The strays of a directory; the files of those who are gone are removed. */
export function strays(directory: string): readonly Stray[] {
  const found: Stray[] = []
  for (const pid of idsIn(directory)) {
    const said = saidBy(directory, pid)
    if (!isAlive({ pid, started: said?.started ?? null })) forget(directory, pid)
    else if (said !== null && isOrphan(pid, said.parent)) found.push({ pid, ...said })
  }
  return found
}

/** An orphan has another parent. One about whom that cannot be said has its own. */
function isOrphan(pid: number, parent: number): boolean {
  try {
    return processAt(pid)?.parent !== parent
  } catch {
    return false
  }
}

function idsIn(directory: string): readonly number[] {
  try {
    return readdirSync(directory).map(Number).filter(Number.isInteger)
  } catch {
    return [] // it is no directory, or somebody else's
  }
}

export function forget(directory: string, pid: number): void {
  try {
    unlinkSync(fileOf(directory, pid))
  } catch {
    // it never wrote one, or somebody else has
  }
}

function saidBy(directory: string, pid: number): Whereabouts | null {
  try {
    return JSON.parse(readFileSync(fileOf(directory, pid), 'utf8').split('\n', 1)[0]!) as Whereabouts
  } catch {
    return null
  }
}
