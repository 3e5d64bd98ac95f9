import type { DidRow } from './sandbox-world.ts'
import { rucioDate } from './sandbox-world.ts'

/** All columns of the table `dids`, as DID_COLUMN gives them. */
export function describeColumns(row: DidRow): Record<string, unknown> {
  const date = (value: Date | null) => (value === null ? null : rucioDate(value))
  return {
    scope: row.scope,
    name: row.name,
    account: row.account,
    did_type: row.type,
    is_open: row.open,
    monotonic: row.monotonic,
    hidden: false,
    obsolete: false,
    complete: null,
    is_new: true,
    availability: 'AVAILABLE',
    suppressed: row.suppressed,
    bytes: row.bytes,
    length: row.length,
    events: row.events,
    md5: row.md5,
    adler32: row.adler32,
    guid: null,
    ...Object.fromEntries(METADATA_COLUMNS.map((key) => [key, row.more.get(key) ?? null])),
    expired_at: null,
    purge_replicas: true,
    deleted_at: null,
    transient: false,
    accessed_at: null,
    closed_at: date(row.closedAt),
    eol_at: null,
    is_archive: null,
    constituent: null,
    access_cnt: null,
    created_at: date(row.createdAt),
    updated_at: date(row.updatedAt),
  }
}

/** Columns that people may write as metadata. */
const METADATA_COLUMNS =
  'project datatype run_number stream_name prod_step version campaign task_id panda_id lumiblocknr provenance phys_group'.split(
    ' ',
  )

/** No account may write these, not even root (common/constants.py). */
export const RESERVED_KEYS = new Set(
  (
    'scope name account did_type is_open monotonic obsolete complete availability suppressed bytes length md5 adler32 ' +
    'rule_evaluation_action rule_evaluation_required expired_at deleted_at created_at updated_at'
  ).split(' '),
)

const UNMANAGED = new Set(
  'account availability complete created_at did_type is_open monotonic obsolete scope suppressed updated_at'.split(' '),
)
const SEARCH_WORDS = 'lifetime created_before created_after type'.split(' ')
const COLUMNS = new Set([
  ...SEARCH_WORDS,
  ...'name hidden is_new bytes length events md5 adler32 guid expired_at purge_replicas deleted_at transient'.split(
    ' ',
  ),
  ...'accessed_at closed_at eol_at is_archive constituent access_cnt'.split(' '),
  ...METADATA_COLUMNS,
])

/**
 * Whether the plugin DID_COLUMN manages a key (did_column_meta.py). Every other key belongs to the plugin JSON: is_open and did_type
 * as well, which nobody ever finds there.
 */
export const isColumn = (key: string): boolean => COLUMNS.has(key) && !UNMANAGED.has(key)
