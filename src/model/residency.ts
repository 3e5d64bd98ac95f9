/** Where the bytes of an object are: in the disk cache in front of tape, on tape, on both, or it cannot be told. */
export type Residency = 'disk' | 'tape' | 'both' | 'unknown'

/** How a vault is asked for it (docs/hpss.md, "Disk or tape"). */
export type ResidencyProbe =
  | { readonly kind: 'none' }
  /** An extended attribute with the levels of the file, as HPSSFS has it. */
  | { readonly kind: 'xattr'; readonly attribute: string }
  /** A command that is given paths, and answers with a line for each. */
  | { readonly kind: 'command'; readonly command: Command }

/** How a vault is asked to bring objects back to disk. `none`: who reads an object waits for it. */
export type RecallRequest =
  { readonly kind: 'none' } | { readonly kind: 'command'; readonly command: Command; readonly cancel: Command | null }

/** A program and its first arguments; paths of objects follow them. */
export type Command = readonly [string, ...string[]]

/** What is known of the tape behind a vault. */
export interface TapeAccess {
  readonly probe: ResidencyProbe
  readonly recall: RecallRequest
}
export const noTape: TapeAccess = { probe: { kind: 'none' }, recall: { kind: 'none' } }

export const isOnTape = (residency: Residency): boolean => residency === 'tape' || residency === 'both'

/** So many objects are asked about, or asked for, at once: more flooded core servers (docs/hpss.md, "Recall"). */
export const maxAtOnce = 64
