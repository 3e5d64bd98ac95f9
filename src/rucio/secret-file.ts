import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { exhaustionOf, whyUnreadable } from '../model/errors.ts'

/** More than any credential, or all authorities there are, have. */
const maxBytes = 4 * 2 ** 20

/** A file that cannot be used for what it is there for. The message is a clause that begins with its path. */
export class UnusableFile extends Error {
  readonly hint: string

  constructor(what: string, hint: string, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause })
    this.name = 'UnusableFile'
    this.hint = hint
  }
}

export const unreadable = (path: string, error: unknown): UnusableFile =>
  error instanceof UnusableFile
    ? error
    : new UnusableFile(
        `${path} ${whyUnreadable(error)}`,
        exhaustionOf(error)?.hint ?? 'Correct the name, or let the agent’s user read it.',
        error,
      )

/** Who may read a secret beside its owner: nobody, or its group. */
export interface SecretRules {
  readonly groupMayRead: boolean
}

/**
 * A password. White space at its end is dropped.
 * @throws UnusableFile
 */
export async function readPassword(file: string, rules: SecretRules): Promise<string> {
  const password = (await readSecret(file, rules)).trimEnd()
  if (password === '') throw new UnusableFile(`${file} is empty`, 'Write the password into it.')
  return password
}

/**
 * A file that only its owner may read (or its group, by the rules), as ssh demands of keys.
 * @throws UnusableFile
 */
export const readSecret = (path: string, rules: SecretRules): Promise<string> => readText(path, rules)

/**
 * A regular file, where a link leads there as well.
 * @param rules null: it is no secret
 * @throws UnusableFile
 */
export async function readText(path: string, rules: SecretRules | null): Promise<string> {
  // Opening a pipe would wait for its other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    const found = await file.stat()
    if (!found.isFile())
      throw new UnusableFile(`${path} is ${found.isDirectory() ? 'a directory' : 'not a regular file'}`, 'Name a file.')
    const excess = rules === null ? 0 : found.mode & (rules.groupMayRead ? 0o037 : 0o077)
    if (excess !== 0) throw openToOthers(path, found.mode, excess)
    if (found.size > maxBytes)
      throw new UnusableFile(
        `${path} is too long: it has ${found.size} bytes`,
        'Name the file that holds the credential; it may have at most 4 MiB.',
      )
    return await file.readFile('utf8')
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    await file.close()
  }
}

function openToOthers(path: string, mode: number, excess: number): UnusableFile {
  const whose = (excess & 0o007) !== 0 ? 'others' : 'its group'
  const what = (excess & 0o044) !== 0 ? 'readable by' : 'open to'
  const kubernetes =
    whose === 'its group' && (excess & 0o030) === 0
      ? 'where the group has to read it, as with fsGroup of Kubernetes, set rucio.secretsReadableByGroup'
      : 'for a Secret of Kubernetes, set defaultMode: 0400'
  return new UnusableFile(
    `${path} is ${what} ${whose} (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
    `\`chmod 600 ${path}\`; ${kubernetes}.`,
  )
}
