import type { BundleId, BundleState, PlannedBundle, Proof, Verification } from '../model/bundle.ts'
import type { Credential } from '../model/credential.ts'
import type { Did } from '../model/did.ts'
import type { ErrorCode, Problem } from '../model/errors.ts'
import type { TapeAccess } from '../model/residency.ts'
import type { StuckMover } from '../model/stuck.ts'
import type { Content, Entry, Sighting, TargetId, TargetState, Waiting } from '../model/target.ts'

/** What stands in a target's way, and when it is looked at again; `notBefore` null with `held`: only when a person says so. */
export interface Setback {
  readonly held: boolean
  readonly problems: readonly Problem[]
  readonly at: Date
  readonly notBefore: Date | null
  /** The bundle that failed; null if the target as a whole did. */
  readonly bundle: BundleId | null
}

export interface TargetRow {
  readonly id: TargetId
  readonly pipeline: string
  readonly did: Did
  readonly generation: number
  readonly state: TargetState
  readonly waiting: Waiting | null
  readonly requestedAt: Date
  readonly closedAt: Date | null
  readonly length: number | null
  readonly bytes: number | null
  readonly fingerprint: string | null
  readonly frozenAt: Date | null
  /** When it was acknowledged, withdrawn or superseded, and why. */
  readonly endedAt: Date | null
  readonly endedWhy: string | null
  /** Failures since it last made progress. */
  readonly failures: number
  readonly failedAt: Date | null
  /** When the first of these failures was. */
  readonly failingSince: Date | null
  readonly notBefore: Date | null
  readonly held: boolean
  readonly problems: readonly Problem[]
  /** When it was written down again from what the vault says, its catalog being lost; null: it was not. */
  readonly rebuiltAt: Date | null
}

/** A person holds a DID back, whatever its targets are at, and whether there are any yet. */
export interface Hold {
  readonly since: Date
  readonly why: string | null
}
export interface KnownTarget extends TargetRow {
  readonly hold: Hold | null
}

export interface BundleRow {
  readonly id: BundleId
  readonly targetId: TargetId
  readonly part: number
  readonly parts: number
  readonly state: BundleState
  readonly location: string | null
  /** The exact size of the object. */
  readonly bytes: number
  readonly files: number
  readonly attempts: number
  /** Whether a mover is at it now. */
  readonly claimed: boolean
  readonly writtenAt: Date | null
  readonly mismatches: number
  readonly confirmedAt: Date | null
  readonly proof: Proof | null
  /** When a person had its object removed. */
  readonly removedAt: Date | null
  /** When its object was last read back after it was proven, and was right. */
  readonly verifiedAt: Date | null
  /** What was wrong with its object when it was last read back; null: nothing. */
  readonly damage: string | null
  /** When it was first known to be on tape; null: it is not known to be. */
  readonly onTapeAt: Date | null
}

/** A bundle that one worker has for itself until it commits or releases it. */
export interface Claim {
  readonly id: BundleId
  readonly target: TargetRow
  readonly part: number
  readonly parts: number
  readonly location: string
  /** Numbered from 1 for each bundle. The part file of this attempt is the one to write, or the one to prove. */
  readonly attempt: number
  readonly manifest: string
  readonly bytes: number
  readonly entries: readonly Entry[]
  /** Of the object as written; null before. */
  readonly adler32: string | null
  /** Process id of the mover that wrote it; null before. */
  readonly packer: number | null
  readonly mismatches: number
}

/** A generation of a dataset as the vault says that it was archived. */
export interface Recovered {
  readonly did: Did
  readonly generation: number
  readonly content: Content
  /** Each with its place, the adler32 that its object has to have, and the highest attempt of which a part may be there. */
  readonly bundles: readonly (PlannedBundle & {
    readonly location: string
    readonly adler32: string
    readonly attempts: number
  })[]
  /** null: it is the newest, and all of it is there. Else why it is not to be gone on with. */
  readonly superseded: string | null
}

/** Outcome of one poll of one scope. */
export interface Observed {
  /** Requests not known before. */
  readonly fresh: number
  /** Live targets of the scope that the poll does not show; not those whose bundles are all confirmed, which may just be told. */
  readonly unseen: readonly TargetRow[]
  /** Frozen targets that the poll showed reopened or changed: superseded now. */
  readonly superseded: readonly TargetRow[]
}

/** A request to be frozen, and the generations of its DID that were acknowledged or withdrawn, newest first. */
export interface Requested {
  readonly row: TargetRow
  readonly earlier: readonly Generation[]
}
export interface Generation {
  readonly row: TargetRow
  readonly bundles: readonly BundleRow[]
}

export interface Debris {
  readonly id: BundleId
  readonly target: TargetRow
  readonly location: string
  readonly attempts: number
}

export interface PollRow {
  readonly pipeline: string
  readonly scope: string
  readonly polledAt: Date
  readonly succeededAt: Date | null
  /** Requests that the last good poll showed. */
  readonly found: number
  readonly problem: Problem | null
}

export interface PauseRow {
  readonly pipeline: string
  readonly since: Date
  readonly problem: Problem
}

/** The agent that works on the catalog, or worked on it last. */
export interface AgentRow {
  readonly version: string
  readonly host: string
  readonly pid: number
  readonly startedAt: Date
  /** When it last said that it lives. */
  readonly heardAt: Date
  /** null: it runs, or it died. */
  readonly endedAt: Date | null
}

/** The last backup of the catalog that was made; null: none was. `problem`: why none was made since, when it was last tried. */
export interface Backup {
  readonly at: Date | null
  readonly path: string | null
  readonly bytes: number | null
  readonly failedAt: Date | null
  readonly problem: Problem | null
}

/** No new work begins until somebody says `resume`. */
export interface Drain {
  readonly since: Date
  readonly why: string | null
}

/** A bundle that a mover is at. */
export interface Move {
  readonly did: Did
  readonly part: number
  readonly parts: number
  readonly doing: 'writing' | 'reading back'
  readonly attempt: number
  readonly bytes: number
  /** Bytes moved at `movedAt`. */
  readonly moved: number
  readonly since: Date
  readonly movedAt: Date
}

/** What status, page and metrics show. */
export interface Summary {
  readonly agent: AgentRow | null
  /** What it signs in with, as it saw it last, at `seenAt`. null: a password, or no agent has run. */
  readonly credential: (Credential & { readonly seenAt: Date }) | null
  readonly drain: Drain | null
  /** null: no backup was ever tried. */
  readonly backup: Backup | null
  /** Movers that hang in a call and do not end, though they were killed. */
  readonly stuck: readonly StuckMover[]
  readonly pipelines: readonly PipelineSummary[]
}
export interface PipelineSummary {
  readonly pipeline: string
  readonly targets: readonly {
    readonly state: TargetState
    readonly waiting: Waiting | null
    readonly held: boolean
    readonly count: number
    readonly bytes: number
  }[]
  readonly bundles: readonly {
    readonly state: BundleState
    /** Of targets that are being archived; the others are held, or ended. */
    readonly live: boolean
    readonly count: number
    readonly bytes: number
  }[]
  readonly moving: readonly Move[]
  /** Objects that were proven, by when they were last read back; null: there are none. */
  readonly verification: {
    readonly objects: number
    /** Never read back since they were proven. */
    readonly never: number
    /** When that one was proven or read back for which it is longest ago. */
    readonly oldest: Date
    readonly damaged: number
    /** Known to be on tape. */
    readonly onTape: number
  } | null
  /** What was confirmed in the last hour. */
  readonly confirmedLately: { readonly count: number; readonly bytes: number }
  /** Targets that failed at their last try, held or not. */
  readonly failed: number
  /** Why they failed, most first. `since`: when the first of them did. */
  readonly reasons: readonly {
    readonly code: ErrorCode
    readonly held: boolean
    readonly count: number
    readonly since: Date
    /** When the next of them is tried again; null: when a person says so. */
    readonly next: Date | null
  }[]
  /** Live targets that a person holds back. */
  readonly heldByPeople: number
  /** When the oldest request that can be taken, and is not done, was first seen. */
  readonly oldestRequest: Date | null
  readonly polls: readonly PollRow[]
  readonly pause: PauseRow | null
}

export interface TargetFilter {
  readonly pipeline?: string
  /** `live`: requested or frozen. `held`: by a fault or by a person. `damaged`: one of its objects is, by what `verify` has read. */
  readonly state?: TargetState | 'held' | 'failed' | 'waiting' | 'live' | 'damaged'
  /** Matches `scope:name`; `*` is any text, slashes too, `?` one character. */
  readonly glob?: string
  /** Code of the first problem. */
  readonly reason?: string
}
export interface Page {
  /** `turn`: in the order in which they are worked on, by pipeline. */
  readonly sort: 'turn' | 'name' | 'size' | 'requested' | 'ended' | 'next'
  readonly reverse: boolean
  readonly offset: number
  readonly limit: number
}

/** An object, as far as it came: that of a bundle which is confirmed, and not removed, is in the vault under its location. */
export interface ArchivedObject {
  readonly id: BundleId
  readonly pipeline: string
  /** The dataset. */
  readonly did: Did
  readonly generation: number
  /** What became of the dataset's generation. */
  readonly target: TargetState
  readonly part: number
  readonly parts: number
  readonly state: BundleState
  readonly location: string | null
  readonly bytes: number
  readonly files: number
  /** When the dataset was closed: the time of every member. */
  readonly closedAt: Date
  readonly writtenAt: Date | null
  readonly confirmedAt: Date | null
  readonly verifiedAt: Date | null
  readonly damage: string | null
  readonly onTapeAt: Date | null
  readonly removedAt: Date | null
  /** It was found in the vault, and not proven since. */
  readonly rebuilt: boolean
}

/** A file, and where its header begins in an object. */
export interface ArchivedFile {
  readonly object: BundleId
  readonly entry: Entry
  readonly offset: number
}

/** Where the objects of a pipeline are, as the agent's config had it last. */
export interface VaultPlace {
  readonly root: string
  /** The mount point that must be mounted at or above it; null: none. */
  readonly mount: string | null
  readonly tape: TapeAccess
}

/** `lapsed`: it was asked for so long ago that it is asked for again. */
export type RecallOutcome = 'arrived' | 'cancelled' | 'failed' | 'lapsed'

/** An object that was asked for from tape. */
export interface Recall {
  readonly object: ArchivedObject
  readonly askedAt: Date
  /** User and host. */
  readonly askedBy: string
}

/** What it takes to find again what was archived. A glob: `*` is any text, slashes too, `?` one character. */
export interface CatalogLookup {
  /** Objects of the datasets whose DID matches, of every generation, newest first; in any state. */
  objects(glob: string): Promise<readonly ArchivedObject[]>
  /**
   * Proven objects that were not proven or verified since `before`, the longest ago first; of all time, if that is null.
   */
  unverified(
    filter: { readonly glob?: string; readonly pipeline?: string },
    before: Date | null,
  ): Promise<readonly ArchivedObject[]>
  /** What came of verifying an object, the last first. */
  verifications(object: BundleId): Promise<readonly Verification[]>
  /** The files of an object, in its order; only those whose name matches, if a glob is given. */
  filesOf(object: BundleId, glob?: string): Promise<readonly ArchivedFile[]>
  /** Files whose own DID matches, in every object that they were planned for. */
  filesNamed(glob: string): Promise<readonly { readonly file: ArchivedFile; readonly object: ArchivedObject }[]>
  /** The text of an object's manifest. */
  manifest(object: BundleId): Promise<string>
  /** By the name of the pipeline. */
  places(): Promise<ReadonlyMap<string, VaultPlace>>
  /** What was asked for from tape and has not arrived, in the order in which it was asked for. */
  recalls(): Promise<readonly Recall[]>
}

/** What readers need: they never lock. */
export interface CatalogReader extends CatalogLookup {
  /** Names the catalog; its vaults carry it in their markers, its objects in their manifests. */
  readonly id: string
  summary(now: Date): Promise<Summary>
  list(filter: TargetFilter, page: Page): Promise<readonly KnownTarget[]>
  /** How many targets a filter finds. */
  count(filter: TargetFilter): Promise<number>
  /** Every generation of a DID in every pipeline, newest first. */
  find(did: Did): Promise<readonly (Generation & { readonly row: KnownTarget })[]>
  /** Every DID that a person holds back. */
  holds(): Promise<readonly (Hold & { readonly did: Did })[]>
  drained(): Promise<Drain | null>
  entries(bundle: BundleId): Promise<readonly Entry[]>
  close(): Promise<void>
}

/**
 * The one truth about progress. Each method is one transaction; a transition names the state that it leaves, and throws
 * CATALOG_FAILED when the row is not in it: two workers at one row are a bug, never a race to be won.
 */
export interface Catalog extends CatalogReader {
  /** Voids what workers of an agent that died had claimed. Only the holder of the lock may call it. */
  voidClaims(): Promise<void>

  /** Records a good poll: new requests, reasons to wait, changes. */
  observe(pipeline: string, scope: string, sightings: readonly Sighting[], at: Date): Promise<Observed>
  /** Records a poll that failed. True: the one before it had not failed in this way. */
  missed(pipeline: string, scope: string, problem: Problem, at: Date): Promise<boolean>
  /** Forgets the polls of scopes that are no longer polled. */
  forgetOtherPolls(pipeline: string, scopes: readonly string[]): Promise<void>
  /** Ends targets whose request is gone. */
  withdraw(targets: readonly { readonly id: TargetId; readonly why: string }[], at: Date): Promise<void>
  /** Ends frozen targets whose content changed before they were acknowledged: the next poll requests their next generation. */
  supersede(targets: readonly { readonly id: TargetId; readonly why: string }[], at: Date): Promise<void>

  /**
   * Makes due at once what failed and waits for its time, whatever the clock says; not what waits for a person. What fails again waits
   * again.
   */
  endBackOffs(pipeline: string): Promise<void>

  /** Requests that can be frozen now: oldest first, fair between scopes. */
  requested(pipeline: string, limit: number, now: Date): Promise<readonly Requested[]>
  /** Freezes requests with their bundles; each target's own transaction is not needed: all or none. */
  freeze(
    targets: readonly {
      readonly id: TargetId
      readonly content: Content
      readonly bundles: readonly PlannedBundle[]
    }[],
    at: Date,
  ): Promise<void>
  /**
   * Drops a request and makes the earlier generation, whose content is the same, frozen again with its bundles as they are.
   * False, and nothing is changed: an object of it was removed meanwhile.
   */
  revive(request: TargetId, earlier: TargetId, closedAt: Date, at: Date): Promise<boolean>
  /** Writes a generation down again: frozen, its bundles written, to be proven anew. */
  recover(pipeline: string, generation: Recovered, at: Date): Promise<void>
  /** Records what stands in a target's way; nothing if it has ended meanwhile. */
  setBack(target: TargetId, setback: Setback): Promise<void>
  /** Objects of other targets at, above or below these locations. */
  clashes(
    pipeline: string,
    target: TargetId,
    locations: readonly string[],
  ): Promise<readonly { readonly did: Did; readonly location: string }[]>

  /** The next target with bundles that have no location yet, and those bundles. */
  planned(
    pipeline: string,
    now: Date,
  ): Promise<{ readonly target: TargetRow; readonly bundles: readonly BundleRow[] } | null>
  assign(bundles: readonly { readonly id: BundleId; readonly location: string }[]): Promise<void>

  /** Claims the next bundle to be written, as a new attempt; or the next to be proven, as the attempt that wrote it. */
  claim(pipeline: string, state: 'assigned' | 'written', now: Date): Promise<Claim | null>
  /** Gives a claim back: nothing came of it. */
  release(claim: Claim): Promise<void>
  /** Notes how many bytes a claim has moved since it began; `since` and `at` are of one clock, whatever it said at the claim. */
  moved(claim: Claim, bytes: number, since: Date, at: Date): Promise<void>
  written(claim: Claim, adler32: string, packer: number, at: Date): Promise<void>
  confirmed(claim: Claim, proof: Proof, at: Date): Promise<void>
  /**
   * A written object is gone, or does not match: it is to be written again, once the claim is released. Returns how often it has
   * not matched.
   */
  unwritten(claim: Claim, mismatch: boolean): Promise<number>
  /** Bundles of ended targets that may have left parts in the vault, and have no worker. */
  debris(pipeline: string, limit: number): Promise<readonly Debris[]>
  /** Records that nothing but a published object is left of a bundle. */
  cleaned(bundle: BundleId): Promise<void>

  /** Frozen targets all of whose bundles are confirmed. */
  ready(pipeline: string, limit: number, now: Date): Promise<readonly Generation[]>
  acknowledge(targets: readonly TargetId[], at: Date): Promise<void>
  /** Everything that determines the bytes of a confirmed object, to read it back once more; null: it is not confirmed any more. */
  confirmedObject(bundle: BundleId): Promise<Claim | null>
  /**
   * Records what came of reading a confirmed object back; false, and nothing is: it is not the one that was confirmed at `confirmedAt` any
   * more.
   */
  verified(bundle: BundleId, confirmedAt: Date, verification: Verification): Promise<boolean>
  /**
   * Takes an archived generation up again, to write these of its objects anew: frozen, its other bundles as they are; its DID is held back no
   * more, and a later request for it that nothing came of yet is dropped.
   * @throws TapeRseError CATALOG_FAILED: a later generation is being archived
   */
  repair(target: TargetId, bundles: readonly BundleId[], at: Date): Promise<void>
  /** Objects that had been confirmed are gone: they are to be written again. */
  unconfirm(bundles: readonly BundleId[]): Promise<void>

  /** Clears what faults have put in the way of live targets, so that they are tried at once. */
  retry(targets: readonly TargetId[]): Promise<void>
  /** Holds DIDs back until they are released. One that is held already keeps its time and reason. */
  hold(dids: readonly Did[], why: string | null, at: Date): Promise<void>
  unhold(dids: readonly Did[]): Promise<void>
  /**
   * Marks the objects of an ended target as removed, before the first of them is; from then on nothing goes back to them.
   * False, and nothing is changed: it is live again.
   */
  removing(target: TargetId, at: Date): Promise<boolean>

  drain(why: string | null, at: Date): Promise<void>
  resume(): Promise<void>
  lastBackup(): Promise<Backup | null>
  /** Records that a backup was made, or why none was. */
  backedUp(
    made: { readonly at: Date } & ({ readonly path: string; readonly bytes: number } | { readonly problem: Problem }),
  ): Promise<void>
  /** Records that an agent works on the catalog, that it lives, that it ended. */
  agentStarted(
    agent: { readonly version: string; readonly host: string; readonly pid: number },
    at: Date,
  ): Promise<void>
  agentLives(at: Date): Promise<void>
  agentEnded(at: Date): Promise<void>
  /** Records what the agent signs in with. null: a password. */
  sawCredential(credential: Credential | null, at: Date): Promise<void>
  /** Records which movers hang and do not end: all of them. */
  sawStuck(movers: readonly StuckMover[]): Promise<void>

  pause(pipeline: string, problem: Problem, at: Date): Promise<void>
  unpause(pipeline: string): Promise<void>
  /** Records where the objects of a pipeline are, for those who look for them without a config. */
  rememberPlace(pipeline: string, place: VaultPlace): Promise<void>
  /**
   * Writes down that objects are going to be asked for from tape; returns those that are to be, because nobody has since `lapsed`: one
   * request per object. Who wrote one down and was stopped before it was sent has asked for nothing: after a few minutes it is made again.
   */
  recall(bundles: readonly BundleId[], by: string, at: Date, lapsed: Date): Promise<readonly BundleId[]>
  /** The command that asks for these has ended well. */
  recallSent(bundles: readonly BundleId[], at: Date): Promise<void>
  /** Ends requests; those that have ended already stay as they are. */
  endRecalls(bundles: readonly BundleId[], outcome: RecallOutcome, at: Date): Promise<void>
  /** Objects that were confirmed at these times are known to be on tape. */
  sawOnTape(bundles: readonly { readonly id: BundleId; readonly confirmedAt: Date }[], at: Date): Promise<void>
  /** Whether this catalog has claimed a vault root before. */
  knowsVault(root: string): Promise<boolean>
  rememberVault(root: string, at: Date): Promise<void>
}
