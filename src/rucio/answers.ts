import { z } from 'zod'
import type { Did } from '../model/did.ts'

/**
 * A date as Rucio writes it: `Sat, 21 Nov 2026 21:42:54 UTC` (common/utils.py, DATE_FORMAT), to the second.
 * @returns null if it is not one
 */
export function parseRucioDate(text: string): Date | null {
  const parts = /^\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}:\d{2}:\d{2}) (?:UTC|GMT)$/.exec(text)
  if (parts === null) return null
  const [, day, month, year, time] = parts
  const date = new Date(`${day} ${month} ${year} ${time} UTC`)
  return Number.isNaN(date.getTime()) ? null : date
}

const text = z.string().min(1)
const count = z.number().int().nonnegative().nullish().default(null)
const checksum = z.string().nullish().default(null)
const date = z
  .string()
  .nullish()
  .transform((value, context) => {
    const parsed = value == null ? null : parseRucioDate(value)
    if (value != null && parsed === null) context.addIssue(`not a date of Rucio: ${value}`)
    return parsed
  })

/** A DID as the columns of Rucio's own table describe it. */
export interface DidColumns {
  readonly did: Did
  /** DATASET, CONTAINER, FILE, or something newer. */
  readonly type: string
  readonly open: boolean
  /** When it was closed last; kept while it is open again. */
  readonly closedAt: Date | null
  /** As counted when it was closed; stale while it is open. */
  readonly length: number | null
  readonly bytes: number | null
  readonly suppressed: boolean
}

const columns = z.object({
  scope: text,
  name: text,
  did_type: text,
  is_open: z.boolean().nullish(),
  closed_at: date,
  length: count,
  bytes: count,
  suppressed: z.boolean().nullish(),
})

export function parseColumns(value: unknown): DidColumns {
  const row = columns.parse(value)
  return {
    did: { scope: row.scope, name: row.name },
    type: row.did_type,
    open: row.is_open !== false,
    closedAt: row.closed_at,
    length: row.length,
    bytes: row.bytes,
    suppressed: row.suppressed === true,
  }
}

/** Columns, and whatever else is known of the DID: custom metadata among the columns that nobody asked for. */
export interface DidMetadata extends DidColumns {
  readonly values: Readonly<Record<string, unknown>>
}

export const parseMetadata = (value: unknown): DidMetadata => ({ ...parseColumns(value), values: object.parse(value) })

/** The custom metadata of a DID: key by key, any JSON. */
export interface CustomMetadata {
  readonly did: Did
  readonly values: Readonly<Record<string, unknown>>
}

const object = z.record(z.string(), z.unknown())
const identified = z.looseObject({ scope: text, name: text })

export const parseCustomMetadata = (did: Did, value: unknown): CustomMetadata => ({ did, values: object.parse(value) })

/** A line of bulkmeta: the DID, and beside it in the same object its metadata. */
export function parseIdentifiedMetadata(value: unknown): CustomMetadata {
  const { scope, name, ...values } = identified.parse(value)
  return { did: { scope, name }, values }
}

/** A file as the list of a dataset's content shows it. */
export interface ListedFile {
  readonly dataset: Did
  readonly did: Did
  readonly bytes: number | null
  /** As Rucio gives it: neither case nor length is sure. */
  readonly adler32: string | null
}

const file = z.object({
  scope: text,
  name: text,
  parent_scope: text,
  parent_name: text,
  bytes: count,
  adler32: checksum,
})

export function parseFile(value: unknown): ListedFile {
  const row = file.parse(value)
  return {
    dataset: { scope: row.parent_scope, name: row.parent_name },
    did: { scope: row.scope, name: row.name },
    bytes: row.bytes,
    adler32: row.adler32,
  }
}

/** A file as the list of replicas shows it. */
export interface ListedReplica {
  readonly did: Did
  readonly bytes: number | null
  readonly adler32: string | null
  readonly md5: string | null
  /** State of the replica at each RSE: AVAILABLE, UNAVAILABLE, COPYING, BEING_DELETED, BAD, TEMPORARY_UNAVAILABLE. */
  readonly states: ReadonlyMap<string, string>
  /** PFNs at each RSE, best first. None where no protocol of the RSE was asked for. */
  readonly pfns: ReadonlyMap<string, readonly string[]>
}

const replica = z.object({
  scope: text,
  name: text,
  bytes: count,
  adler32: checksum,
  md5: checksum,
  states: z.record(z.string(), z.string()).default({}),
  rses: z.record(z.string(), z.array(z.string())).default({}),
})

export function parseReplica(value: unknown): ListedReplica {
  const { scope, name, bytes, adler32, md5, states, rses } = replica.parse(value)
  return {
    did: { scope, name },
    bytes,
    adler32,
    md5,
    states: new Map(Object.entries(states)),
    pfns: new Map(Object.entries(rses)),
  }
}

export const parseName = (value: unknown): string => text.parse(value)
export const parseScopes = (value: unknown): readonly string[] => z.array(text).parse(value)
export const parseVersion = (value: unknown): string => z.object({ version: text }).parse(value).version

/** What a value lacks, in a few words. */
export const misfit = (error: z.ZodError): string =>
  error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`)
    .join('; ')
