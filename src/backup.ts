import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'winston'
import type { Backup, Catalog } from './catalog/catalog.ts'
import { failure, interrupted, problemsOf } from './model/errors.ts'

interface Made {
  readonly path: string
  readonly bytes: number
}

export interface BackupSettings {
  /** Path of the catalog. */
  readonly catalog: string
  readonly directory: string
  /** Milliseconds from one to the next. */
  readonly every: number
  /** How many stay. */
  readonly keep: number
}

const script = join(
  import.meta.dirname,
  'catalog',
  import.meta.filename.endsWith('.ts') ? 'backup-worker.ts' : 'backup-worker.js',
)

/** A disk that takes longer hangs. */
const deadlineMs = 30 * 60_000

/**
 * Backs the catalog up now, in a process of its own, while others work with it.
 * @throws TapeRseError BACKUP_FAILED
 */
export function backUpNow(
  { catalog, directory, keep }: Omit<BackupSettings, 'every'>,
  at: Date,
  signal: AbortSignal,
  begun: (child: ChildProcess) => void = () => undefined,
): Promise<Made> {
  const failed = (what: string) =>
    failure(
      'BACKUP_FAILED',
      `Cannot back up the catalog ${catalog} to ${directory}: ${what}`,
      'See that the directory is there, may be written by the agent, and has room. It is tried again.',
    )
  return new Promise((resolve, reject) => {
    const args = ['--disable-warning=ExperimentalWarning', script, catalog, directory, String(keep), at.toISOString()]
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    const give = (error: Error) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      reject(error)
    }
    // One that hangs may outlive its kill: it is not waited for.
    const end = (error: Error) => {
      child.kill('SIGKILL')
      child.stdout.destroy()
      child.unref()
      give(error)
    }
    const stop = () => {
      end(interrupted())
    }
    const timer = setTimeout(() => end(failed(`no answer within ${deadlineMs / 60_000} min`)), deadlineMs)
    signal.addEventListener('abort', stop, { once: true })
    child.once('error', (error) => give(failed(error.message)))
    child.once('close', (_, killedBy) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      const answer = parse(out)
      if (answer === null) reject(failed(`its process ended${killedBy === null ? '' : ` by ${killedBy}`}`))
      else if ('error' in answer) reject(failed(answer.error))
      else resolve(answer)
    })
    if (signal.aborted) stop()
    begun(child)
  })
}

function parse(out: string): Made | { readonly error: string } | null {
  try {
    return JSON.parse(out) as Made | { readonly error: string }
  } catch {
    return null
  }
}

/** How often it is seen whether a backup is due, and how long one that failed waits. */
const lookMs = 60_000
const retryMs = 15 * 60_000

export interface BackupWatch {
  readonly settings: BackupSettings
  readonly catalog: Pick<Catalog, 'lastBackup' | 'backedUp'>
  readonly log: Logger
  readonly now: () => Date
}

/** Backs up if it is time; what fails is said once, and written down for `status`, and stops nothing. */
export async function backUpIfDue(
  { settings, catalog, log, now }: BackupWatch,
  signal: AbortSignal,
  begun?: (child: ChildProcess) => void,
): Promise<void> {
  const last = await catalog.lastBackup()
  if (!isDue(last, settings.every, now())) return
  try {
    const { path, bytes } = await backUpNow(settings, now(), signal, begun)
    await catalog.backedUp({ at: now(), path, bytes }) // commit
    log.info(`catalog backed up to ${path}`, { bytes })
  } catch (error) {
    if (signal.aborted) return
    const [problem] = problemsOf(error)
    if (problem!.code !== 'BACKUP_FAILED') throw error
    await catalog.backedUp({ at: now(), problem: problem! }) // commit
    if (last?.problem?.message !== problem!.message)
      log.error(problem!.message, { code: problem!.code, hint: problem!.hint })
  }
}

function isDue(last: Backup | null, every: number, now: Date): boolean {
  if (last === null) return true
  const since = (at: Date | null, ms: number) => at === null || Math.abs(now.getTime() - at.getTime()) >= ms // by a clock that was set back, it was long ago
  return since(last.at, every) && since(last.failedAt, Math.min(every, retryMs))
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Goes on until it is stopped. */
export async function keepBackingUp(watch: BackupWatch, stop: AbortSignal): Promise<void> {
  const children: ChildProcess[] = []
  while (!stop.aborted) {
    // One that hangs, and does not end though it was killed, is not followed by another.
    if (children.every(hasEnded)) await backUpIfDue(watch, stop, (child) => void children.splice(0, 1, child))
    await sleep(Math.min(lookMs, watch.settings.every), undefined, { signal: stop }).catch(() => undefined)
  }
}
