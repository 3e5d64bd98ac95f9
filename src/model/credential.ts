import type { Problem } from './errors.ts'

/** What an agent signs in with, but for a password, which does not say how long it is good. */
export interface Credential {
  readonly kind: 'certificate' | 'proxy' | 'token'
  readonly file: string
  /** When it is good, by what it says of itself. null: it does not say. */
  readonly from: Date | null
  readonly until: Date | null
  /** Why it cannot be used at all. */
  readonly problem: Problem | null
}

const dayMs = 86_400_000
/** Clocks of two machines are seldom the same. */
const skewMs = 60_000

/** How a credential stands: good, soon too old, or of no use. */
export type Standing = 'good' | 'ends soon' | 'not yet good' | 'expired' | 'unusable'

/** "Soon" is a day before; for one that lives shorter than a day in all, when three quarters of its life are over. */
export function standingOf({ from, until, problem }: Credential, now: Date): Standing {
  if (problem !== null) return 'unusable'
  if (from !== null && now.getTime() + skewMs < from.getTime()) return 'not yet good'
  if (until === null) return 'good'
  if (until <= now) return 'expired'
  const life = until.getTime() - (from?.getTime() ?? 0)
  return until.getTime() - now.getTime() <= (life > dayMs ? dayMs : life / 4) ? 'ends soon' : 'good'
}
