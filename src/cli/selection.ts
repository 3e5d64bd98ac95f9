import type { CatalogReader, KnownTarget, TargetFilter } from '../catalog/catalog.ts'
import { parseDid, type Did } from '../model/did.ts'
import { ERRORS, failure } from '../model/errors.ts'

/** What a command is about: one DID, all that a glob matches, all that failed for one reason. */
export interface Selection {
  /** `scope:name`, or a glob of it. */
  readonly did?: string
  /** Code of an error. */
  readonly reason?: string
  readonly pipeline?: string
}

export const everything = { sort: 'turn', reverse: false, offset: 0, limit: Number.MAX_SAFE_INTEGER } as const

export const isGlob = (text: string): boolean => /[*?]/u.test(text)

/**
 * Reads what a command line selects.
 * @throws TapeRseError USAGE if it selects nothing, or is neither a DID nor a glob, or names no error
 */
export function filterOf({ did, reason, pipeline }: Selection): TargetFilter {
  if (did === undefined && reason === undefined)
    throw failure(
      'USAGE',
      'Cannot tell which datasets: neither a DID nor --reason is given',
      'Write scope:name, a glob such as "raw:night_*", or --reason CODE.',
    )
  if (did !== undefined) didOf(did)
  return {
    ...(did !== undefined && { glob: did }),
    ...(reason !== undefined && { reason: reasonOf(reason) }),
    ...(pipeline !== undefined && { pipeline }),
  }
}

/** @throws TapeRseError USAGE if there is no such error */
export function reasonOf(text: string): string {
  const code = text.toUpperCase()
  if (Object.hasOwn(ERRORS, code)) return code
  throw failure(
    'USAGE',
    `Cannot select by reason ${text}: there is no such error`,
    'docs/operations.md lists them; `tape-rse list --state failed` shows those that there are.',
  )
}

/** Live targets that a command line selects. */
export const selected = (catalog: CatalogReader, selection: Selection): Promise<readonly KnownTarget[]> =>
  catalog.list({ ...filterOf(selection), state: 'live' }, everything)

/** @throws TapeRseError USAGE */
export function didOf(text: string): Did {
  const did = parseDid(text)
  if (did === null) throw failure('USAGE', `Cannot read "${text}" as a DID`, 'Write it as scope:name.')
  return did
}

/**
 * Reads `--generation N`; null: none is given.
 * @throws TapeRseError USAGE
 */
export function generationOf({ generation }: { readonly generation?: string }): number | null {
  if (generation === undefined) return null
  const number = Number(generation)
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw failure('USAGE', `Cannot take generation ${generation}: --generation takes a whole number from 1 on`, '')
}

/** When the agent takes notice of a command. */
export async function whenNoticed(catalog: CatalogReader, now: Date): Promise<string> {
  const { agent } = await catalog.summary(now)
  return agentRuns(agent, now) ? 'now' : 'when the agent runs again'
}

const silenceMs = 60_000

/** Whether an agent is at work, as far as the catalog knows. A time far ahead is of a clock that was set back: it says nothing. */
export const agentRuns = (
  agent: { readonly endedAt: Date | null; readonly heardAt: Date } | null,
  now: Date,
): boolean => agent !== null && agent.endedAt === null && Math.abs(now.getTime() - agent.heardAt.getTime()) < silenceMs
