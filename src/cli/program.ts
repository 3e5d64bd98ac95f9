import { Command, CommanderError } from 'commander'
import { failure } from '../model/errors.ts'
import type { QuietTerminal, Run, Terminal } from './command.ts'

/** What a command may be given: a log is begun only for those that write one. */
export interface Terminals {
  readonly quiet: QuietTerminal
  readonly logging: () => Promise<Terminal>
}

/** What a command line asks for: a command with its options, or a text (help, version) that needs no command. */
export type Parsed =
  | { readonly json: boolean; readonly run: (terminals: Terminals, signal: AbortSignal) => Promise<number> }
  | { readonly text: string }

const json = ['--json', 'machine-readable: times are RFC 3339, sizes bytes; fields are added, never renamed'] as const

const ofReason = ['--reason <code>', 'those that failed for this reason'] as const
const ofPipeline = ['--pipeline <name>', 'those of one pipeline'] as const

/**
 * Reads the command line.
 * @throws TapeRseError USAGE, with what commander says and where help is
 */
export function parse(argv: readonly string[], version: string): Parsed {
  let parsed = null as Parsed | null
  let text = ''
  // A command is loaded when it is chosen: what archiving needs takes longer to load than `status` may take.
  const take = (options: unknown, run: (terminals: Terminals, signal: AbortSignal) => Promise<number>) => {
    parsed = { json: (options as { json?: boolean }).json === true, run }
  }
  const choose = <O>(load: () => Promise<Run<O>>, options: O) =>
    take(options, async ({ logging }, signal) => (await load())(options, await logging(), signal))
  const read = <O>(load: () => Promise<Run<O, QuietTerminal>>, options: O) =>
    take(options, async ({ quiet }, signal) => (await load())(options, quiet, signal))
  const program = new Command('tape-rse')
    .description('Archives Rucio datasets to tape as proven zips, and says done only when it is true.')
    .version(version)
    .option('--config <file>', 'config file; else $TAPE_RSE_CONFIG, ./tape-rse.yaml, /etc/tape-rse/tape-rse.yaml')
    .helpCommand(false)
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (out) => (text += out), writeErr: () => undefined })

  const selecting = (name: string, description: string) =>
    program
      .command(`${name} [DID|GLOB]`)
      .description(description)
      .option(...ofReason)
      .option(...ofPipeline)
  const selection = (did: string | undefined, command: Command) => ({
    ...command.optsWithGlobals<object>(),
    ...(did !== undefined && { did }),
  })

  program
    .command('run')
    .description('archive what is tagged, until it is stopped')
    .option('--once', 'poll once, work until nothing can move, and end')
    .option('--dry-run', 'say what would be done; write nothing')
    .option(...json)
    .action((_, command: Command) => choose(async () => (await import('./run.ts')).run, command.optsWithGlobals()))
  program
    .command('status')
    .description('what moves, what waits and why, what needs a person')
    .option('--watch', 'again every two seconds, on a terminal')
    .option(...json)
    .action((_, command: Command) => read(async () => (await import('./status.ts')).status, command.optsWithGlobals()))
  program
    .command('list [DID|GLOB]')
    .description('the datasets that the catalog knows')
    .option(
      '--state <state>',
      'requested, frozen, acknowledged, withdrawn, superseded, held, failed, waiting, live or damaged',
    )
    .option(...ofReason)
    .option(...ofPipeline)
    .option('--sort <order>', 'turn (as they are worked on), name, size, requested, ended or next', 'turn')
    .option('--reverse', 'the other way round')
    .option('--offset <n>', 'leave out the first of them', '0')
    .option('--limit <n>', 'at most so many', '1000')
    .option(...json)
    .action((glob: string | undefined, _, command: Command) =>
      read(async () => (await import('./list.ts')).list, {
        ...command.optsWithGlobals<object>(),
        ...(glob !== undefined && { glob }),
      }),
    )
  program
    .command('explain <DID>')
    .description('why is this dataset not archived? Each condition, its value, and what to do')
    .option(...json)
    .action((did: string, _, command: Command) =>
      choose(async () => (await import('./explain-command.ts')).explain, {
        ...command.optsWithGlobals<{ json?: boolean }>(),
        did,
      }),
    )
  program
    .command('plan [DID]')
    .description(
      'what would be archived, in which zips, and what stands in the way; of a DID, before it is closed or tagged',
    )
    .option(...json)
    .action((did: string | undefined, _, command: Command) =>
      choose(async () => (await import('./plan.ts')).plan, {
        ...command.optsWithGlobals<object>(),
        ...(did !== undefined && { did }),
      }),
    )
  selecting('retry', 'try what failed again at once').action((did: string | undefined, _, command: Command) =>
    choose(async () => (await import('./retry.ts')).retry, selection(did, command)),
  )
  selecting('hold', 'do nothing more for datasets, until they are released')
    .option('--why <text>', 'shown by status, list and explain')
    .action((did: string | undefined, _, command: Command) =>
      choose(async () => (await import('./hold.ts')).hold, selection(did, command)),
    )
  selecting('release', 'end a hold').action((did: string | undefined, _, command: Command) =>
    choose(async () => (await import('./hold.ts')).release, selection(did, command)),
  )
  program
    .command('where <DID|GLOB>')
    .description('the objects of datasets, or of files, and where in them')
    .option('--recipe', 'how to take them out by hand, with unzip')
    .option(...json)
    .action((did: string, _, command: Command) =>
      read(async () => (await import('./where.ts')).where, { ...command.optsWithGlobals<object>(), did }),
    )
  program
    .command('ls <DID>')
    .description('the files of a dataset as it was archived')
    .option('--file <name...>', 'only these, by name or glob')
    .option('--generation <n>', 'of an earlier generation')
    .option(...json)
    .action((did: string, _, command: Command) =>
      read(async () => (await import('./ls.ts')).ls, { ...command.optsWithGlobals<object>(), did }),
    )
  program
    .command('manifest <DID>')
    .description('what was archived, with its checksums')
    .option('--format <format>', 'text, json, adler32, md5sum or sha256sum (which reads all of it)', 'text')
    .option('--generation <n>', 'of an earlier generation')
    .option(
      '--patience <time>',
      'how long a read may go on without a byte, for instance while a tape is mounted',
      '30m',
    )
    .option(...json)
    .action((did: string, _, command: Command) =>
      read(async () => (await import('./manifest.ts')).manifest, { ...command.optsWithGlobals<object>(), did }),
    )
  program
    .command('get [DID] [DEST]')
    .description('bring a dataset, files of it, or one file back from tape; each is checked before it gets its name')
    .option(
      '--from <path>',
      'without a catalog: from a zip, whoever made it, or the directory of a dataset; then no DID',
    )
    .option('--file <name...>', 'files of the dataset, by name or glob')
    .option('--generation <n>', 'of an earlier generation')
    .option('--force', 'overwrite files that have another content')
    .option('--to-stdout', 'one file, to standard output; only the exit code says whether it was right')
    .option(
      '--wait',
      'for what is on tape only, until it has arrived; without it that is asked for, and the rest delivered',
    )
    .option(
      '--patience <time>',
      'how long a read may go on without a byte, for instance while a tape is mounted',
      '30m',
    )
    .option(...json)
    .action((first: string | undefined, second: string | undefined, { from }: { from?: string }, command: Command) => {
      if (from !== undefined && second !== undefined)
        throw failure('USAGE', `Cannot get ${first!} from ${from}: with --from no DID is given`, 'Leave it out.')
      const [did = null, dest] = from === undefined ? [first, second] : [null, first]
      read(async () => (await import('./get.ts')).get, {
        ...command.optsWithGlobals<object>(),
        did,
        ...(dest !== undefined && { dest }),
      })
    })
  const recall = program.command('recall').description('what was asked for from tape')
  recall
    .command('list')
    .description('objects that were asked for, and whether they have arrived')
    .option(...json)
    .action((_, command: Command) =>
      choose(async () => (await import('./recall.ts')).recallList, command.optsWithGlobals()),
    )
  recall
    .command('cancel <DID|GLOB>')
    .description('ask for objects of these datasets no longer')
    .action((did: string, _, command: Command) =>
      choose(async () => (await import('./recall.ts')).recallCancel, { ...command.optsWithGlobals<object>(), did }),
    )
  program
    .command('remove <DID>')
    .description('remove the objects of a dataset that is to be archived anew; the catalog keeps its history')
    .option('--generation <n>', 'of one generation alone')
    .option('--last-copy', 'even though a file has no other available copy')
    .option('--yes', 'do not ask')
    .action((did: string, _, command: Command) =>
      choose(async () => (await import('./remove.ts')).remove, { ...command.optsWithGlobals<object>(), did }),
    )
  program
    .command('verify [DID|GLOB...]')
    .description('read back what was proven, the longest ago first, and compare every byte')
    .option('--sample <share>', 'only so many of them, by chance: 1%')
    .option('--max-age <time>', 'only those that were not proven or verified for so long: 90d')
    .option('--rate <pace>', 'read no faster, in all: 100MB/s')
    .option(...ofPipeline)
    .option(...json)
    .action((dids: readonly string[], _, command: Command) =>
      choose(async () => (await import('./verify.ts')).verify, { ...command.optsWithGlobals<object>(), dids }),
    )
  program
    .command('repair <DID>')
    .description(
      'write damaged objects of a dataset again, from its disk replicas if these are still what was archived',
    )
    .action((did: string, _, command: Command) =>
      choose(async () => (await import('./repair.ts')).repair, { ...command.optsWithGlobals<object>(), did }),
    )
  program
    .command('backup [DIRECTORY]')
    .description('back the catalog up now, beside a running agent or without one')
    .action((directory: string | undefined, _, command: Command) =>
      choose(async () => (await import('./backup.ts')).backup, {
        ...command.optsWithGlobals<object>(),
        ...(directory !== undefined && { directory }),
      }),
    )
  program
    .command('audit')
    .description('compare what Rucio says, what the catalog knows and what the vault holds')
    .option(...ofPipeline)
    .option(...json)
    .action((_, command: Command) => choose(async () => (await import('./audit.ts')).audit, command.optsWithGlobals()))
  program
    .command('rebuild')
    .description('make a catalog that was lost again, from the vaults alone; see first whether there is a backup')
    .option('--deep', 'read every byte, not manifests and directories alone')
    .option(...json)
    .action((_, command: Command) =>
      choose(async () => (await import('./rebuild.ts')).rebuild, command.optsWithGlobals()),
    )
  program
    .command('drain')
    .description('finish what is being moved and begin nothing new, until resume; also after a restart')
    .option('--why <text>', 'shown by status')
    .option('--wait', 'end when nothing moves any more')
    .action((_, command: Command) => choose(async () => (await import('./drain.ts')).drain, command.optsWithGlobals()))
  program
    .command('resume')
    .description('end a drain')
    .action((_, command: Command) => choose(async () => (await import('./drain.ts')).resume, command.optsWithGlobals()))
  const config = program.command('config').description('check, show or describe the config')
  config
    .command('check')
    .description('all problems of the config, with file, line and key')
    .option(...json)
    .action((_, command: Command) =>
      choose(async () => (await import('./config.ts')).configCheck, command.optsWithGlobals()),
    )
  config
    .command('show')
    .description('the config in force, and where each value came from')
    .option(...json)
    .action((_, command: Command) =>
      choose(async () => (await import('./config.ts')).configShow, command.optsWithGlobals()),
    )
  config
    .command('schema')
    .description('the JSON Schema of the config, for editors')
    .action((_, command: Command) =>
      choose(async () => (await import('./config.ts')).configSchema, command.optsWithGlobals()),
    )
  program
    .command('demo')
    .description('see it work: a sandbox Rucio, a few datasets, a vault in a temporary directory')
    .action((_, command: Command) => choose(async () => (await import('./demo.ts')).demo, command.optsWithGlobals()))

  try {
    program.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { text: text.trimEnd() }
    const said = error.message.replace(/^error: /u, '')
    throw failure(
      'USAGE',
      `Cannot read the command line: ${said === '(outputHelp)' ? 'a command is missing' : said}`,
      'See `tape-rse --help`.',
      error,
    )
  }
  return parsed ?? { text: program.helpInformation().trimEnd() }
}
