import type { ChildProcess } from 'node:child_process'
import type { Ambient } from '../app.ts'
import type { LogSettings } from './log.ts'

/** What a command gets from the world, and where its answer goes. */
export interface Terminal extends Ambient {
  /** Writes a line, or several, to standard output. */
  readonly print: (text: string) => void
  /** Working directory. */
  readonly cwd: string
  /** Columns and colour: null where standard output is no terminal. */
  readonly columns: number | null
  /** Shows a line on standard error in place of the last one; null takes it away. Itself null where that is no terminal. */
  readonly showLine: ((text: string | null) => void) | null
  /** Asks for yes or no; null where standard input is no terminal. */
  readonly ask: (question: string) => Promise<boolean | null>
  /** Makes a text stand out, where standard output is a terminal that wants it ($NO_COLOR). */
  readonly emphasise: (text: string) => string
  /** A mover that was started for a command that may want one; null: none was. */
  readonly spareMover: ChildProcess | null
  /** From now on `log` writes like this. */
  readonly configureLog: (settings: LogSettings) => void
  /** Calls the listener at each SIGHUP; returns the function that ends that. */
  readonly onHangup: (listener: () => void) => () => void
}

/** What a command that only reads gets: it has no log, and must answer soon. */
export type QuietTerminal = Omit<Terminal, 'log' | 'configureLog'>

/** Options that every command takes. */
export interface GlobalOptions {
  readonly config?: string
}

/** Runs one command; returns its exit code (docs/operations.md, "Exit codes"). */
export type Run<Options, Given = Terminal> = (options: Options, terminal: Given, signal: AbortSignal) => Promise<number>
