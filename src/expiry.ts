import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'winston'
import type { Catalog } from './catalog/catalog.ts'
import { singly, within } from './io/within.ts'
import { standingOf, type Credential, type Standing } from './model/credential.ts'

/** How often the agent looks at what it signs in with. */
const lookEveryMs = 10_000
/** A file system that takes longer hangs: sign-ins will say so. */
const hungMs = 10_000

export interface ExpiryWatch {
  /** What the agent signs in with, as it is now. */
  readonly look: () => Promise<Credential | null>
  readonly catalog: Pick<Catalog, 'sawCredential'>
  readonly log: Logger
  readonly now: () => Date
}

/** Looks once at what the agent signs in with: for `status`, and to say in the log what has changed since the last look. */
export function expiryWatch({ look, catalog, log, now }: ExpiryWatch): (signal: AbortSignal) => Promise<void> {
  const lookSingly = singly(look)
  let said = ''
  return async (signal) => {
    const credential = await within(lookSingly(), hungMs, signal)
    await catalog.sawCredential(credential, now()) // commit
    if (credential === null) return
    const standing = standingOf(credential, now())
    const news = `${credential.file} ${credential.until?.toISOString() ?? ''} ${standing}`
    if (news !== said) say(log, credential, standing)
    said = news
  }
}

/** Looks until it is stopped. */
export async function watchExpiry(watch: ExpiryWatch, stop: AbortSignal): Promise<void> {
  const look = expiryWatch(watch)
  while (!stop.aborted) {
    // Nothing relies on it, and what keeps it from being written down will keep a step from it, too.
    await look(stop).catch(() => undefined)
    await setTimeout(lookEveryMs, undefined, { signal: stop }).catch(() => undefined)
  }
}

function say(log: Logger, { kind, file, from, until, problem }: Credential, standing: Standing): void {
  const what = `the ${kind} ${file}`
  const hint = 'Renew it; the agent reads it again by itself.'
  switch (standing) {
    case 'good':
      return void log.info(`signs in with ${what}${until === null ? '' : `, good until ${until.toISOString()}`}`)
    case 'ends soon':
      return void log.warn(`${what} expires at ${until!.toISOString()}`, { code: 'CREDENTIAL_EXPIRED', hint })
    case 'expired':
      return void log.error(`${what} expired at ${until!.toISOString()}`, { code: 'CREDENTIAL_EXPIRED', hint })
    case 'not yet good':
      return void log.error(`${what} is not valid before ${from!.toISOString()}`, {
        code: 'CREDENTIAL_EXPIRED',
        hint: 'Compare the clock of this machine; if it is right, wait.',
      })
    case 'unusable':
      return void log.error(problem!.message, { code: problem!.code, hint: problem!.hint })
  }
}
