import type { Problem } from './errors.ts'

/** When something is good, by what it says of itself. null: it does not say. */
export interface Life {
  readonly from: Date | null
  readonly until: Date | null
  /** When it was made; it may be good from another moment on. */
  readonly issued: Date | null
}

/** What an agent signs in with, and how long that is good. A password is none: it does not say. */
export interface Credential extends Life {
  readonly kind: 'certificate' | 'proxy' | 'token'
  readonly file: string
  /** Why it cannot be used at all. */
  readonly problem: Problem | null
}

export type Validity = 'good' | 'ends soon' | 'not yet good' | 'expired' | 'unusable'

const dayMs = 86_400_000
/** Clocks of two machines are seldom the same. */
const skewMs = 60_000

/** How something stands in its life. */
export function ageOf({ from, until }: Life, now: Date): 'not yet good' | 'good' | 'expired' {
  if (from !== null && now.getTime() + skewMs < from.getTime()) return 'not yet good'
  return until !== null && until <= now ? 'expired' : 'good'
}

/**
 * Whether a credential is good. "Soon" is a day before its end; for one that lives no longer than a day in all, when three quarters of
 * its life are over. One that does not say when it was made counts as long-lived.
 */
export function validityOf(credential: Credential, now: Date): Validity {
  if (credential.problem !== null) return 'unusable'
  const age = ageOf(credential, now)
  const { from, until, issued } = credential
  if (age !== 'good' || until === null) return age
  const life = until.getTime() - ((from ?? issued)?.getTime() ?? 0)
  return until.getTime() - now.getTime() <= (life > dayMs ? dayMs : life / 4) ? 'ends soon' : 'good'
}

/** What to do about a credential that is not good, or not for long. */
export const hintOfAge = (age: 'not yet good' | 'expired' | 'ends soon'): string =>
  age === 'not yet good'
    ? 'Compare the clock of this machine; if it is right, wait.'
    : 'Renew it; the agent reads it again by itself.'
