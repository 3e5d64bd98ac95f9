/**
 * What the agent does about an error: `retry` the target later, `hold` it for a person (it is still looked at again, seldom),
 * `pause` the whole pipeline because its site is at fault, or `stop` altogether.
 */
export type Disposition = 'retry' | 'hold' | 'pause' | 'stop'

interface Meaning {
  readonly disposition: Disposition
  /** The exit code of a command that ends with this error (docs/operations.md). */
  readonly exit: number
  readonly meaning: string
}

const row = (disposition: Disposition, exit: number, meaning: string): Meaning => ({ disposition, exit, meaning })

/** Every error the program knows. Codes are stable: scripts match on them, never on messages. docs/operations.md has a row for each. */
export const ERRORS = {
  USAGE: row('stop', 2, 'the command line is not one that tape-rse understands'),
  CONFIG_INVALID: row('stop', 4, 'the config has problems; all of them are listed'),
  CATALOG_LOCKED: row('stop', 11, 'another agent holds the catalog'),
  CATALOG_UNUSABLE: row('stop', 1, 'the catalog file is not one this program may use'),
  CATALOG_FAILED: row('stop', 1, 'the catalog could not be read or written'),
  BACKUP_FAILED: row('retry', 1, 'the catalog could not be backed up'),
  UNKNOWN_DID: row('stop', 1, 'the catalog knows no such DID'),
  REPAIR_REFUSED: row('stop', 6, 'a damaged object cannot be written again from what is on disk'),
  REBUILD_REFUSED: row('stop', 6, 'a catalog cannot be made again here'),
  REMOVAL_REFUSED: row('stop', 6, 'removing objects could lose data, or make done a lie'),

  RUCIO_UNREACHABLE: row('pause', 5, 'Rucio does not answer, or a proxy answers for it'),
  RUCIO_OVERLOADED: row('pause', 5, 'Rucio answers that it cannot serve the request now'),
  RUCIO_NOT_TRUSTED: row('pause', 5, 'the server’s certificate is not one to trust'),
  CREDENTIAL_UNUSABLE: row('pause', 6, 'a file with a credential, or with authorities, cannot be used'),
  CREDENTIAL_NOT_VALID: row('pause', 6, 'the certificate, proxy or token to sign in with is not valid now'),
  SIGN_IN_REFUSED: row('pause', 6, 'Rucio refused the account or its credentials'),
  RUCIO_BROKEN_ANSWER: row('retry', 5, 'an answer of Rucio was cut short or is not what Rucio promises'),
  RUCIO_FAILED: row('retry', 5, 'Rucio failed at this request'),
  RUCIO_REFUSED: row('hold', 1, 'Rucio refuses this request, and will each time'),
  NOT_ALLOWED: row('hold', 6, 'the account may not do this in Rucio'),
  SCOPE_UNKNOWN: row('retry', 1, 'a configured scope does not exist in Rucio'),
  DID_GONE: row('hold', 1, 'Rucio no longer knows the DID'),

  DATASET_EMPTY: row('hold', 1, 'the dataset has no files'),
  DATASET_DISAGREES: row('hold', 1, 'what Rucio says of the dataset does not agree with itself'),
  REPLICA_MISSING: row('hold', 1, 'a file has no replica at the disk RSE'),
  REPLICA_UNAVAILABLE: row('hold', 1, 'the replica of a file is not AVAILABLE'),
  REPLICA_ELSEWHERE: row('hold', 1, 'no path of the replica leads below the root of the source'),
  CHECKSUM_MISSING: row('hold', 1, 'Rucio has neither adler32 nor md5 of a file'),
  NAME_UNSAFE: row('hold', 1, 'a name could leave its directory, or cannot be a file name'),
  NAME_TOO_LONG: row('hold', 1, 'a name is longer than the file system takes'),
  NAME_CLASH: row('hold', 1, 'two things would have one name'),
  REOPENED: row('hold', 1, 'the dataset changed after it was archived, and its objects are still there'),

  SOURCE_NOT_MOUNTED: row('pause', 5, 'the root of the source is not there'),
  SOURCE_HANGS: row('pause', 5, 'the root of the source does not answer'),
  SOURCE_MISSING: row('hold', 1, 'a source file does not exist'),
  SOURCE_UNREADABLE: row('hold', 1, 'a source file cannot be read'),
  SOURCE_NOT_REGULAR: row('hold', 1, 'a source is a link, a directory or a device, not a file'),
  SOURCE_OUTSIDE_ROOT: row('hold', 1, 'the real path of a source leads out of the root'),
  SOURCE_SIZE: row('hold', 1, 'a source file has another size than Rucio says'),
  SOURCE_CHANGED: row('hold', 1, 'a source file changed while it was read'),
  SOURCE_CHECKSUM: row('hold', 1, 'the bytes of a source file do not match Rucio’s checksum'),

  VAULT_NOT_MOUNTED: row('pause', 5, 'the root of the vault is not the mount it should be'),
  VAULT_NOT_WRITABLE: row('pause', 5, 'the root of the vault cannot be written'),
  VAULT_FOREIGN: row('pause', 5, 'the vault belongs to another catalog'),
  VAULT_MARKER_MISSING: row('pause', 5, 'the vault has lost the marker that this catalog wrote'),
  VAULT_HANGS: row('pause', 5, 'the root of the vault does not answer'),
  VAULT_FULL: row('pause', 5, 'there is no room in the vault'),
  VAULT_NO_ROOM: row('retry', 5, 'an object is larger than what is free in the vault'),
  VAULT_IO: row('retry', 5, 'a call to the vault failed'),
  OBJECT_FOREIGN: row('hold', 1, 'something that is not ours is where an object should go'),
  OBJECT_MISSING: row('hold', 1, 'an object that was archived is not where it should be'),
  OBJECT_MISMATCH: row('hold', 10, 'an object was read back twice and differs from what was written'),

  RESIDENCY_FAILED: row('retry', 5, 'it cannot be asked whether an object is on tape'),
  RECALL_FAILED: row('retry', 5, 'an object could not be asked for from tape'),
  NOT_ON_TAPE: row('retry', 5, 'an object is not on tape yet'),

  ZIP_FOREIGN: row('stop', 1, 'a file is not a zip'),
  ZIP_TRUNCATED: row('stop', 1, 'a zip was cut short'),
  ZIP_END_RECORD: row('stop', 1, 'the end record of a zip is not its own, or there are two'),
  ZIP_ZIP64: row('stop', 1, 'the ZIP64 records of a zip contradict the others'),
  ZIP_COUNT: row('stop', 1, 'a zip has another number of members than it says'),
  ZIP_DIRECTORY: row('stop', 1, 'an entry in the directory of a zip contradicts itself'),
  ZIP_HEADERS: row('stop', 1, 'a member of a zip begins, or ends, otherwise than the directory says'),
  ZIP_OVERLAP: row('stop', 1, 'two members of a zip share bytes'),
  ZIP_NAME: row('stop', 1, 'the name of a member could lead out of the destination, or is none'),
  ZIP_DUPLICATE: row('stop', 1, 'two members of a zip have one name'),
  ZIP_LINK: row('stop', 1, 'a member of a zip is a link or a device'),
  ZIP_BOMB: row('stop', 1, 'a zip would become very much larger than it is'),
  ZIP_UNSUPPORTED: row('stop', 1, 'a zip is encrypted, split, too large, or packed by a rare method'),

  MOVER_DIED: row('retry', 5, 'a mover ended in the middle of an order'),
  MOVER_STALLED: row('retry', 5, 'a call to a file system took longer than its deadline'),
  MOVER_STUCK: row('pause', 5, 'a mover hangs in a call that cannot be ended'),
  MACHINE_EXHAUSTED: row('pause', 5, 'this machine gives the agent no more open files, processes or memory'),
  ACKNOWLEDGE_LOST: row('retry', 1, 'the tag did not keep the value that was set'),
  INTERRUPTED: row('stop', 130, 'the work was interrupted'),
  INTERNAL: row('stop', 1, 'a bug in tape-rse'),
} as const satisfies Record<string, Meaning>

export type ErrorCode = keyof typeof ERRORS

/** One thing that is wrong, with what to do about it. Plain data: it goes into the catalog and between processes. */
export interface Problem {
  readonly code: ErrorCode
  /** "Cannot <verb> <thing>: <what is so>" */
  readonly message: string
  readonly hint: string
}

/** An error that says what is so, what to do, and what the agent does about it. May list several problems; the first leads. */
export class TapeRseError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly problems: readonly Problem[]

  constructor(problems: Problem | readonly [Problem, ...Problem[]], options?: ErrorOptions) {
    const all: readonly Problem[] = 'code' in problems ? [problems] : problems
    const first = all[0]!
    super(first.message, options)
    this.name = 'TapeRseError'
    this.code = first.code
    this.hint = first.hint
    this.problems = all
  }
}

export const failure = (code: ErrorCode, message: string, hint: string, cause?: unknown): TapeRseError =>
  new TapeRseError({ code, message, hint }, cause === undefined ? undefined : { cause })

export const interrupted = (): TapeRseError =>
  failure(
    'INTERRUPTED',
    'Cannot go on: the work was interrupted',
    'Start the agent again: it goes on where it stopped.',
  )

/** An error nobody foresaw is a bug: stop, rather than archive on with a wrong idea of the world. */
export const dispositionOf = (error: unknown): Disposition =>
  error instanceof TapeRseError ? ERRORS[error.code].disposition : 'stop'

/** What can be written down of any error: an unforeseen one becomes INTERNAL with its own message. */
export function problemsOf(error: unknown): readonly Problem[] {
  if (error instanceof TapeRseError) return error.problems
  const message = error instanceof Error ? error.message : String(error)
  return [{ code: 'INTERNAL', message, hint: 'This is a bug. Please report it with the log around it.' }]
}

const limits: Readonly<Record<string, { readonly what: string; readonly hint: string }>> = {
  EMFILE: {
    what: 'too many open files (EMFILE)',
    hint: 'Raise LimitNOFILE of the service (`ulimit -n`); `ls /proc/PID/fd` shows what it has open.',
  },
  ENFILE: {
    what: 'the machine has too many open files (ENFILE)',
    hint: 'Look for the program that has them open; else raise fs.file-max.',
  },
  ENOMEM: { what: 'no more memory (ENOMEM)', hint: 'Raise MemoryMax of the service, or free memory of this machine.' },
  ENOBUFS: { what: 'no more memory for the network (ENOBUFS)', hint: 'Free memory of this machine.' },
}

/** What the machine has no more of, as a clause, and what to do; null: the error says something else. */
export function exhaustionOf(error: unknown): { readonly what: string; readonly hint: string } | null {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  return Object.hasOwn(limits, code) ? limits[code]! : null
}

/** What an error of opening or reading a file says, as a clause: "does not exist", "cannot be read (EACCES)". */
export function whyUnreadable(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error'
  if (code === 'ENOENT') return 'does not exist'
  if (code === 'ENOTUTF8') return 'is not UTF-8'
  const exhausted = exhaustionOf(error)
  if (exhausted !== null) return `cannot be read: ${exhausted.what}`
  return code === 'EISDIR' ? 'is a directory' : `cannot be read (${code})`
}
