import type { BundleId, BundleState, Proof, Verification } from '../model/bundle.ts'
import type { Credential } from '../model/credential.ts'
import type { Problem } from '../model/errors.ts'
import type { Entry, TargetId, TargetState, Waiting } from '../model/target.ts'
import type { BundleRow, RecallOutcome, TargetRow } from './catalog.ts'

/** Of migrations.ts, in the order in which they are applied. A catalog with one that is not here was written by a newer version. */
export const migrationNames = ['0001', '0002', '0003', '0004', '0005', '0006', '0007', '0008', '0009'] as const

/** The tables as they are stored: see migrations.ts for what each column may hold. */
export interface Tables {
  catalog: { id: string; created_at: string }
  targets: TargetTable
  bundles: BundleTable
  entries: EntryTable
  polls: {
    pipeline: string
    scope: string
    polled_at: string
    succeeded_at: string | null
    found: number
    problem: string | null
  }
  pauses: { pipeline: string; since: string; problem: string }
  vaults: { root: string; claimed_at: string }
  holds: { scope: string; name: string; since: string; why: string | null }
  drains: { id: 1; since: string; why: string | null }
  agents: AgentTable
  credentials: {
    id: 1
    kind: Credential['kind']
    file: string
    good_from: string | null
    good_until: string | null
    issued_at: string | null
    problem: string | null
    seen_at: string
  }
  pipelines: { name: string; vault_root: string; vault_mount: string | null; tape: string | null }
  recalls: RecallTable
  verifications: {
    id: number
    bundle_id: BundleId
    at: string
    bytes: number
    seconds: number
    direct: number
    source: Verification['source']
    outcome: Verification['outcome']
    what: string | null
  }
  backups: {
    id: 1
    made_at: string | null
    path: string | null
    bytes: number | null
    failed_at: string | null
    problem: string | null
  }
  stuck_movers: { pid: number; operation: string; path: string; since: string; freed_by: string | null }
}

export interface AgentTable {
  id: 1
  version: string
  host: string
  pid: number
  started_at: string
  heard_at: string
  ended_at: string | null
}

export interface TargetTable {
  id: TargetId
  pipeline: string
  scope: string
  name: string
  generation: number
  state: TargetState
  waiting: Waiting | null
  /** Orders the work, fair between scopes: each request of a scope stands one turn behind the scope's last. */
  turn: number
  requested_at: string
  closed_at: string | null
  length: number | null
  bytes: number | null
  fingerprint: string | null
  metadata: string | null
  frozen_at: string | null
  ended_at: string | null
  ended_why: string | null
  failures: number
  failed_at: string | null
  failed_bundle: BundleId | null
  not_before: string | null
  held: number
  problems: string | null
  /** Code of the first problem. */
  reason: string | null
  failing_since: string | null
  /** When it was written down again from the vault alone. */
  rebuilt_at: string | null
}

export interface BundleTable {
  id: BundleId
  target_id: TargetId
  pipeline: string
  turn: number
  part: number
  parts: number
  state: BundleState
  location: string | null
  bytes: number
  files: number
  manifest: string
  /** As the manifest has it: when the dataset was closed, whatever happened since. */
  closed_at: string
  /** Part files 1 to this may exist. */
  attempts: number
  /** The attempt that a worker is at; null if none is. */
  claim: number | null
  /** 1: part files, or objects set aside, may exist. */
  debris: number
  adler32: string | null
  packer: number | null
  written_at: string | null
  mismatches: number
  confirmed_at: string | null
  proof: string | null
  /** Of the last claim: when it was taken, how many bytes it had moved, and when that was told. */
  claimed_at: string | null
  moved: number
  moved_at: string | null
  removed_at: string | null
  /** When it was last verified and good; what was wrong with it when it was last verified. */
  verified_at: string | null
  damage: string | null
  /** When it was first known to be on tape. */
  on_tape_at: string | null
}

export interface RecallTable {
  id: number
  bundle_id: BundleId
  asked_at: string
  asked_by: string
  /** When the command that asks had ended well. null: it may never have been called. */
  sent_at: string | null
  ended_at: string | null
  outcome: RecallOutcome | null
}

export interface EntryTable {
  bundle_id: BundleId
  position: number
  scope: string
  name: string
  bytes: number
  adler32: string | null
  md5: string | null
  pfn: string
  path: string
  /** Where the header of the file begins in the object. */
  member_offset: number
}

export const date = (text: string | null): Date | null => (text === null ? null : new Date(text))

export const targetRow = (row: TargetTable): TargetRow => ({
  id: row.id,
  pipeline: row.pipeline,
  did: { scope: row.scope, name: row.name },
  generation: row.generation,
  state: row.state,
  waiting: row.waiting,
  requestedAt: new Date(row.requested_at),
  closedAt: date(row.closed_at),
  length: row.length,
  bytes: row.bytes,
  fingerprint: row.fingerprint,
  frozenAt: date(row.frozen_at),
  endedAt: date(row.ended_at),
  endedWhy: row.ended_why,
  failures: row.failures,
  failedAt: date(row.failed_at),
  failingSince: date(row.failing_since),
  notBefore: date(row.not_before),
  rebuiltAt: date(row.rebuilt_at),
  held: row.held === 1,
  problems: row.problems === null ? [] : (JSON.parse(row.problems) as Problem[]),
})

/** The columns of `bundleRow`: all but the manifest, which can be large. */
export const bundleColumns = [
  'id', 'target_id', 'part', 'parts', 'state', 'location', 'bytes', 'files', 'attempts', 'claim', 'written_at', 'mismatches',
  'confirmed_at', 'proof', 'removed_at', 'verified_at', 'damage', 'on_tape_at',
] as const // prettier-ignore

export const bundleRow = (row: Pick<BundleTable, (typeof bundleColumns)[number]>): BundleRow => ({
  id: row.id,
  targetId: row.target_id,
  part: row.part,
  parts: row.parts,
  state: row.state,
  location: row.location,
  bytes: row.bytes,
  files: row.files,
  attempts: row.attempts,
  claimed: row.claim !== null,
  writtenAt: date(row.written_at),
  mismatches: row.mismatches,
  confirmedAt: date(row.confirmed_at),
  proof: row.proof === null ? null : (JSON.parse(row.proof) as Proof),
  removedAt: date(row.removed_at),
  verifiedAt: date(row.verified_at),
  damage: row.damage,
  onTapeAt: date(row.on_tape_at),
})

export const entryOf = (row: EntryTable): Entry => ({
  did: { scope: row.scope, name: row.name },
  bytes: row.bytes,
  adler32: row.adler32,
  md5: row.md5,
  pfn: row.pfn,
  path: row.path,
})
