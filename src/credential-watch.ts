import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'winston'
import type { Catalog } from './catalog/catalog.ts'
import { hintOfAge, validityOf, type Credential, type Validity } from './model/credential.ts'

/** How often the agent looks at what it signs in with. */
const everyMs = 10_000

export interface CredentialWatch {
  /** What the agent signs in with, as it is now. null: a password. */
  readonly read: (signal: AbortSignal) => Promise<Credential | null>
  readonly catalog: Pick<Catalog, 'sawCredential'>
  readonly log: Logger
  readonly now: () => Date
}

/** Reports what the agent signs in with: each time to the catalog, for `status`; to the log when something is new. */
export function credentialReporter({
  read,
  catalog,
  log,
  now,
}: CredentialWatch): (signal: AbortSignal) => Promise<void> {
  let said = ''
  return async (signal) => {
    const credential = await read(signal)
    // Nothing relies on it, and what keeps it from being written down will keep a step from it, too.
    await catalog.sawCredential(credential, now()).catch(() => undefined) // commit
    if (credential === null) return
    const validity = validityOf(credential, now())
    const news = JSON.stringify([credential.file, credential.until, validity, credential.problem])
    if (news !== said) say(log, credential, validity)
    said = news
  }
}

/** Reports again and again, until it is stopped. */
export async function watchCredential(watch: CredentialWatch, stop: AbortSignal): Promise<void> {
  const report = credentialReporter(watch)
  while (!stop.aborted) {
    await report(stop).catch((error: unknown) => {
      if (!stop.aborted) throw error
    })
    await setTimeout(everyMs, undefined, { signal: stop }).catch(() => undefined)
  }
}

function say(log: Logger, { kind, file, from, until, problem }: Credential, validity: Validity): void {
  const what = `the ${kind} ${file}`
  switch (validity) {
    case 'good':
      return void log.info(`signs in with ${what}${until === null ? '' : `, good until ${until.toISOString()}`}`)
    case 'ends soon':
      return void log.warn(`${what} expires at ${until!.toISOString()}`, { hint: hintOfAge(validity) })
    case 'expired':
      return void log.error(`${what} expired at ${until!.toISOString()}`, {
        code: 'CREDENTIAL_NOT_VALID',
        hint: hintOfAge(validity),
      })
    case 'not yet good':
      return void log.error(`${what} is not valid before ${from!.toISOString()}`, {
        code: 'CREDENTIAL_NOT_VALID',
        hint: hintOfAge(validity),
      })
    case 'unusable':
      return void log.error(problem!.message, { code: problem!.code, hint: problem!.hint })
  }
}
