import { createHash } from 'node:crypto'
import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import { insertDid } from './sandbox-dids.ts'
import { listedDids, rseName, validate } from './sandbox-schema.ts'
import type { DidRow, Replica, Rse, World } from './sandbox-world.ts'
import { allow, childrenOf, findDid, isAdmin, name, RucioException, shuffled } from './sandbox-world.ts'

export function addRse(world: World, rse: Rse): void {
  validate(rseName, 'rse', rse.name)
  if (world.rses.has(rse.name)) throw new RucioException('Duplicate', `RSE '${rse.name}' already exists!`)
  world.rses.set(rse.name, rse)
}

export function addProtocol(world: World, name: string, prefix: string): void {
  const rse = rseOf(world, name)
  if (rse.prefix !== null)
    throw new RucioException('Duplicate', `Protocol 'file' on port 0 already registered for  '${name}'.`)
  world.rses.set(name, { ...rse, prefix: prefix.replace(/\/+$/, '') })
}

/** @throws RucioException RSENotFound */
export function rseOf(world: World, rse: string): Rse {
  const found = world.rses.get(rse)
  if (found === undefined) throw new RucioException('RSENotFound', `RSE '${rse}' cannot be found in vo 'def'`)
  return found
}

/** add_replicas: makes the file DIDs as well. A replica that is there already stays as it is, whatever is said of it. */
export function addReplicas(world: World, account: string, at: string, files: unknown): void {
  const rse = rseOf(world, at)
  const mayAdd = isAdmin(world, account) || /(SCRATCHDISK|USERDISK|MOCK|LOCALGROUPDISK)$/.test(at)
  allow(mayAdd, account, `add file replicas on ${at}`)
  const incomplete = Array.isArray(files) && files.some((file: object) => !('bytes' in file))
  if (incomplete) throw new Error("'bytes'")
  if (Array.isArray(files) && files.length === 0) {
    if (world.version === '38.5.5') return
    throw new RucioException('DatabaseException', 'An unknown Database Exception has occurred.')
  }
  const valid = validate(listedDids, 'dids', files)
  const paths = valid.map((file) => pathOfNew(rse, file, file.pfn ?? null))
  for (const { scope } of valid)
    if (!world.scopes.has(scope)) throw new RucioException('ScopeNotFound', 'Scope not found!')
  valid.forEach(({ scope, name, bytes, adler32, md5 }, i) => {
    const did = { scope, name }
    if (findDid(world, did) === null)
      insertDid(world, did, 'FILE', account, { bytes: bytes ?? null, adler32: adler32 ?? null, md5: md5 ?? null })
    const replicas = world.replicas.get(didKey(did)) ?? new Map<string, Replica>()
    if (!replicas.has(at)) replicas.set(at, { state: 'AVAILABLE', path: paths[i]! })
    world.replicas.set(didKey(did), replicas)
  })
}

/** Path below the prefix; null if it follows from the name. */
function pathOfNew(rse: Rse, did: Did, pfn: string | null): string | null {
  if (rse.deterministic ?? true) {
    const expected = pfnOf(rse, lfnPath(did))
    if (pfn === null || pfn === expected) return null
    const message = `One of the PFNs provided {'${pfn}'} for [${name(did)}] does not match the Rucio expected PFNs`
    throw new RucioException('InvalidPath', `${message}: {'${expected}'}`)
  }
  if (pfn === null)
    throw new RucioException('UnsupportedOperation', `PFN needed for this (non deterministic) RSE ${rse.name} `)
  const begin = pfnOf(rse, '') ?? ''
  if (pfn.startsWith(begin)) return pfn.slice(begin.length)
  throw new RucioException('RSEFileNameNotSupported', `Invalid prefix: provided '${pfn.replace(/^\w+:\/\/[^/]*/, '')}'`)
}

/** lfn2pfn `identity` (rse/translation.py). */
export const lfnPath = ({ scope, name }: Did): string =>
  `${/^(user|group)/.test(scope) ? scope.replaceAll('.', '/') : scope}/${name}`

/** Names go into a PFN as they are, nothing encoded (rse/protocols/posix.py). */
const pfnOf = ({ prefix }: Rse, path: string): string | null =>
  prefix === null ? null : `file://localhost${prefix}/${path}`

/** declare_bad_file_replicas: root alone may. What could not be declared is in the answer, by RSE. */
export function declareBad(
  world: World,
  account: string,
  replicas: readonly (Did & { readonly rse: string })[],
): Record<string, string[]> {
  for (const { rse } of replicas) {
    rseOf(world, rse)
    allow(account === 'root', account, `declare bad replicas in RSE ${rse}`)
  }
  const refused: Record<string, string[]> = {}
  for (const did of replicas) {
    const replica = world.replicas.get(didKey(did))?.get(did.rse)
    const refuse = (why: string) => (refused[did.rse] ??= []).push(why)
    if (replica === undefined) refuse(`(${did.scope}, '${did.name}') Unknown replica`)
    else if (replica.state === 'BAD') refuse(`${name(did)} Already declared`)
    else replica.state = 'BAD'
  }
  return refused
}

export interface ReplicaQuery {
  readonly dids: readonly Did[]
  /** null: anywhere. */
  readonly rseExpression: string | null
  /** null: all. */
  readonly schemes: readonly string[] | null
  readonly domain: string
  readonly allStates: boolean
}

/** list_replicas: of a collection only files that have a matching replica, of files that were asked for all of them. */
export function listReplicas(world: World, query: ReplicaQuery): readonly Record<string, unknown>[] {
  const rses = rsesOf(world, query.rseExpression)
  const asked = query.dids.map((did) => findDid(world, did)).filter((row) => row !== null)
  const below = asked.flatMap((row) => (row.type === 'FILE' ? [] : filesBelow(world, row)))
  const matching = (row: DidRow) => matchingReplicas(world, row, rses, query.allStates)
  const shown = [...below.filter((row) => matching(row).length > 0), ...asked.filter(({ type }) => type === 'FILE')]
  return shuffled(world, new Set(shown)).map((row) => describeReplicas(row, matching(row), query))
}

type Located = readonly [rse: Rse, replica: Replica]

function matchingReplicas(world: World, row: DidRow, rses: readonly Rse[], allStates: boolean): readonly Located[] {
  const replicas = world.replicas.get(didKey(row)) ?? new Map<string, Replica>()
  return rses.flatMap((rse): Located[] => {
    const replica = replicas.get(rse.name)
    return replica !== undefined && (allStates || replica.state === 'AVAILABLE') ? [[rse, replica]] : []
  })
}

function filesBelow(world: World, row: DidRow): readonly DidRow[] {
  if (row.type === 'FILE') return [row]
  return [...childrenOf(world, row).values()].flatMap((child) => filesBelow(world, findDid(world, child)!))
}

function describeReplicas(row: DidRow, replicas: readonly Located[], query: ReplicaQuery): Record<string, unknown> {
  const pfns: Record<string, unknown> = {}
  const byRse: Record<string, string[]> = {}
  const readable = query.schemes === null || query.schemes.includes('file')
  for (const [rse, replica] of replicas) {
    const pfn = pfnOf(rse, replica.path ?? lfnPath(row))
    if (pfn === null || !readable) continue
    pfns[pfn] = {
      rse_id: createHash('md5').update(rse.name).digest('hex'),
      rse: rse.name,
      type: rse.type ?? 'DISK',
      volatile: false,
      domain: query.domain === 'wan' ? 'wan' : 'lan',
      priority: Object.keys(pfns).length + 1,
      client_extract: false,
    }
    byRse[rse.name] = [pfn]
  }
  const { scope, name, bytes, md5, adler32 } = row
  const states = Object.fromEntries(replicas.map(([rse, { state }]) => [rse.name, state]))
  return { scope, name, bytes, md5, adler32, pfns, rses: byRse, states }
}

/** Of the language of RSE expressions: names, `*`, and `|`. */
function rsesOf(world: World, expression: string | null): readonly Rse[] {
  if (expression === null || expression === '*') return [...world.rses.values()]
  const names = expression.split('|')
  if (!names.every((part) => rseName.safeParse(part).success))
    throw new RucioException('InvalidRSEExpression', 'Expression does not comply to RSE Expression syntax')
  const found = names.map((part) => world.rses.get(part)).filter((rse) => rse !== undefined)
  if (found.length === 0) throw new RucioException('InvalidRSEExpression', 'RSE Expression resulted in an empty set.')
  return found
}
