import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A fault of the mount: README.md beside this file says what it may hold. */
export interface Fault {
  readonly op: string | readonly string[]
  /** Glob, relative to the mount; its `*` crosses slashes. */
  readonly path?: string
  readonly count?: number
  readonly skip?: number
  readonly error?: string
  readonly defer?: boolean
  readonly hang?: number | 'forever'
  readonly short?: number
  /** Seconds. */
  readonly latency?: number
  /** What stat says. */
  readonly size?: number
  /** Corrupts silently: one bit of what is read or written. */
  readonly flip?: { readonly offset: number; readonly bit: number }
}

/** What the mount has seen of one file. */
export interface FileRecord {
  readonly opensForWrite: number
  readonly writes: number
  readonly bytesWritten: number
  readonly highest: number
  readonly backSeeks: number
  readonly gaps: number
  readonly truncations: number
  /** What cost the file HPSS's own checksum. null: nothing. */
  readonly hashLost: string | null
  /** `md5:…`; null: it has none. */
  readonly digest: string | null
  readonly unsyncedBytes: number
  readonly fsyncs: number
  readonly closes: number
}

/** A FUSE mount that behaves like HPSSFS and fails on command. */
export interface Hpssfs {
  /** The mount point. */
  readonly root: string
  /** Its `--store`. */
  readonly store: string
  /** Where the files of the mount really lie: no fault meets who looks there. */
  readonly tree: string
  /** Every command of README.md; rejects if the mount refuses it. */
  ctl(cmd: string, args?: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>
  /** What it has seen of each file that is there, by path below the root. */
  records(): Promise<ReadonlyMap<string, FileRecord>>
  setFaults(...faults: readonly Fault[]): Promise<void>
  /** Lets hung requests go on as well. */
  clearFaults(): Promise<void>
  /** How often each fault was met, in the order in which they were set. */
  hits(): Promise<readonly number[]>
  unmount(): Promise<void>
}

/**
 * @param again a mount that was taken away: this one shows the same files at the same place
 * @throws {Error} if this machine gives no such mount
 */
export async function mountHpssfs(
  settings: Readonly<Record<string, unknown>> = {},
  again: Pick<Hpssfs, 'root' | 'store'> | null = null,
): Promise<Hpssfs> {
  const directory = mkdtempSync(join(tmpdir(), 'hpssfs-'))
  const { root, store } = again ?? { root: join(directory, 'mnt'), store: join(directory, 'store') }
  const control = join(directory, 'ctl')
  if (again === null) mkdirSync(root)
  const sets = Object.entries(settings).map(([key, value]) => `--set=${key}=${JSON.stringify(value)}`)
  const program = join(import.meta.dirname, 'hpssfs.py')
  const daemon = spawn(
    'python3',
    [program, 'mount', '--store', store, '--at', root, '--control', control, '--until-eof', ...sets],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  let said = ''
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(daemon, 'close')
  const ready = await Promise.race([
    once(createInterface({ input: daemon.stdout }), 'line'),
    ended,
    once(daemon, 'error'),
  ])
  if (typeof ready[0] !== 'string' || !ready[0].includes('"ready"')) {
    rmSync(directory, { recursive: true, force: true })
    throw new Error(said.trim().split('\n').at(-1) ?? String(ready[0]))
  }

  async function ctl(cmd: string, args: Readonly<Record<string, unknown>> = {}) {
    const socket = connect(control)
    socket.write(`${JSON.stringify({ cmd, ...args })}\n`)
    const [line] = (await once(createInterface({ input: socket }), 'line')) as [string]
    socket.destroy()
    const { ok, error, ...answer } = JSON.parse(line) as Record<string, unknown>
    if (ok !== true) throw new Error(`Cannot ${cmd}: ${String(error)}`)
    return answer
  }
  return {
    root,
    store,
    tree: join(store, 'tree'),
    ctl,
    records: async () => new Map(Object.entries((await ctl('stats'))['files'] as Record<string, FileRecord>)),
    async setFaults(...faults) {
      await ctl('faults.set', { faults })
    },
    async clearFaults() {
      await ctl('faults.clear')
    },
    hits: async () => ((await ctl('faults.list'))['faults'] as { hits: number }[]).map(({ hits }) => hits),
    async unmount() {
      daemon.stdin.end()
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Why this machine gives no such mount, in one line; null: it does. */
export async function whyNoHpssfs(): Promise<string | null> {
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  try {
    await (await mountHpssfs()).unmount()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
