import type { Did } from '../model/did.ts'
import type { Problem } from '../model/errors.ts'
import type { Content, Sighting } from '../model/target.ts'

/** One poll of one scope: what is requested there, or why that could not be learnt. */
export type Poll =
  | { readonly scope: string; readonly sightings: readonly Sighting[] }
  | { readonly scope: string; readonly error: Error }

/** A target's content, or everything that stands in the way of archiving it. */
export type Freezing = { readonly content: Content } | { readonly problems: readonly [Problem, ...Problem[]] }

/** What the source says, when asked again, of a target whose bundles are all confirmed. */
export type Standing =
  /** Still requested, and unchanged. */
  | { readonly standing: 'requested' }
  /** Already told `done`, and unchanged: a crash after telling. */
  | { readonly standing: 'done' }
  /** The request is gone. `why` is a clause: "the tag is now …". */
  | { readonly standing: 'withdrawn'; readonly why: string }
  /** Reopened or changed; `told` if it nevertheless says done. */
  | { readonly standing: 'changed'; readonly why: string; readonly told: boolean }

/** A frozen target, as much of it as its source needs to recognise it. */
export interface Frozen {
  readonly did: Did
  /** null: not known, so that its content alone counts. */
  readonly closedAt: Date | null
  readonly length: number
  readonly bytes: number
  readonly fingerprint: string
}

/** What became of telling one target. An error is this target's own; errors of all are thrown. */
export type Telling = { readonly told: true } | { readonly told: false; readonly error: Error }

/**
 * Who asks for archiving, seen from the control process. Nothing here touches a source's files.
 * Every method throws TapeRseError: RUCIO_UNREACHABLE and its like when the source as a whole is at fault.
 * Lists answer in the order of the question.
 */
export interface Source {
  /** Polls every scope: everything requested now, each qualified. A scope that fails does not spoil the others. */
  poll(signal: AbortSignal): Promise<readonly Poll[]>
  /** What a request has come to, if a poll no longer shows it: null if it is still requested. `why` is a clause. */
  missing(did: Did, signal: AbortSignal): Promise<{ readonly why: string } | null>
  /** The content of each target, as `sighting` saw it. */
  freeze(sightings: readonly Sighting[], signal: AbortSignal): Promise<readonly Freezing[]>
  /**
   * Asks again whether each target is still closed, unchanged and requested, in a few calls for all. Answers from the source now,
   * never from memory. `told`: they were told `done` a moment ago, so one that the source no longer lists as requested stands at
   * `done`; otherwise it is asked for alone.
   */
  standing(targets: readonly Frozen[], told: boolean, signal: AbortSignal): Promise<readonly Standing[]>
  /** Tells the source that each target is archived (`need` → `done`). Repeating it is harmless. */
  tellDone(dids: readonly Did[], signal: AbortSignal): Promise<readonly Telling[]>
  /** Takes back `done`: writes the request again. */
  tellNeed(dids: readonly Did[], signal: AbortSignal): Promise<readonly Telling[]>
}

/** A source's file, open in a mover. */
export interface SourceFile {
  /** Its size when it was opened. */
  readonly bytes: number
  /** Fills `buffer` from where the last read ended; returns the bytes read, 0 at the end. */
  read(buffer: Uint8Array): number
  /** Checks that the file is still what it was when it was opened, and closes it. Call once, also after an error. */
  close(): void
}
