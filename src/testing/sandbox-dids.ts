import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import { changeMetadata, checkKeys } from './sandbox-metadata.ts'
import type { Content, DidRow, DidType, World } from './sandbox-world.ts'
import { childrenOf, didOf, findDid, name, RucioException, shuffled } from './sandbox-world.ts'

const unsupported = (message: string) => new RucioException('UnsupportedOperation', message)
const notFound = (message: string) => new RucioException('DataIdentifierNotFound', message)

export interface NewDid extends Did {
  readonly type: string
  readonly monotonic?: boolean
  readonly meta?: Readonly<Record<string, unknown>>
}

export function addDids(world: World, account: string, dids: readonly NewDid[]): void {
  for (const did of dids) {
    if (did.type !== 'DATASET' && did.type !== 'CONTAINER')
      throw unsupported('Only collection (dataset/container) can be registered.')
    if (findDid(world, did) !== null)
      throw new RucioException('DataIdentifierAlreadyExists', 'Data Identifier already exists!')
    if (!world.scopes.has(did.scope)) throw new RucioException('ScopeNotFound', 'Scope not found!')
    checkKeys(did.meta ?? {})
  }
  for (const did of dids) {
    insertDid(world, did, did.type as DidType, account, { monotonic: did.monotonic ?? false })
    if (did.meta !== undefined) changeMetadata(world, [{ did, values: did.meta }])
  }
}

export function insertDid(
  world: World,
  { scope, name }: Did,
  type: DidType,
  account: string,
  more: Partial<Pick<DidRow, 'monotonic' | 'bytes' | 'adler32' | 'md5'>>,
): void {
  const now = world.now()
  world.dids.set(didKey({ scope, name }), {
    scope,
    name,
    type,
    account,
    open: type === 'FILE' ? null : true,
    closedAt: null,
    length: null,
    events: null,
    suppressed: false,
    createdAt: now,
    updatedAt: now,
    more: new Map(),
    monotonic: more.monotonic ?? false,
    bytes: more.bytes ?? null,
    adler32: more.adler32 ?? null,
    md5: more.md5 ?? null,
  })
}

export interface Attachment extends Did {
  readonly dids: readonly (Did & { readonly bytes?: number; readonly adler32?: string; readonly md5?: string })[]
}

/** attach_dids_to_dids: all of it, or nothing. */
export function attach(world: World, attachments: readonly Attachment[], ignoreDuplicates: boolean): void {
  const changes: (() => void)[] = []
  for (const attachment of attachments) {
    const parent = didOf(world, attachment)
    if (parent.type === 'FILE') throw unsupported(`Data identifier '${name(parent)}' is a file`)
    if (parent.open !== true) throw unsupported(`Data identifier '${name(parent)}' is closed`)
    const contents = world.contents.get(didKey(parent)) ?? new Map<string, Content>()
    for (const child of attachment.dids) {
      const row = childFor(world, parent, child)
      if (contents.has(didKey(row))) {
        if (ignoreDuplicates) continue
        const exception = parent.type === 'DATASET' ? 'FileAlreadyExists' : 'DuplicateContent'
        throw new RucioException(
          exception,
          `duplicate key value violates unique constraint "CONTENTS_PK": ${name(row)}`,
        )
      }
      changes.push(() => contents.set(didKey(row), contentOf(row)))
    }
    changes.push(() => world.contents.set(didKey(parent), contents))
  }
  for (const change of changes) change()
}

function childFor(world: World, parent: DidRow, child: Attachment['dids'][number]): DidRow {
  const row = didOf(world, child)
  if (parent.type === 'CONTAINER') {
    if (row.type !== 'FILE') return row
    throw unsupported(`Adding a file (${name(row)}) to a container (${name(parent)}) is forbidden`)
  }
  if (row.type !== 'FILE')
    throw unsupported(`Data identifier ${name(row)} of type DIDType.${row.type} cannot be added to a dataset `)
  for (const key of ['bytes', 'adler32', 'md5'] as const) {
    const given = child[key]
    if (given === undefined || given === row[key]) continue
    throw new RucioException('FileConsistencyMismatch', `${key} mismatch for '${name(row)}': ${given}!=${row[key]}`)
  }
  return row
}

function contentOf({ scope, name, type, bytes, adler32, md5 }: DidRow): Content {
  if (type === 'FILE') return { scope, name, type, bytes, adler32, md5 }
  return { scope, name, type, bytes: null, adler32: null, md5: null }
}

/** detach_dids: from a closed dataset as well, whose size then shrinks while it says nothing of the change. */
export function detach(world: World, parent: Did, children: readonly Did[]): void {
  const row = findDid(world, parent)
  if (row === null || row.type === 'FILE') throw notFound(`Data identifier '${name(parent)}' not found`)
  const contents = world.contents.get(didKey(row))
  if (contents === undefined || contents.size === 0)
    throw notFound(`Data identifier '${name(parent)}' has no child data identifiers.`)
  for (const child of children)
    if (!contents.has(didKey(child)))
      throw notFound(`Data identifier '${name(child)}' not found under '${name(parent)}'`)
  for (const child of children) {
    const { bytes } = contents.get(didKey(child))!
    contents.delete(didKey(child))
    // Where nothing was counted, as in a new one that is still open, nothing is subtracted. (So says `if did.length`.)
    if (row.length !== null && row.length > 0) row.length--
    if (row.bytes !== null && row.bytes > 0) row.bytes -= bytes ?? 0
    row.updatedAt = world.now()
  }
}

/** set_status: counts when it closes; what was counted stays while it is open again. */
export function setOpen(world: World, did: Did, open: boolean): void {
  const row = didOf(world, did)
  if (row.type === 'FILE' || row.open === open)
    throw unsupported(`The status of the data identifier '${name(did)}' cannot be changed`)
  row.open = open
  row.updatedAt = world.now()
  if (open) return
  row.closedAt = world.now()
  Object.assign(row, countFiles(world, did), { events: 0 })
}

function countFiles(world: World, did: Did): { readonly length: number; readonly bytes: number } {
  const files = listFiles(world, did)
  return { length: files.length, bytes: files.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) }
}

/** Every file below a DID, of itself if it is one. A file of two datasets of a container is there twice. */
function listFiles(world: World, did: Did): readonly Content[] {
  const row = didOf(world, did)
  if (row.type === 'FILE') return [contentOf(row)]
  const children = [...childrenOf(world, row).values()]
  return row.type === 'DATASET' ? children : children.flatMap((child) => listFiles(world, child))
}

/** The answer of …/files, and with `parent` that of bulkfiles. */
export const describeFiles = (world: World, did: Did): readonly Record<string, unknown>[] =>
  shuffled(world, listFiles(world, did)).map(({ scope, name, bytes, adler32 }) => ({
    scope,
    name,
    bytes,
    adler32,
    guid: null,
    events: null,
  }))

/** The answer of …/dids. */
export function describeContent(world: World, did: Did): readonly Content[] {
  didOf(world, did)
  return shuffled(world, childrenOf(world, did).values())
}

/** The answer of …/status. `dynamic`: count what is in it now. */
export function describeStatus(world: World, did: Did, dynamic: boolean): Record<string, unknown> {
  const { scope, name, type, account, open, monotonic, length, bytes, md5, adler32 } = didOf(world, did)
  if (type === 'FILE') return { scope, name, type, account, bytes, length: 1, md5, adler32 }
  const counted = dynamic ? countFiles(world, did) : { length, bytes }
  return { scope, name, type, account, open, monotonic, expired_at: null, ...counted }
}
