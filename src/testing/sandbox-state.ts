import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { adler32, hex32 } from '../io/adler32.ts'
import { didKey, formatDid, type Did } from '../model/did.ts'
import { Refusal } from './sandbox-answers.ts'

export interface SandboxAccount {
  readonly account: string
  readonly username: string
  readonly password: string
  /** Whether it has the attribute `admin`. */
  readonly admin: boolean
}

export interface SandboxDid extends Did {
  readonly type: 'DATASET' | 'CONTAINER' | 'FILE'
  readonly account: string
  open: boolean
  suppressed: boolean
  closedAt: Date | null
  /** Of a dataset: as counted at its last closing, null before. */
  length: number | null
  bytes: number | null
  readonly adler32: string | null
  readonly md5: string | null
  readonly createdAt: Date
  /** Custom metadata: null if none was ever set. */
  meta: Record<string, unknown> | null
}

export type ReplicaState = 'AVAILABLE' | 'UNAVAILABLE' | 'COPYING' | 'BAD' | 'BEING_DELETED'

interface Rse {
  readonly name: string
  /** Directory that the PFNs of its files begin with; null: it has no protocol. */
  readonly prefix: string | null
}

/** What a file is registered with. */
export interface NewFile extends Did {
  readonly bytes: number
  readonly adler32: string | null
  readonly md5: string | null
}

/** What Rucio keeps in its database, and the rules by which it changes: the core of the sandbox, without HTTP. */
export class SandboxState {
  readonly accounts = new Map<string, SandboxAccount>()
  /** Owners of scopes. */
  readonly scopes = new Map<string, string>()
  readonly rses = new Map<string, Rse>()
  readonly dids = new Map<string, SandboxDid>()
  readonly contents = new Map<string, Set<string>>()
  readonly replicas = new Map<string, Map<string, ReplicaState>>()
  readonly tokens = new Map<string, { readonly account: string; readonly expires: Date }>()
  readonly now: () => Date

  constructor(now: () => Date) {
    this.now = now
  }

  signIn(
    account: string | undefined,
    username: string | undefined,
    password: string | undefined,
  ): { token: string; expires: Date; account: string } {
    const found = [...this.accounts.values()].find((each) => each.username === username && each.password === password)
    if (found === undefined || (account !== undefined && account !== found.account)) {
      throw new Refusal(
        401,
        'CannotAuthenticate',
        `Cannot authenticate to account ${account ?? 'None'} with given credentials`,
      )
    }
    const token = `${found.account}-${found.username}-unknown-${randomUUID().replaceAll('-', '')}`
    const expires = new Date(this.now().getTime() + 3600_000)
    this.tokens.set(token, { account: found.account, expires })
    return { token, expires, account: found.account }
  }

  /** The account of a request's token. */
  accountOf(token: string | undefined): string {
    if (token === undefined) throw new Refusal(400, 'ValueError', 'Token must be set.')
    const known = this.tokens.get(token)
    if (known === undefined || known.expires <= this.now()) {
      throw new Refusal(401, 'CannotAuthenticate', 'Cannot authenticate with given credentials')
    }
    return known.account
  }

  /** Whether the generic policy lets an account change what is in a scope. */
  mayChange(account: string, scope: string): boolean {
    return account === 'root' || this.accounts.get(account)?.admin === true || this.scopes.get(scope) === account
  }

  did({ scope, name }: Did): SandboxDid {
    const found = this.dids.get(didKey({ scope, name }))
    if (found === undefined)
      throw new Refusal(404, 'DataIdentifierNotFound', `Data identifier '${scope}:${name}' not found`)
    return found
  }

  rse(name: string): Rse {
    const found = this.rses.get(name)
    if (found === undefined) throw new Refusal(404, 'RSENotFound', `RSE '${name}' cannot be found in vo 'def'`)
    return found
  }

  addDid(did: Did, type: 'DATASET' | 'CONTAINER', account: string): void {
    if (!this.scopes.has(did.scope)) throw new Refusal(404, 'ScopeNotFound', `Scope ${did.scope} not found!`)
    if (!/^[/A-Za-z0-9][/A-Za-z0-9.\-_]*$/u.test(did.name))
      throw new Refusal(400, 'InvalidObject', `Problem validating name : '${did.name}'`)
    if (this.dids.has(didKey(did)))
      throw new Refusal(409, 'DataIdentifierAlreadyExists', 'Data Identifier Already Exists.')
    this.dids.set(didKey(did), {
      ...did,
      type,
      account,
      open: true,
      suppressed: false,
      closedAt: null,
      length: null,
      bytes: null,
      adler32: null,
      md5: null,
      createdAt: this.now(),
      meta: null,
    })
  }

  /** Registers files and their replicas. An existing one is left as it is, whatever is said of it now. */
  addReplicas(rse: string, files: readonly NewFile[], account: string): void {
    this.rse(rse)
    for (const { scope, name, bytes, adler32: adler, md5 } of files) {
      const key = didKey({ scope, name })
      if (!this.dids.has(key)) {
        const fixed = {
          open: false,
          suppressed: false,
          closedAt: null,
          length: null,
          createdAt: this.now(),
          meta: null,
        }
        this.dids.set(key, { scope, name, type: 'FILE', account, bytes, adler32: adler, md5, ...fixed })
      }
      const replicas = this.replicas.get(key) ?? new Map<string, ReplicaState>()
      if (!replicas.has(rse)) replicas.set(rse, 'AVAILABLE')
      this.replicas.set(key, replicas)
    }
  }

  attach(parent: Did, children: readonly Did[], ignoreDuplicates: boolean): void {
    const into = this.did(parent)
    if (!into.open) throw new Refusal(409, 'UnsupportedOperation', `Data identifier '${formatDid(parent)}' is closed`)
    const content = this.contents.get(didKey(parent)) ?? new Set<string>()
    for (const child of children) {
      this.did(child)
      if (content.has(didKey(child)) && !ignoreDuplicates)
        throw new Refusal(409, 'DuplicateContent', 'The same content has been added twice')
    }
    for (const child of children) content.add(didKey(child))
    this.contents.set(didKey(parent), content)
  }

  /** Works on closed datasets as well: what they had counted is counted down, and `closed_at` stays. */
  detach(parent: Did, children: readonly Did[]): void {
    const from = this.did(parent)
    for (const child of children) {
      const file = this.did(child)
      if (this.contents.get(didKey(parent))?.delete(didKey(child)) !== true) {
        throw new Refusal(
          404,
          'DataIdentifierNotFound',
          `Data identifier '${formatDid(child)}' not found under '${formatDid(parent)}'`,
        )
      }
      if (from.length !== null) from.length -= 1
      if (from.bytes !== null) from.bytes -= file.bytes ?? 0
    }
  }

  setOpen(did: Did, open: boolean): void {
    const target = this.did(did)
    if (target.type === 'FILE' || target.open === open) {
      throw new Refusal(
        409,
        'UnsupportedOperation',
        `The status of data identifier ${formatDid(did)} can not be changed: it is ${open ? 'open' : 'closed'}`,
      )
    }
    target.open = open
    if (open) return
    const children = this.childrenOf(did)
    target.length = children.length
    target.bytes = children.reduce((sum, child) => sum + (child.bytes ?? 0), 0)
    target.closedAt = this.now()
  }

  childrenOf(did: Did): readonly SandboxDid[] {
    return [...(this.contents.get(didKey(did)) ?? [])].map((key) => this.dids.get(key)!)
  }

  /** Files below a dataset, or below the datasets of a container; a file is its own. */
  filesOf(did: SandboxDid): readonly SandboxDid[] {
    if (did.type === 'FILE') return [did]
    return this.childrenOf(did).flatMap((child) => (child.type === 'FILE' ? [child] : this.filesOf(child)))
  }

  /** Sets custom metadata of all, or, if one is unknown or may not be changed, of none. */
  setMeta(
    changes: readonly { readonly did: Did; readonly values: Record<string, unknown> }[],
    account: string,
    deniedStatus: number,
  ): void {
    for (const { did } of changes) {
      if (!this.mayChange(account, did.scope)) {
        throw new Refusal(
          deniedStatus,
          'AccessDenied',
          `Account ${account} can not add metadata to data identifier ${formatDid(did)}`,
        )
      }
      this.did(did)
    }
    for (const { did, values } of changes) {
      const target = this.did(did)
      target.meta = { ...target.meta, ...values }
    }
  }

  /** Where a file of an RSE lies: `<prefix>/<scope>/<name>`. */
  pathOf(rse: string, did: Did): string | null {
    const { prefix } = this.rse(rse)
    return prefix === null ? null : join(prefix, did.scope, did.name)
  }

  /** Writes a file to the RSE's disk and registers it. */
  addFile(rse: string, did: Did, content: Uint8Array, account: string): void {
    const path = this.pathOf(rse, did)!
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    const md5 = createHash('md5').update(content).digest('hex')
    this.addReplicas(rse, [{ ...did, bytes: content.length, adler32: hex32(adler32(content)), md5 }], account)
  }
}
