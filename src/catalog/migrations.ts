import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { migrationNames } from './tables.ts'

/**
 * The catalog's tables. The constraints restate the types of src/model: a row that they forbid is a bug. Only SQL that
 * PostgreSQL speaks as well. Times are RFC 3339 texts in UTC with milliseconds, which sort as they pass.
 */
const first: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of [
      sql`CREATE TABLE catalog (id TEXT PRIMARY KEY, created_at TEXT NOT NULL)`,
      sql`CREATE TABLE targets (
        id BIGINT PRIMARY KEY,
        pipeline TEXT NOT NULL,
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        generation BIGINT NOT NULL CHECK (generation >= 1),
        state TEXT NOT NULL CHECK (state IN ('requested', 'frozen', 'acknowledged', 'withdrawn', 'superseded')),
        waiting TEXT CHECK (waiting IN ('open', 'container', 'file', 'suppressed')),
        turn BIGINT NOT NULL,
        requested_at TEXT NOT NULL,
        closed_at TEXT,
        length BIGINT,
        bytes BIGINT,
        fingerprint TEXT,
        metadata TEXT,
        frozen_at TEXT,
        ended_at TEXT,
        ended_why TEXT,
        failures BIGINT NOT NULL DEFAULT 0 CHECK (failures >= 0),
        failed_at TEXT,
        failed_bundle BIGINT,
        not_before TEXT,
        held BIGINT NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
        problems TEXT,
        UNIQUE (pipeline, scope, name, generation),
        CHECK (waiting IS NULL OR state IN ('requested', 'withdrawn')),
        CHECK (state NOT IN ('frozen', 'acknowledged', 'superseded') OR
               (fingerprint IS NOT NULL AND closed_at IS NOT NULL AND frozen_at IS NOT NULL AND length > 0 AND bytes IS NOT NULL)),
        CHECK ((ended_at IS NOT NULL) = (state IN ('acknowledged', 'withdrawn', 'superseded'))),
        CHECK ((failures > 0) = (failed_at IS NOT NULL) AND (failures > 0) = (problems IS NOT NULL)),
        CHECK (held = 0 OR failures > 0)
      )`,
      sql`CREATE UNIQUE INDEX one_live_target ON targets (pipeline, scope, name) WHERE state IN ('requested', 'frozen')`,
      sql`CREATE INDEX targets_in_turn ON targets (pipeline, state, turn, id)`,
      sql`CREATE INDEX targets_by_did ON targets (scope, name)`,
      sql`CREATE TABLE bundles (
        id BIGINT PRIMARY KEY,
        target_id BIGINT NOT NULL REFERENCES targets (id),
        pipeline TEXT NOT NULL,
        turn BIGINT NOT NULL,
        part BIGINT NOT NULL,
        parts BIGINT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('planned', 'assigned', 'written', 'confirmed')),
        location TEXT,
        bytes BIGINT NOT NULL CHECK (bytes > 0),
        files BIGINT NOT NULL CHECK (files > 0),
        manifest TEXT NOT NULL,
        attempts BIGINT NOT NULL DEFAULT 0,
        claim BIGINT,
        debris BIGINT NOT NULL DEFAULT 0 CHECK (debris IN (0, 1)),
        adler32 TEXT,
        packer BIGINT,
        written_at TEXT,
        mismatches BIGINT NOT NULL DEFAULT 0,
        confirmed_at TEXT,
        proof TEXT,
        UNIQUE (target_id, part),
        UNIQUE (pipeline, location),
        CHECK (part BETWEEN 1 AND parts),
        CHECK ((location IS NULL) = (state = 'planned')),
        CHECK ((adler32 IS NOT NULL) = (state IN ('written', 'confirmed'))),
        CHECK ((written_at IS NOT NULL) = (state IN ('written', 'confirmed'))),
        CHECK ((confirmed_at IS NOT NULL AND proof IS NOT NULL) = (state = 'confirmed')),
        CHECK (claim IS NULL OR (claim = attempts AND state IN ('assigned', 'written'))),
        CHECK (state IN ('planned', 'assigned') OR attempts > 0)
      )`,
      sql`CREATE INDEX bundles_in_turn ON bundles (pipeline, state, turn, id)`,
      sql`CREATE INDEX bundles_with_debris ON bundles (pipeline, target_id) WHERE debris = 1`,
      sql`CREATE TABLE entries (
        bundle_id BIGINT NOT NULL REFERENCES bundles (id),
        position BIGINT NOT NULL,
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        bytes BIGINT NOT NULL,
        adler32 TEXT,
        md5 TEXT,
        pfn TEXT NOT NULL,
        path TEXT NOT NULL,
        member_offset BIGINT NOT NULL,
        PRIMARY KEY (bundle_id, position),
        CHECK (adler32 IS NOT NULL OR md5 IS NOT NULL)
      )`,
      sql`CREATE TABLE polls (
        pipeline TEXT NOT NULL,
        scope TEXT NOT NULL,
        polled_at TEXT NOT NULL,
        succeeded_at TEXT,
        found BIGINT NOT NULL,
        problem TEXT,
        PRIMARY KEY (pipeline, scope)
      )`,
      sql`CREATE TABLE pauses (pipeline TEXT PRIMARY KEY, since TEXT NOT NULL, problem TEXT NOT NULL)`,
      sql`CREATE TABLE vaults (root TEXT PRIMARY KEY, claimed_at TEXT NOT NULL)`,
    ]) {
      await statement.execute(db)
    }
  },
}

/** What a service needs to remember: how far each claim is, what people hold back, whether it may begin new work. */
const service: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of [
      sql`ALTER TABLE targets ADD COLUMN reason TEXT`,
      sql`ALTER TABLE targets ADD COLUMN failing_since TEXT`,
      sql`ALTER TABLE bundles ADD COLUMN claimed_at TEXT`,
      sql`ALTER TABLE bundles ADD COLUMN moved BIGINT NOT NULL DEFAULT 0`,
      sql`ALTER TABLE bundles ADD COLUMN moved_at TEXT`,
      sql`ALTER TABLE bundles ADD COLUMN removed_at TEXT`,
      sql`CREATE INDEX bundles_claimed ON bundles (pipeline) WHERE claim IS NOT NULL`,
      sql`CREATE INDEX bundles_by_confirmation ON bundles (pipeline, confirmed_at)`,
      sql`CREATE TABLE holds (
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        since TEXT NOT NULL,
        why TEXT,
        PRIMARY KEY (scope, name)
      )`,
      sql`CREATE TABLE drains (id BIGINT PRIMARY KEY CHECK (id = 1), since TEXT NOT NULL, why TEXT)`,
      sql`CREATE TABLE agents (
        id BIGINT PRIMARY KEY CHECK (id = 1),
        version TEXT NOT NULL,
        host TEXT NOT NULL,
        pid BIGINT NOT NULL,
        started_at TEXT NOT NULL,
        heard_at TEXT NOT NULL,
        ended_at TEXT
      )`,
    ]) {
      await statement.execute(db)
    }
    const failed = sql<{ id: number; problems: string }>`SELECT id, problems FROM targets WHERE failures > 0`
    for (const { id, problems } of (await failed.execute(db)).rows) {
      const [{ code }] = JSON.parse(problems) as [{ code: string }]
      await sql`UPDATE targets SET reason = ${code}, failing_since = failed_at WHERE id = ${id}`.execute(db)
    }
  },
}

/** What the agent signs in with, for those who may not read it themselves. */
const credentials: Migration = {
  up: (db: Kysely<unknown>) =>
    sql`CREATE TABLE credentials (
      id BIGINT PRIMARY KEY CHECK (id = 1),
      kind TEXT NOT NULL,
      file TEXT NOT NULL,
      good_from TEXT,
      good_until TEXT,
      issued_at TEXT,
      problem TEXT,
      seen_at TEXT NOT NULL
    )`
      .execute(db)
      .then(() => undefined),
}

/** Movers that hang in a call and do not end: for status alone. */
const stuck: Migration = {
  up: (db: Kysely<unknown>) =>
    sql`CREATE TABLE stuck_movers (
      pid BIGINT PRIMARY KEY,
      operation TEXT NOT NULL,
      path TEXT NOT NULL,
      since TEXT NOT NULL,
      freed_by TEXT
    )`
      .execute(db)
      .then(() => undefined),
}

/** What it takes to find a file again: by its name, and below which root. */
const retrieval: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of [
      sql`CREATE INDEX entries_by_did ON entries (scope, name)`,
      sql`CREATE TABLE pipelines (name TEXT PRIMARY KEY, vault_root TEXT NOT NULL, vault_mount TEXT)`,
    ]) {
      await statement.execute(db)
    }
  },
}

/** What is known of the tape behind a vault, and which objects were asked for from it. */
const tape: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of [
      sql`ALTER TABLE pipelines ADD COLUMN tape TEXT`,
      sql`ALTER TABLE bundles ADD COLUMN on_tape_at TEXT`,
      // A manifest can be of many megabytes: what every reader needs of it stands beside it.
      sql`ALTER TABLE bundles ADD COLUMN closed_at TEXT`,
      sql`UPDATE bundles SET closed_at = substr(manifest, instr(manifest, '"closed_at":"') + 13, 24)`,
      sql`CREATE TABLE recalls (
        id BIGINT PRIMARY KEY,
        bundle_id BIGINT NOT NULL REFERENCES bundles (id),
        asked_at TEXT NOT NULL,
        asked_by TEXT NOT NULL,
        sent_at TEXT,
        ended_at TEXT,
        outcome TEXT CHECK (outcome IN ('arrived', 'cancelled', 'failed', 'lapsed')),
        CHECK ((ended_at IS NULL) = (outcome IS NULL))
      )`,
      // One request per object, whoever asks.
      sql`CREATE UNIQUE INDEX open_recalls ON recalls (bundle_id) WHERE ended_at IS NULL`,
    ]) {
      await statement.execute(db)
    }
  },
}

/** What came of reading objects back after they were proven. */
const verifying: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of [
      sql`CREATE TABLE verifications (
        id BIGINT PRIMARY KEY,
        bundle_id BIGINT NOT NULL REFERENCES bundles (id),
        at TEXT NOT NULL,
        bytes BIGINT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        direct BIGINT NOT NULL CHECK (direct IN (0, 1)),
        source TEXT CHECK (source IN ('disk', 'tape')),
        outcome TEXT NOT NULL CHECK (outcome IN ('good', 'mismatch', 'missing', 'unsteady', 'unreadable')),
        what TEXT
      )`,
      sql`CREATE INDEX verifications_of_bundle ON verifications (bundle_id, id)`,
      sql`ALTER TABLE bundles ADD COLUMN verified_at TEXT`,
      sql`ALTER TABLE bundles ADD COLUMN damage TEXT`,
      sql`CREATE INDEX bundles_damaged ON bundles (pipeline) WHERE damage IS NOT NULL`,
    ]) {
      await statement.execute(db)
    }
  },
}

/** When the catalog was last backed up, and why not since: for status, and so that a restart makes no other one. */
const backingUp: Migration = {
  up: (db: Kysely<unknown>) =>
    sql`CREATE TABLE backups (
      id BIGINT PRIMARY KEY CHECK (id = 1),
      made_at TEXT,
      path TEXT,
      bytes BIGINT,
      failed_at TEXT,
      problem TEXT
    )`
      .execute(db)
      .then(() => undefined),
}

/** What was written down again from the vault alone is not asked about in the same way. */
const rebuilding: Migration = {
  up: (db: Kysely<unknown>) => sql`ALTER TABLE targets ADD COLUMN rebuilt_at TEXT`.execute(db).then(() => undefined),
}

export const migrations: Readonly<Record<(typeof migrationNames)[number], Migration>> = {
  '0001': first,
  '0002': service,
  '0003': credentials,
  '0004': stuck,
  '0005': retrieval,
  '0006': tape,
  '0007': verifying,
  '0008': backingUp,
  '0009': rebuilding,
}
