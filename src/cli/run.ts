import { setFlagsFromString } from 'node:v8'
import { archiveOnce, planOnce } from '../app.ts'
import type { PipelineSummary, Summary } from '../catalog/catalog.ts'
import type { Config } from '../config/schema.ts'
import { watchConfig, type ConfigTexts } from '../config/watch.ts'
import { ERRORS, failure, problemsOf } from '../model/errors.ts'
import { archiveUntilStopped, type ConfigSource } from '../service.ts'
import { jsonText } from './format.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { loadedConfig } from './config.ts'
import { planOf, planText } from './plan.ts'
import { summaryText } from './status.ts'

interface RunOptions extends GlobalOptions {
  readonly once?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `run`: archives until it is stopped. `--once`: until nothing can move. `--dry-run`: says what it would do. */
export const run: Run<RunOptions> = async (options, terminal, signal) => {
  try {
    return await archive(options, terminal, signal)
  } catch (error) {
    if (signal.aborted && problemsOf(error)[0]!.code === 'INTERRUPTED') return 0 // a clean stop
    throw error
  }
}

const archive: Run<RunOptions> = async (options, terminal, signal) => {
  setFlagsFromString('--optimize-for-size') // its heap grows by a fifth more without it (bench/waiting.ts)
  const read = new Map<string, string | null>()
  const loaded = await loadedConfig(options, terminal, (file, text) => read.set(file, text))
  terminal.configureLog(loaded.config.log)
  if (options.dryRun === true) return dryRun(loaded.config, options, terminal, signal)
  if (options.once !== true) {
    if (options.json === true)
      throw failure('USAGE', 'Cannot answer in JSON: a service has no answer', 'Set log.format: json, or use --once.')
    await archiveUntilStopped(loaded.config, configsOf(loaded.file, read, terminal), terminal, signal)
    return 0
  }
  const summary = await archiveOnce(loaded.config, terminal, signal)
  terminal.print(options.json === true ? jsonText(summary) : summaryText(summary, terminal.now(), terminal))
  const names = loaded.config.pipelines.map((pipeline) => pipeline.name)
  return signal.aborted ? 0 : exitCodeOf(summary, names)
}

async function dryRun(config: Config, options: RunOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const plan = await planOnce(config, terminal, (catalog) => planOf(catalog, terminal.now()), signal)
  terminal.print(options.json === true ? jsonText(plan) : planText(plan))
  return plan.problems.length > 0 ? 3 : 0
}

const lookEveryMs = 2000

/** The config, each time that its file changes or that somebody sends SIGHUP. One that is invalid is told of, and not used. */
const configsOf =
  (file: string, read: ConfigTexts, terminal: Terminal): ConfigSource =>
  (apply) => {
    const watch = watchConfig(read, {
      everyMs: lookEveryMs,
      load: (onRead) => loadedConfig({ config: file }, terminal, onRead),
      changed: ({ config }) => {
        if (apply(config)) terminal.configureLog(config.log)
      },
      invalid: (error) => {
        for (const { code, message, hint } of problemsOf(error))
          terminal.log.error(`the new config is not used, the old one stays in force: ${message}`, { code, hint })
      },
    })
    const deaf = terminal.onHangup(watch.reload)
    return () => {
      deaf()
      watch.close()
    }
  }

/** 0: all that is tagged is done or rightly waits. 3: some is held or failed. Else what pauses a pipeline says. */
export function exitCodeOf(summary: Summary, configured: readonly string[]): number {
  const pipelines = summary.pipelines.filter(({ pipeline }) => configured.includes(pipeline))
  const pause = pipelines.find((pipeline) => pipeline.pause !== null)?.pause
  if (pause) return ERRORS[pause.problem.code].exit
  return pipelines.some(hasFailures) ? 3 : 0
}

const hasFailures = ({ targets, polls, failed, heldByPeople }: PipelineSummary): boolean =>
  failed > 0 || heldByPeople > 0 || targets.some(({ held }) => held) || polls.some(({ problem }) => problem !== null)
