import { createHash } from 'node:crypto'
import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'

/**
 * What a Rucio server keeps, in memory. The functions that change it (sandbox-dids.ts and so on) check everything before they change
 * anything: each is a transaction. They are named after the functions of Rucio's core whose rules they follow, and throw as it does.
 */
export interface World {
  readonly version: RucioVersion
  readonly now: () => Date
  /** [0, 1): for ids, and for the order of answers, which Rucio does not promise. */
  readonly random: () => number
  readonly accounts: Map<string, Account>
  readonly tokens: Map<string, { readonly account: string; expires: Date }>
  /** Owner by scope. */
  readonly scopes: Map<string, string>
  readonly rses: Map<string, Rse>
  readonly dids: Map<string, DidRow>
  /** Children of a collection, by the key of each. */
  readonly contents: Map<string, Map<string, Content>>
  /** Custom metadata: the rows of did_meta. */
  readonly metadata: Map<string, MetadataRow>
  /** Replicas of a file, by RSE. */
  readonly replicas: Map<string, Map<string, Replica>>
}

/** The servers that the sandbox can be: the two long-term releases that tape-rse is tested with. */
export type RucioVersion = '41.5.1' | '38.5.5'

export interface Account {
  readonly name: string
  admin: boolean
  /** Password by username. */
  readonly identities: Map<string, string>
}

export interface Rse {
  readonly name: string
  /** Directory below which its files are, at localhost, by the scheme `file`; null: it has no protocol. */
  readonly prefix: string | null
  /** Default: DISK. */
  readonly type?: 'DISK' | 'TAPE'
  /** Whether paths follow from names, by lfn2pfn `identity`. Default: true. */
  readonly deterministic?: boolean
}

export type DidType = 'FILE' | 'DATASET' | 'CONTAINER'

export interface DidRow extends Did {
  readonly type: DidType
  readonly account: string
  readonly monotonic: boolean
  /** null for files. */
  open: boolean | null
  closedAt: Date | null
  length: number | null
  bytes: number | null
  events: number | null
  readonly adler32: string | null
  readonly md5: string | null
  suppressed: boolean
  readonly createdAt: Date
  updatedAt: Date
  /** Columns that are metadata: project, datatype … */
  readonly more: Map<string, unknown>
}

export interface Content extends Did {
  readonly type: DidType
  /** As it was when it was attached; null for collections. */
  readonly bytes: number | null
  readonly adler32: string | null
  readonly md5: string | null
}

export interface MetadataRow {
  values: Readonly<Record<string, unknown>>
  readonly createdAt: Date
  updatedAt: Date
}

export interface Replica {
  state: 'AVAILABLE' | 'BAD' | 'UNAVAILABLE'
  /** Below the prefix; null: it follows from the name. */
  readonly path: string | null
}

/** An error by Rucio's own name for it. Which status that makes is for each route to say. */
export class RucioException extends Error {
  readonly exceptionClass: string

  constructor(exceptionClass: string, message: string) {
    super(message)
    this.exceptionClass = exceptionClass
  }
}

export const emptyWorld = (version: RucioVersion, now: () => Date, random: () => number): World => ({
  version,
  now,
  random,
  accounts: new Map(),
  tokens: new Map(),
  scopes: new Map(),
  rses: new Map(),
  dids: new Map(),
  contents: new Map(),
  metadata: new Map(),
  replicas: new Map(),
})

export const findDid = (world: World, did: Did): DidRow | null => world.dids.get(didKey(did)) ?? null

/** @throws RucioException DataIdentifierNotFound */
export function didOf(world: World, did: Did): DidRow {
  const row = findDid(world, did)
  if (row === null) throw new RucioException('DataIdentifierNotFound', `Data identifier '${name(did)}' not found`)
  return row
}

export const name = (did: Did): string => `${did.scope}:${did.name}`

export const childrenOf = (world: World, did: Did): ReadonlyMap<string, Content> =>
  world.contents.get(didKey(did)) ?? new Map<string, Content>()

/** As Rucio writes it: whole seconds, and a zone that is literally UTC. */
export const rucioDate = (date: Date): string => date.toUTCString().replace('GMT', 'UTC')

/** Thirty-two hexadecimal digits. */
export const newId = (world: World): string =>
  createHash('md5').update(`${world.random()} ${world.random()}`).digest('hex')

/** In another order: Rucio promises none, and gives another one after each change. */
export function shuffled<T>(world: World, values: Iterable<T>): T[] {
  const all = [...values]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(world.random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/** May this account change what is in the scope? (core/permission/generic.py) */
export const mayWrite = (world: World, account: string, scope: string): boolean =>
  isAdmin(world, account) || world.scopes.get(scope) === account

export const isAdmin = (world: World, account: string): boolean =>
  account === 'root' || world.accounts.get(account)?.admin === true

/** @throws RucioException AccessDenied */
export function allow(allowed: boolean, account: string, what: string): void {
  if (!allowed) throw new RucioException('AccessDenied', `Account ${account} can not ${what}. `)
}
