import { Writable } from 'node:stream'
import { createLogger, format, transports, type Logform, type Logger } from 'winston'
import { jsonLine, priorityOf, textLine } from './log-forms.ts'

export interface LogSettings {
  readonly format: 'text' | 'json'
  readonly level: 'error' | 'warn' | 'info' | 'debug'
}

export interface LogOptions {
  /** In force until the config is read. */
  readonly settings: LogSettings
  /** $LOG_LEVEL, which wins over the config: error, warn (or WARNING), info or debug, in any case; anything else is ignored. */
  readonly level: string | undefined
  readonly now: () => Date
  /** The log is read by journald: each line begins with its priority. */
  readonly journal: boolean
  readonly write: (line: string) => void
}

export interface Log {
  readonly log: Logger
  /** From then on the same logger writes like this. */
  readonly configure: (settings: LogSettings) => void
}

const levels: Readonly<Record<string, LogSettings['level']>> = {
  ERROR: 'error',
  WARN: 'warn',
  WARNING: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
}

/** The one logger, in the forms of Rucio's daemons (log-forms.ts). */
export function startLog({ settings, level, now, journal, write }: LogOptions): Log {
  const forced = levels[level?.toUpperCase() ?? '']
  let form = settings.format
  const line = (info: Logform.TransformableInfo): string => {
    const text = form === 'json' ? jsonLine(info, now(), process.pid) : textLine(info, now(), process.pid)
    return journal ? `<${priorityOf(info.level)}>${text}` : text
  }
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      write(chunk.toString())
      done()
    },
  })
  const log = createLogger({
    level: forced ?? settings.level,
    format: format.printf(line),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types call the instance a class
    transports: [new transports.Stream({ stream })],
  })
  return {
    log,
    configure(next) {
      form = next.format
      log.level = forced ?? next.level
    },
  }
}

/** Whether standard error is read by journald: $JOURNAL_STREAM names its device and inode (systemd.exec(5)). */
export const isJournal = (
  env: Readonly<Record<string, string | undefined>>,
  { dev, ino }: { readonly dev: number | bigint; readonly ino: number | bigint },
): boolean => env['JOURNAL_STREAM'] === `${dev}:${ino}`
