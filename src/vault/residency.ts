import { lstatSync } from 'node:fs'
import { errnoOf } from '../io/errno.ts'
import { failure, type ErrorCode } from '../model/errors.ts'
import type { Command, Residency, ResidencyProbe } from '../model/residency.ts'
import { vaultCall } from './failures.ts'

/** What answers later is ended: its caller has a deadline, too. */
const commandMs = 60_000

/** Few movers ever start a program; all others start sooner without this. */
const childProcess = () => process.getBuiltinModule('node:child_process')

/** Where the bytes of these files are, in their order. Nothing is opened: an open may fetch a file from tape. */
export function residencies(
  probe: ResidencyProbe,
  paths: readonly string[],
  beat: () => void = () => undefined,
): readonly Residency[] {
  switch (probe.kind) {
    case 'none':
      return paths.map(() => 'unknown')
    case 'xattr':
      return paths.map((path) => {
        beat()
        return byAttribute(probe.attribute, path)
      })
    case 'command':
      return byCommand(probe.command, paths)
  }
}

/** Asks for these files to be brought to disk, or, by another command, not to be any more. */
export function recallBy(command: Command, paths: readonly string[]): void {
  run('RECALL_FAILED', command, paths)
}

function byAttribute(attribute: string, path: string): Residency {
  const bytes = vaultCall('stat', path, () => lstatSync(path, { throwIfNoEntry: false }))?.size
  if (bytes === undefined) return 'unknown' // who wants to read it says that it is gone
  const { spawnSync } = childProcess()
  const args = ['--absolute-names', '--only-values', '--name', attribute, '--', path]
  const { error, status, stdout } = spawnSync('getfattr', args, { timeout: commandMs, killSignal: 'SIGKILL' })
  if (error !== undefined)
    throw failure(
      'RESIDENCY_FAILED',
      `Cannot ask for ${attribute} of ${path}: getfattr: ${errnoOf(error) ?? error.message}`,
      'Install getfattr (package attr) on this machine. It is tried again.',
      error,
    )
  return status === 0 ? residencyOfLevels(stdout.toString(), bytes) : 'unknown'
}

/**
 * Reads HPSS's levels: `;` between levels, `:` between fields; the first field is the level, the third its bytes, or `nodata`. Level 0 is
 * the disk cache, those below it are tape (docs/hpss.md, "Disk or tape").
 */
export function residencyOfLevels(text: string, bytes: number): Residency {
  const whole = text
    .trim()
    .split(';')
    .map((level) => level.split(':'))
    .filter(([, , held]) => held !== undefined && /^\d+$/u.test(held) && Number(held) === bytes)
    .map(([level]) => Number(level))
  const onDisk = whole.includes(0)
  const onTape = whole.some((level) => level > 0)
  return onDisk ? (onTape ? 'both' : 'disk') : onTape ? 'tape' : 'unknown'
}

const words: readonly string[] = ['disk', 'tape', 'both', 'unknown'] satisfies readonly Residency[]

function byCommand(command: Command, paths: readonly string[]): readonly Residency[] {
  const lines = run('RESIDENCY_FAILED', command, paths).trim().split('\n')
  const states = lines.map((line) => line.trim())
  if (states.length === paths.length && states.every((state): state is Residency => words.includes(state)))
    return states
  throw failure(
    'RESIDENCY_FAILED',
    `Cannot tell where ${paths.length} objects are: ${command[0]} answered with ${states.length} lines, such as ${JSON.stringify(states[0]?.slice(0, 80))}`,
    'It has to answer with one line for each path that it is given: disk, tape, both or unknown.',
  )
}

function run(code: ErrorCode, [program, ...args]: Command, paths: readonly string[]): string {
  const ran = childProcess().spawnSync(program, [...args, ...paths], { timeout: commandMs, killSignal: 'SIGKILL' })
  const said = () => ran.stderr.toString().trim().split('\n').at(-1)?.slice(0, 200) ?? ''
  const why =
    ran.error !== undefined
      ? (errnoOf(ran.error) ?? ran.error.message)
      : ran.status !== 0
        ? `it ended with ${ran.signal ?? `exit code ${ran.status ?? 'unknown'}`}: ${said()}`
        : null
  if (why === null) return ran.stdout.toString()
  throw failure(
    code,
    `Cannot run ${program} for ${paths.length} objects: ${why}`,
    'See what it says when you call it by hand. It is tried again.',
  )
}
