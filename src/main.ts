import { fstatSync, readFileSync } from 'node:fs'
import { styleText } from 'node:util'
import { ERRORS, problemsOf } from './model/errors.ts'
import type { QuietTerminal, Terminal } from './cli/command.ts'
import { printable } from './cli/format.ts'
import { startMover, workerScript } from './mover/start.ts'

/** argv → command → exit code. The only signal handler, and the only place that prints an error. */
async function main(argv: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  // It takes as long to start as everything else that `get` does: whoever only mentions the word has it ended again.
  const spareMover =
    argv.includes('get') && !argv.includes('--to-stdout') ? startMover(workerScript, null, 'ignore') : null
  spareMover?.on('error', () => undefined) // who wants it is told
  const { parse } = await import('./cli/program.ts')
  const now = () => new Date()
  const quiet: QuietTerminal = {
    now,
    clock: () => performance.now(),
    random: Math.random,
    newId: () => crypto.randomUUID(),
    version,
    print: (text) => void process.stdout.write(`${text}\n`),
    env: process.env,
    cwd: process.cwd(),
    columns: process.stdout.isTTY ? process.stdout.columns : null,
    showLine: process.stderr.isTTY ? (text) => void process.stderr.write(`\r\u001b[K${text ?? ''}`) : null,
    spareMover,
    emphasise: (text) => styleText(['bold', 'red'], text, { stream: process.stdout }),
    ask,
    onHangup(listener) {
      process.on('SIGHUP', listener)
      return () => void process.off('SIGHUP', listener)
    },
  }
  const logging = async (): Promise<Terminal> => {
    const { isJournal, startLog } = await import('./cli/log.ts')
    const { log, configure } = startLog({
      settings: { format: 'text', level: 'info' },
      level: process.env['LOG_LEVEL'],
      now,
      journal: isJournal(process.env, fstatSync(process.stderr.fd)),
      write: (line) => void process.stderr.write(line),
    })
    return { ...quiet, log, configureLog: configure }
  }
  const stop = stopOnSignals()
  let json = argv.includes('--json')
  try {
    const parsed = parse(argv, version)
    if ('text' in parsed) {
      quiet.print(parsed.text)
      return 0
    }
    json = parsed.json
    return await parsed.run({ quiet, logging }, stop)
  } catch (error) {
    return report(error, json)
  } finally {
    spareMover?.kill('SIGKILL')
    if (stop.aborted) endForSure()
  }
}

async function ask(question: string): Promise<boolean | null> {
  if (!process.stdin.isTTY) return null
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/iu.test((await lines.question(question)).trim())
  } finally {
    lines.close()
  }
}

/**
 * Ends a process that was told to stop and does not end, because it waits for a file system that hangs. `process.exit()` would wait for
 * that, too.
 */
const endForSure = (): void => void setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5000).unref()

/** The first SIGTERM or SIGINT stops cleanly; a second one ends the process at once, its movers following by themselves. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(ERRORS.INTERRUPTED.exit)
      controller.abort()
    })
  }
  return controller.signal
}

/** Tells a person, or with --json a program, what is wrong and what to do; returns the exit code. */
function report(error: unknown, json: boolean): number {
  const problems = problemsOf(error)
  const { code } = problems[0]!
  const exit = ERRORS[code].exit
  if (json) process.stderr.write(`${JSON.stringify({ message_type: 'exit_error', code: exit, problems })}\n`)
  else
    for (const { message, hint } of problems)
      process.stderr.write(`tape-rse: ${printable(message)}\n${hint === '' ? '' : `  ${printable(hint)}\n`}`)
  if (code === 'INTERNAL' && !json && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  return exit
}

void main(process.argv.slice(2)).then((code) => (process.exitCode = code))
