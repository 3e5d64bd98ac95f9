import type { Did } from '../model/did.ts'
import { didKey } from '../model/did.ts'
import { describeColumns, isColumn, RESERVED_KEYS } from './sandbox-columns.ts'
import type { World } from './sandbox-world.ts'
import { allow, didOf, findDid, mayWrite, name, RucioException, shuffled } from './sandbox-world.ts'

type Values = Readonly<Record<string, unknown>>

export interface MetadataChange {
  readonly did: Did
  readonly values: Values
}

/** get_metadata of the plugins. JSON knows nothing of DIDs, so one that does not exist just has no metadata. */
export function metadata(world: World, did: Did, plugin: string): Values {
  const json = () => world.metadata.get(didKey(did))?.values ?? {}
  switch (plugin.toLowerCase()) {
    case 'did_column':
      return describeColumns(didOf(world, did))
    case 'json':
      return json()
    case 'all':
      return { ...describeColumns(didOf(world, did)), ...json() }
    default:
      throw new RucioException('UnsupportedMetadataPlugin', `Metadata plugin "${plugin}" is not enabled on the server.`)
  }
}

/** get_metadata_bulk: what does not exist is left out, but for `inherit`, where its own key is all there is of it. */
export function bulkMetadata(world: World, dids: readonly Did[], plugin: string, inherit: boolean): readonly Values[] {
  if (inherit) return dids.map((did) => inherited(world, did, plugin))
  const heeded = world.version === '38.5.5' ? 'DID_COLUMN' : plugin
  const unique = new Map(dids.map((did) => [didKey(did), did]))
  const known = [...unique.values()].filter((did) => findDid(world, did) !== null)
  return shuffled(world, known).map(({ scope, name }) => ({ ...metadata(world, { scope, name }, heeded), scope, name }))
}

/** What a DID lacks is taken from its parents, theirs before their parents'. */
function inherited(world: World, { scope, name }: Did, plugin: string): Values {
  const own = known(world, { scope, name }, plugin)
  const above = parentsOf(world, { scope, name }).map((parent) => inherited(world, parent, plugin))
  return { ...Object.assign({}, ...above.reverse()), ...own, scope, name } as Values
}

const known = (world: World, did: Did, plugin: string): Values =>
  findDid(world, did) === null && plugin.toLowerCase() !== 'json' ? {} : metadata(world, did, plugin)

const parentsOf = (world: World, did: Did): readonly Did[] =>
  [...world.contents]
    .filter(([, children]) => children.has(didKey(did)))
    .map(([parent]) => world.dids.get(parent))
    .filter((parent) => parent !== undefined)

/** May this account set these? Asked for all of a request before anything is written (gateway/did.py). */
export function permitMetadata(world: World, account: string, changes: readonly MetadataChange[]): void {
  for (const { did, values } of changes) {
    allow(mayWrite(world, account, did.scope), account, `add metadata to data identifier ${name(did)}`)
    const reserved = Object.keys(values).find((key) => RESERVED_KEYS.has(key))
    const what = `change the value of the metadata key ${reserved} to data identifier ${name(did)}`
    allow(reserved === undefined, account, what)
  }
}

/** set_dids_metadata_bulk: one transaction. */
export function changeMetadata(world: World, changes: readonly MetadataChange[]): void {
  for (const { did, values } of changes) {
    checkKeys(values)
    didOf(world, did)
  }
  for (const { did, values } of changes) write(world, did, values)
}

/** @throws RucioException InvalidMetadata */
export function checkKeys(values: Values): void {
  if (!Object.keys(values).some((key) => key.includes('.'))) return
  const why = 'Used as a delimiter for key and operator (<key>.<operator>) in filtering engine.'
  throw new RucioException('InvalidMetadata', `Restricted character "." found in metadata key. Reason: ${why}`)
}

function write(world: World, did: Did, values: Values): void {
  const row = didOf(world, did)
  const now = world.now()
  const custom: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(values)) {
    if (!isColumn(key)) custom[key] = value
    else {
      row.more.set(key, value)
      row.updatedAt = now
    }
  }
  if (Object.keys(custom).length === 0) return
  const old = world.metadata.get(didKey(did))
  const merged = { ...old?.values, ...custom }
  world.metadata.set(didKey(did), { values: merged, createdAt: old?.createdAt ?? now, updatedAt: now })
}

/** delete_metadata: anybody may. */
export function deleteMetadata(world: World, did: Did, key: string): void {
  if (isColumn(key)) throw new RucioException('NotImplementedError', 'Feature not in current database')
  const row = world.metadata.get(didKey(did))
  if (row === undefined)
    throw new RucioException('DataIdentifierNotFound', `Key not found for data identifier '${name(did)}'`)
  if (!(key in row.values)) throw new RucioException('KeyNotFound', key)
  row.values = Object.fromEntries(Object.entries(row.values).filter(([other]) => other !== key))
  row.updatedAt = world.now()
}
