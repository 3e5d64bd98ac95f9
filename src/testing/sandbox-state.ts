import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import type { Login } from './rucio-rest.ts'
import { fileOf } from './rucio-rest.ts'
import { addAccount, addIdentity, addScope, expireTokens, makeAdmin } from './sandbox-accounts.ts'
import { addDids, attach, detach, setOpen } from './sandbox-dids.ts'
import type { MetadataChange } from './sandbox-metadata.ts'
import { changeMetadata, deleteMetadata, permitMetadata } from './sandbox-metadata.ts'
import { addReplicas, addRse, declareBad, lfnPath, rseOf } from './sandbox-replicas.ts'
import type { DidRow, Rse, World } from './sandbox-world.ts'
import { didOf } from './sandbox-world.ts'

export interface SandboxAccount extends Login {
  /** Whether it has the attribute `admin`. */
  readonly admin: boolean
}

/** A DID as it is now, with its custom metadata; null: none was ever set. */
export type SandboxDid = Readonly<DidRow> & { readonly meta: Readonly<Record<string, unknown>> | null }

/** What Rucio keeps: to be set up, looked at, and changed behind the back of whoever uses the server. Throws what Rucio would. */
export interface SandboxState {
  /** Owners of scopes. */
  readonly scopes: Map<string, string>
  readonly rses: Map<string, Rse>
  addAccount(account: SandboxAccount): void
  addScope(scope: string, owner: string): void
  addRse(rse: Rse): void
  addDid(did: Did, type: 'DATASET' | 'CONTAINER', account: string): void
  /** Writes a file to where the PFN of a deterministic RSE leads, and registers it. */
  addFile(rse: string, did: Did, content: Uint8Array, account: string): void
  attach(parent: Did, children: readonly Did[], ignoreDuplicates: boolean): void
  detach(parent: Did, children: readonly Did[]): void
  setOpen(did: Did, open: boolean): void
  /** Sets custom metadata of all, or of none. (Nobody looks at the status: each route has its own.) */
  setMeta(changes: readonly MetadataChange[], account: string): void
  deleteMeta(did: Did, key: string): void
  did(did: Did): SandboxDid
  /** Declares the replica of a file bad. */
  declareBad(did: Did, rse: string): void
  suppress(did: Did): void
  /** As Rucio's daemons do when no rule keeps it any more: it goes, and its metadata with it. */
  erase(did: Did): void
  /** Ends the hour of all tokens of an account. */
  expireTokens(account: string): void
}

export function sandboxState(world: World): SandboxState {
  return {
    scopes: world.scopes,
    rses: world.rses,
    addAccount({ account, username, password, admin }) {
      addAccount(world, 'root', account)
      addIdentity(world, account, username, password)
      if (admin && account !== 'root') makeAdmin(world, 'root', account)
    },
    addScope: (scope, owner) => addScope(world, 'root', scope, owner),
    addRse: (rse) => addRse(world, rse),
    addDid: ({ scope, name }, type, account) => addDids(world, account, [{ scope, name, type }]),
    addFile(rse, did, content, account) {
      const path = join(rseOf(world, rse).prefix!, lfnPath(did))
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content)
      addReplicas(world, account, rse, [fileOf(did, content)])
    },
    attach: ({ scope, name }, dids, ignoreDuplicates) => attach(world, [{ scope, name, dids }], ignoreDuplicates),
    detach: (did, children) => detach(world, did, children),
    setOpen: (did, open) => setOpen(world, did, open),
    setMeta(changes, account) {
      permitMetadata(world, account, changes)
      changeMetadata(world, changes)
    },
    deleteMeta: (did, key) => deleteMetadata(world, did, key),
    did: (did) => ({ ...didOf(world, did), meta: world.metadata.get(didKey(did))?.values ?? null }),
    declareBad: (did, rse) => void declareBad(world, 'root', [{ ...did, rse }]),
    suppress: (did) => void (didOf(world, did).suppressed = true),
    erase(did) {
      for (const rows of [world.dids, world.contents, world.metadata, world.replicas]) rows.delete(didKey(did))
      for (const children of world.contents.values()) children.delete(didKey(did))
    },
    expireTokens: (account) => expireTokens(world, account),
  }
}
