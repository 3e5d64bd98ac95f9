import type { BundleState } from '../model/bundle.ts'
import { didKey, formatDid, type Did } from '../model/did.ts'
import { markerName } from '../model/marker.ts'
import type { TargetState } from '../model/target.ts'
import { attemptOf } from './place.ts'

/**
 * What Rucio, catalog and vault may disagree in; the worst first. Codes are stable: scripts match on them. docs/operations.md, "The audit",
 * has them.
 */
export const findingKinds = [
  'DONE_MISSING', 'DONE_OTHER_SIZE', 'DAMAGED', 'DONE_UNKNOWN', 'NEED_ARCHIVED', 'NOT_TOLD', 'OBJECT_MISSING', 'OBJECT_OTHER_SIZE',
  'OBJECT_UNKNOWN', 'SUPERSEDED', 'LEFTOVER',
] as const // prettier-ignore
export type FindingKind = (typeof findingKinds)[number]

export interface AuditFinding {
  readonly kind: FindingKind
  /** The dataset, as scope:name; null: nobody knows whose it is. */
  readonly did: string | null
  /** The object, below the root of the vault; null: it is about the dataset. */
  readonly path: string | null
  /** Of the object: as it is, or as it has to be where it is missing. */
  readonly bytes: number | null
  readonly what: string
  readonly hint: string
}

/** Findings by which `done` is not true. */
export const breaksDone = ({ kind }: Pick<AuditFinding, 'kind'>): boolean =>
  kind === 'DONE_MISSING' || kind === 'DONE_OTHER_SIZE' || kind === 'DAMAGED'

/** An object, as the catalog has it. */
export interface AuditedObject {
  readonly did: Did
  readonly generation: number
  readonly target: TargetState
  readonly state: BundleState
  readonly location: string | null
  readonly bytes: number
  readonly removedAt: Date | null
  readonly damage: string | null
}

export interface Audited {
  /** Datasets that are being archived, with objects or without. */
  readonly live: readonly Did[]
  /** Datasets with the tag, in the scopes that are polled. */
  readonly done: readonly Did[]
  readonly need: readonly Did[]
  /** Of the catalog, before and after everything else was looked at: what changed in between is at work, and says nothing. */
  readonly before: readonly AuditedObject[]
  readonly after: readonly AuditedObject[]
  /** Everything in the vault but directories. */
  readonly vault: readonly { readonly path: string; readonly bytes: number }[]
  /** Whether the tag of a dataset in this scope is known. */
  readonly polled: (scope: string) => boolean
}

/** Compares Rucio, catalog and vault in all directions. Pure. The worst come first. */
export function audit(audited: Audited): readonly AuditFinding[] {
  const { before, after, vault } = audited
  const sizes = new Map(vault.map(({ path, bytes }) => [path, bytes]))
  const objects = stable(before, after)
  const datasets = Map.groupBy(objects, ({ did }) => didKey(did))
  const moving = new Set([...[...before, ...after].filter(isLive).map(({ did }) => did), ...audited.live].map(didKey))
  const current = new Map(
    [...datasets].map(([key, own]): [string, readonly AuditedObject[]] => [key, newestArchived(own)]),
  )
  const findings = [
    ...tagFindings(audited, current, moving, sizes),
    ...objectFindings(objects, current, audited, moving, sizes),
    ...vaultFindings(audited, moving),
  ]
  return findings.sort((a, b) => findingKinds.indexOf(a.kind) - findingKinds.indexOf(b.kind))
}

const isLive = ({ target }: AuditedObject): boolean => target === 'requested' || target === 'frozen'

/** Objects of which the catalog says now what it said before. */
function stable(before: readonly AuditedObject[], after: readonly AuditedObject[]): readonly AuditedObject[] {
  const text = ({ did, generation, target, state, location, removedAt }: AuditedObject) =>
    JSON.stringify([formatDid(did), generation, target, state, location, removedAt])
  const then = new Set(before.map(text))
  return after.filter((object) => then.has(text(object)))
}

/** The objects of the generation that Rucio was last told of. */
function newestArchived(own: readonly AuditedObject[]): readonly AuditedObject[] {
  const archived = own.filter(({ target }) => target === 'acknowledged')
  const newest = Math.max(0, ...archived.map(({ generation }) => generation))
  return archived.filter(({ generation }) => generation === newest)
}

const isPublished = ({ state, removedAt }: AuditedObject): boolean => state === 'confirmed' && removedAt === null

function* tagFindings(
  { done, need, polled }: Audited,
  current: ReadonlyMap<string, readonly AuditedObject[]>,
  moving: ReadonlySet<string>,
  sizes: ReadonlyMap<string, number>,
): Generator<AuditFinding> {
  const [told, asked] = [keysOf(done), keysOf(need)]
  for (const did of done) {
    const own = current.get(didKey(did)) ?? []
    if (own.length > 0 || moving.has(didKey(did))) continue
    yield about(
      'DONE_UNKNOWN',
      did,
      'Rucio says done of it, and this catalog has never archived it',
      'See who set the tag: another catalog, or a person. To have it archived here: set need.',
    )
  }
  for (const [key, own] of current) {
    const [first] = own
    if (first === undefined || moving.has(key) || !polled(first.did.scope)) continue
    if (asked.has(key))
      yield about(
        'NEED_ARCHIVED',
        first.did,
        `it was archived as generation ${first.generation}, and is tagged need`,
        'The next poll looks at its objects, and at what changed.',
      )
    else if (!told.has(key) && own.some(({ location }) => sizes.has(location ?? '')))
      yield about(
        'NOT_TOLD',
        first.did,
        'it is archived, and its tag says neither done nor need',
        'Somebody removed the tag or the dataset. To have done back: set need. If it is not wanted any more: `tape-rse remove`.',
      )
  }
}

const about = (kind: FindingKind, did: Did, what: string, hint: string): AuditFinding => ({
  ...{ kind, did: formatDid(did), path: null, bytes: null, what, hint },
})

const keysOf = (dids: readonly Did[]): ReadonlySet<string> => new Set(dids.map(didKey))

function* objectFindings(
  objects: readonly AuditedObject[],
  current: ReadonlyMap<string, readonly AuditedObject[]>,
  { done }: Audited,
  moving: ReadonlySet<string>,
  sizes: ReadonlyMap<string, number>,
): Generator<AuditFinding> {
  const told = keysOf(done)
  for (const object of objects) {
    const { did, location, bytes, damage, generation } = object
    // Of a dataset that is at work it cannot be told which generation Rucio was told of last.
    if (location === null || moving.has(didKey(did))) continue
    const isCurrent = current.get(didKey(did))!.includes(object)
    const promised = isCurrent && told.has(didKey(did))
    const found = sizes.get(location)
    const finding = (kind: FindingKind, size: number, what: string, hint: string): AuditFinding => ({
      ...{ kind, did: formatDid(did), path: location, bytes: size, what, hint },
    })
    const mend = `Keep all other copies of its files; then \`tape-rse verify ${formatDid(did)}\` and \`tape-rse repair ${formatDid(did)}\`.`
    if (promised && found === undefined)
      yield finding('DONE_MISSING', bytes, 'Rucio says done, and the object is not in the vault', mend)
    else if (promised && found !== bytes)
      yield finding(
        'DONE_OTHER_SIZE',
        found!,
        `Rucio says done, and the object had ${bytes} bytes when it was proven`,
        mend,
      )
    else if (promised && damage !== null) yield finding('DAMAGED', bytes, `Rucio says done, and ${damage}`, mend)
    else if (isPublished(object) && found === undefined)
      yield finding(
        'OBJECT_MISSING',
        bytes,
        'it was archived once, and is not in the vault',
        'If somebody removed it by hand, nothing is to be done.',
      )
    else if (isPublished(object) && found !== bytes)
      yield finding('OBJECT_OTHER_SIZE', found!, `it had ${bytes} bytes when it was proven`, 'See who changed it.')
    else if (!isCurrent && found !== undefined)
      yield finding(
        'SUPERSEDED',
        found,
        `it is of generation ${generation}, which is ${object.target === 'acknowledged' ? 'not the newest' : object.target}`,
        `If it is not wanted any more: \`tape-rse remove ${formatDid(did)} --generation ${generation}\`.`,
      )
  }
}

function* vaultFindings({ before, after, vault }: Audited, moving: ReadonlySet<string>): Generator<AuditFinding> {
  const owners = new Map([...before, ...after].map((object) => [object.location, object.did]))
  for (const { path, bytes } of vault) {
    if (path === markerName || owners.has(path)) continue
    const { location } = attemptOf(path) ?? { location: null }
    const owner = location === null ? undefined : owners.get(location)
    if (owner !== undefined && moving.has(didKey(owner))) continue
    const did = owner === undefined ? null : formatDid(owner)
    if (location === null)
      yield {
        ...{ kind: 'OBJECT_UNKNOWN', did, path, bytes, what: 'the catalog does not know it' },
        hint: 'See whose it is. An object of tape-rse says so itself: `unzip -p OBJECT .tape-rse/manifest.json`.',
      }
    else
      yield {
        ...{ kind: 'LEFTOVER', did, path, bytes, what: 'it is not proven, or known to be damaged' },
        hint: 'If its dataset is done, or its files have other copies, it can be removed by hand.',
      }
  }
}
