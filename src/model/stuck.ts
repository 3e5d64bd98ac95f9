/** A mover that hangs in a call, was killed, and does not even die. */
export interface StuckMover {
  readonly pid: number
  readonly operation: string
  readonly path: string
  /** When it was killed, or found by an agent that began after its own had died. */
  readonly since: Date
  /** The command, for root, that ends the call. null: nobody knows one. */
  readonly freedBy: string | null
}
