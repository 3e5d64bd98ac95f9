import type { Catalog } from './catalog/catalog.ts'
import { gatherMs, serve } from './agent.ts'
import { keepBackingUp } from './backup.ts'
import {
  backupWatch,
  openAgentMovers,
  openSite,
  pipelines,
  sayIfUntested,
  credentialWatch,
  withAgent,
  withGrace,
  type Ambient,
} from './app.ts'
import { changesBetween } from './config/changes.ts'
import type { Config } from './config/schema.ts'
import { watchCredential } from './credential-watch.ts'
import { mutex, type Mutex } from './io/mutex.ts'
import { problemsOf } from './model/errors.ts'
import type { Supervisor } from './mover/supervisor.ts'
import { runTimetable } from './timetable.ts'

/** Calls `apply`, which says whether it is in force then, with each new config; returns the function that ends that. */
export type ConfigSource = (apply: (config: Config) => boolean) => () => void

/** The agent with one config. */
interface Session {
  readonly config: Config
  /** Begins nothing more; what is in flight goes on beside the next session. */
  readonly retire: () => void
  /** Rejects with what has to stop the whole agent. */
  readonly ended: Promise<void>
}

/**
 * Runs the agent until it is stopped. A new config replaces the old one while objects are being moved: those are finished as they
 * were begun, and everything that begins after that heeds the new one.
 */
export async function archiveUntilStopped(
  first: Config,
  configs: ConfigSource,
  ambient: Ambient,
  stop: AbortSignal,
): Promise<void> {
  let current = first
  await withAgent(first, ambient, (catalog, lost) =>
    withGrace(
      stop,
      () => current.grace,
      ambient.log,
      async (signal) => {
        const movers = await openAgentMovers(first, ambient, catalog)
        const broken = new AbortController()
        const shift = {
          stop: AbortSignal.any([stop, lost, broken.signal]),
          signal: AbortSignal.any([signal, lost, broken.signal]),
        }
        const controls = new Map<string, Mutex>()
        const begin = (config: Config) => beginSession(config, { catalog, movers, ambient, controls, ...shift })
        let session = begin(first)
        const open = new Set([session])

        const unwatch = configs((config) => {
          if (shift.stop.aborted || !mayReplace(current, config, ambient)) return false
          const next = begin(config) // if that fails, the old one goes on
          session.retire()
          movers.adjust(config.movers, config.deadlines)
          current = config
          session = next
          open.add(next)
          return true
        })
        const errors: unknown[] = []
        try {
          while (open.size > 0) {
            const ended = await Promise.race([...open].map((each) => outcomeOf(each)))
            open.delete(ended.session)
            if (ended.error !== null) {
              errors.push(ended.error)
              broken.abort()
            }
          }
        } finally {
          unwatch()
          await movers.close()
        }
        for (const error of errors) if (problemsOf(error)[0]!.code !== 'INTERRUPTED') throw error
      },
    ),
  )
}

const outcomeOf = (session: Session): Promise<{ readonly session: Session; readonly error: unknown }> =>
  session.ended.then(
    () => ({ session, error: null }),
    (error: unknown) => ({ session, error }),
  )

interface Workplace {
  readonly catalog: Catalog
  readonly movers: Supervisor
  readonly ambient: Ambient
  /** By pipeline: sessions that follow each other speak to its source one at a time. */
  readonly controls: Map<string, Mutex>
  readonly stop: AbortSignal
  readonly signal: AbortSignal
}

function beginSession(config: Config, { catalog, movers, ambient, controls, stop, signal }: Workplace): Session {
  const retired = new AbortController()
  const site = openSite(config, ambient, movers)
  sayIfUntested(site.client, ambient.log, signal)
  const services = pipelines(config, catalog, site, ambient).map((pipeline) => {
    const alone = controls.get(pipeline.name) ?? mutex()
    controls.set(pipeline.name, alone)
    return { pipeline, alone, timetable: runTimetable(config.schedule, ambient) }
  })
  // Who polls often wants to hear soon.
  const napMs = 'every' in config.schedule ? Math.min(gatherMs, config.schedule.every) : gatherMs
  const shift = { movers: config.movers, stop: AbortSignal.any([stop, retired.signal]), signal, napMs }
  const watching = watchCredential(credentialWatch(config, ambient, catalog), AbortSignal.any([shift.stop, signal]))
  const backing = keepBackups(config, ambient, catalog, AbortSignal.any([shift.stop, signal]))
  const work = [serve(services, shift), watching, backing]
  const ended = Promise.all(work).finally(async () => {
    retired.abort() // what fails ends the other, which still has a client, and a catalog, until it has ended
    await Promise.allSettled(work)
    for (const { timetable } of services) timetable.close()
    site.client.close()
  })
  return { config, retire: () => retired.abort(), ended: ended.then(() => undefined) }
}

const keepBackups = async (config: Config, ambient: Ambient, catalog: Catalog, stop: AbortSignal): Promise<void> => {
  const watch = backupWatch(config, ambient, catalog)
  if (watch !== null) await keepBackingUp(watch, stop)
}

/** Says what a new config changes, or why it cannot be applied. */
function mayReplace(old: Config, config: Config, { log }: Ambient): boolean {
  const { keys, fixed } = changesBetween(old, config)
  if (fixed.length > 0) {
    log.error(
      `Cannot apply the new config: ${fixed.join(', ')} cannot change while the agent runs; the old config stays in force`,
      {
        code: 'CONFIG_INVALID',
        hint: 'Restart the agent to apply all of it, or take that change back.',
      },
    )
    return false
  }
  log.info(
    keys.length === 0 ? 'config read again: nothing in it has changed' : `new config in force: ${keys.join(', ')}`,
  )
  return true
}
