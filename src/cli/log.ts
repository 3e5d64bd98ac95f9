import { printable } from './format.ts'
import { createLogger, format, transports, type Logger } from 'winston'

/** Rucio's daemons end a line with its severity in capitals. */
const severities: Readonly<Record<string, string>> = { error: 'ERROR', warn: 'WARNING', info: 'INFO', debug: 'DEBUG' }

function levelOf(level: string | undefined): string {
  const wanted = level?.toUpperCase()
  return Object.keys(severities).find((each) => each.toUpperCase() === wanted || severities[each] === wanted) ?? 'info'
}

/**
 * A logger that writes the text form of Rucio's daemons to standard error, so that standard output holds a command's answer
 * alone: `2026-11-21 21:49:10,254<TAB>tape-rse<TAB>1455<TAB>INFO<TAB>message`.
 * @param level error, warn (or WARNING), info or debug, in any case; anything else is info
 */
export const textLogger = (level: string | undefined, now: () => Date): Logger =>
  createLogger({
    level: levelOf(level),
    format: format.printf(({ level: severity, message, hint, ...fields }) => {
      const time = now().toISOString().replace('T', ' ').replace('.', ',').replace('Z', '')
      const extras = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)
      const shown = extras.map(([key, value]) => ` ${key}=${String(value)}`).join('')
      const advice = typeof hint === 'string' ? ` - ${hint}` : ''
      return [
        time,
        'tape-rse',
        process.pid,
        severities[severity] ?? severity,
        printable(`${String(message)}${advice}${shown}`),
      ].join('\t')
    }),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types call the instance a class
    transports: [new transports.Console({ stderrLevels: Object.keys(severities), forceConsole: true })],
  })
