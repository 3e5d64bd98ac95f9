import { errnoOf } from '../io/errno.ts'
import { failure, TapeRseError, type ErrorCode } from '../model/errors.ts'

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'VAULT_FULL',
  EDQUOT: 'VAULT_FULL',
  ENOTCONN: 'VAULT_NOT_MOUNTED',
  ESTALE: 'VAULT_NOT_MOUNTED',
  ENODEV: 'VAULT_NOT_MOUNTED',
  ECONNABORTED: 'VAULT_NOT_MOUNTED',
  EROFS: 'VAULT_NOT_WRITABLE',
}

/** An error of one path, on a mount that is well. */
export const ofPath = (error: TapeRseError, code: 'VAULT_IO' | 'VAULT_NO_ROOM'): TapeRseError =>
  failure(code, error.message, hints[code]!, error)

const hints: Partial<Record<ErrorCode, string>> = {
  VAULT_FULL: 'Make room, or have the quota raised: the work goes on by itself.',
  VAULT_NO_ROOM: 'Make room, or have the quota raised. It is tried again; what is smaller goes on.',
  VAULT_NOT_MOUNTED: 'Mount it again: the work goes on by itself.',
  VAULT_NOT_WRITABLE: 'Mount it read-write, and give the agent’s user the right to write: the work goes on by itself.',
  VAULT_IO: 'It is tried again. If it happens each time, look into the log of the mount.',
}

/** Does one call to the mount; an error of it names operation and path, and what to do. */
export function vaultCall<T>(operation: string, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw vaultFailure(operation, path, error)
  }
}

/** Errors by which a mount may say that a file is on its way from tape (docs/hpss.md, "Recall"). */
const staging: readonly string[] = ['EAGAIN', 'EINPROGRESS']
const stagingPauseMs = 1000
const asleep = new Int32Array(new SharedArrayBuffer(4))

/** Makes a call again while the mount says that the file comes from tape. It may take hours: a deadline is its caller's. */
export function whileStaging<T>(call: () => T): T {
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (!staging.includes(errnoOf(error) ?? '')) throw error
      Atomics.wait(asleep, 0, 0, stagingPauseMs)
    }
  }
}

export function vaultFailure(operation: string, path: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (error instanceof TapeRseError || errno === null) return error
  const code = codes[errno] ?? 'VAULT_IO'
  return failure(code, `Cannot ${operation} ${path}: ${errno}`, hints[code]!, error)
}

export const foreignObject = (path: string, what: string): TapeRseError =>
  failure(
    'OBJECT_FOREIGN',
    `Cannot use ${path}: ${what}`,
    'See whose it is. Move it away, then `tape-rse retry` the dataset.',
  )
