import { within } from '../io/within.ts'
import { credentialHangs, credentialUnusable, interrupted } from './errors.ts'
import { UnusableFile } from './secret-file.ts'

/** Longer than any file system takes that does not hang. */
const readMs = 10_000

/**
 * Waits for a file to be read, but not for a file system that hangs.
 * @param which "the password"
 * @throws TapeRseError CREDENTIAL_UNUSABLE; INTERRUPTED
 */
export async function readInTime<T>(what: string, which: string, read: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await within(read, readMs, signal)
  } catch (error) {
    if (signal.aborted) throw interrupted(what)
    if (error instanceof UnusableFile) throw credentialUnusable(what, error.message, error.hint, error)
    const why = error instanceof Error ? error.message : String(error)
    throw credentialHangs(what, `${which}: ${why}`, error)
  }
}
