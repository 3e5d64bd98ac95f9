import { mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../io/errno.ts'
import { mountAbove, type Mount } from '../io/mounts.ts'
import { processAt } from '../io/processes.ts'

/** A call of a mover to a file system. */
export interface Call {
  readonly operation: string
  readonly path: string
  /** The mount of the path when the order began. null: it is not known. */
  readonly mount: Pick<Mount, 'point' | 'device' | 'type'> | null
}

/** What a mover writes down of itself. */
interface Whereabouts extends Call {
  readonly parent: number
  readonly started: string
}

/** Told before each call that may hang. */
export type Note = (operation: string, path: string) => void

/**
 * The file in which a mover says, before each call, what it calls: once it hangs it cannot, and it may live longer than the agent. Nothing
 * relies on it.
 */
const fileOf = (directory: string, pid: number): string => join(directory, String(pid))

/** For the mover itself. `mounts`: those of the order that is being carried out. */
export function whereaboutsOf(directory: string, mounts: () => readonly Mount[]): Note {
  const { parent, started } = processAt(process.pid)!
  let fd: number | null = null
  try {
    fd = openSync(fileOf(directory, process.pid), 'w', 0o644)
  } catch {
    return () => undefined
  }
  let said = ''
  return (operation, path) => {
    const call = `${operation} ${path}`
    if (fd === null || call === said) return
    said = call
    const mount = mountAbove(mounts(), path)
    const line: Whereabouts = {
      ...{ parent, started, operation, path },
      mount: mount === null ? null : { point: mount.point, device: mount.device, type: mount.type },
    }
    try {
      writeSync(fd, `${JSON.stringify(line)}\n`, 0) // a longer line before it leaves its end behind
    } catch {
      fd = null
    }
  }
}

/** Makes the directory for whereabouts. null: it cannot be had, and movers keep theirs to themselves. */
export function whereaboutsIn(directory: string): string | null {
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
  return said === null || processAt(pid)?.started !== said.started ? null : said
}

/** A mover whose agent is gone, and who lives on. */
export interface Stray extends Call {
  readonly pid: number
  readonly started: string
}

/** The strays of a directory; the files of those who are gone are removed. */
export function strays(directory: string): readonly Stray[] {
  const found: Stray[] = []
  for (const pid of readdirSync(directory).map(Number).filter(Number.isInteger)) {
    const seen = processAt(pid)
    const said = saidBy(directory, pid)
    if (seen === null || (said !== null && seen.started !== said.started)) forget(directory, pid)
    else if (said !== null && seen.parent !== said.parent) found.push({ pid, ...said })
  }
  return found
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
