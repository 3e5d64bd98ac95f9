import type { Did } from '../model/did.ts'
import { administering } from './sandbox-admin-routes.ts'
import type { Reply } from './sandbox-answers.ts'
import { created, empty, json, lines, redirected } from './sandbox-answers.ts'
import type { Attachment, NewDid } from './sandbox-dids.ts'
import { addDids, attach, describeContent, describeFiles, describeStatus, detach, setOpen } from './sandbox-dids.ts'
import type { MetadataChange } from './sandbox-metadata.ts'
import { bulkMetadata, changeMetadata, deleteMetadata, metadata, permitMetadata } from './sandbox-metadata.ts'
import { addReplicas, declareBad, listReplicas } from './sandbox-replicas.ts'
import type { Call } from './sandbox-request.ts'
import type { Route } from './sandbox-route.ts'
import { conflicts, route } from './sandbox-route.ts'
import { attachment, listedDids, newDid, readDids, validate } from './sandbox-schema.ts'
import { search } from './sandbox-search.ts'
import type { World } from './sandbox-world.ts'
import { allow, findDid, isAdmin, mayWrite, name } from './sandbox-world.ts'

const STREAM = 'application/x-json-stream'
const JSON_TYPE = 'application/json'
const found = { DataIdentifierNotFound: 404 }
const collection = { ...found, ...conflicts('UnsupportedOperation'), AccessDenied: 401 }
const metadataErrors = { ...found, KeyNotFound: 400, InvalidMetadata: 400, InvalidValueForKey: 400 }

const reading: readonly Route[] = [
  route('GET', /^\/accounts\/whoami$/, null, {}, ({ account }) => redirected(account)),

  route('GET', /^\/scopes\/?$/, null, {}, (_, world) => json([...world.scopes.keys()].sort())),

  route(
    'GET',
    /^\/dids\/([^/]+)\/dids\/search$/,
    STREAM,
    { DIDFilterSyntaxError: 400, ...conflicts('UnsupportedOperation') },
    ({ parts: [scope], query, flag }, world) => {
      const limit = Number(query.get('limit') ?? Number.NaN)
      return lines(
        search(world, {
          scope: scope!,
          filters: query.get('filters') ?? '[{}]',
          type: query.get('type') ?? 'collection',
          limit: Number.isInteger(limit) && limit > 0 ? limit : null,
          recursive: flag('recursive'),
          long: world.version === '38.5.5' ? ['True', '1'].includes(query.get('long') ?? '') : flag('long'),
        }),
      )
    },
  ),

  route('GET', /^\/dids\/(.+)\/meta$/, JSON_TYPE, { ...found, UnsupportedMetadataPlugin: 400 }, (call, world) =>
    json(metadata(world, call.did(), call.query.get('plugin') ?? 'DID_COLUMN')),
  ),

  route('POST', /^\/dids\/bulkmeta$/, STREAM, found, (call, world) => {
    const dids = call.field('dids')
    const inherit = world.version === '38.5.5' ? Boolean(call.fieldOr('inherit', false)) : call.bodyFlag('inherit')
    const plugin = String(call.fieldOr('plugin', 'DID_COLUMN'))
    if (Array.isArray(dids) && dids.length === 0) return lines([])
    return lines(bulkMetadata(world, validate(listedDids, 'dids', dids), plugin, inherit))
  }),

  route('POST', /^\/dids\/bulkfiles$/, STREAM, {}, (call, world) => {
    const dids = (call.fieldOr('dids', []) as readonly Did[]).filter((did) => findDid(world, did) !== null)
    return lines(
      dids.flatMap((did) =>
        describeFiles(world, did).map((file) => ({ ...file, parent_scope: did.scope, parent_name: did.name })),
      ),
    )
  }),

  route('GET', /^\/dids\/(.+)\/files$/, STREAM, found, (call, world) => lines(describeFiles(world, call.did()))),
  route('GET', /^\/dids\/(.+)\/dids$/, STREAM, found, (call, world) => lines(describeContent(world, call.did()))),

  route('GET', /^\/dids\/(.+?)(?:\/status)?$/, JSON_TYPE, found, (call, world) =>
    json(describeStatus(world, call.did(), call.query.has('dynamic_depth'))),
  ),

  route('POST', /^\/replicas\/list$/, STREAM, { InvalidObject: 400 }, (call, world) =>
    lines(
      listReplicas(world, {
        dids: validate(readDids, 'r_dids', call.fieldOr('dids', [])),
        rseExpression: call.fieldOr('rse_expression', null) as string | null,
        schemes: call.fieldOr('schemes', null) as readonly string[] | null,
        domain: String(call.fieldOr('domain', 'wan')),
        allStates: call.bodyFlag('all_states'),
      }),
    ),
  ),
]

const writing: readonly Route[] = [
  route('POST', /^\/dids\/bulkdidsmeta$/, null, collection, (call, world) => {
    const changes = (call.field('dids') as readonly (Did & { meta?: Record<string, unknown> })[]).map(
      ({ scope, name, meta }): MetadataChange => {
        if (meta === undefined) throw new Error("'meta'")
        return { did: { scope, name }, values: meta }
      },
    )
    return setMetadata(call, world, changes)
  }),

  // A stranger is refused with 500 here: AccessDenied is none of the errors that this route foresees.
  route('POST', /^\/dids\/(.+)\/meta\/([^/]+)$/, null, metadataErrors, (call, world) =>
    setMetadata(call, world, [{ did: call.did(), values: { [call.parts[1]!]: call.field('value') } }]),
  ),
  route('POST', /^\/dids\/(.+)\/meta$/, null, metadataErrors, (call, world) =>
    setMetadata(call, world, [{ did: call.did(), values: call.field('meta') as Record<string, unknown> }]),
  ),
  route(
    'DELETE',
    /^\/dids\/(.+)\/meta$/,
    null,
    { ...found, KeyNotFound: 404, ...conflicts('NotImplementedError') },
    (call, world) => {
      deleteMetadata(
        world,
        call.did(),
        call.query.get('key') ?? call.refuse('KeyNotFound', 'No key provided to remove'),
      )
      return empty
    },
  ),

  route('PUT', /^\/dids\/(.+)\/status$/, null, { ...collection, UnsupportedStatus: 409 }, (call, world) => {
    const did = call.did()
    allow(mayWrite(world, call.account, did.scope), call.account, `set status on data identifier ${name(did)}`)
    const other = Object.keys(call.body()).find((key) => key !== 'open')
    if (other !== undefined)
      call.refuse('UnsupportedStatus', `The status ${other} is not a valid data identifier status.`)
    setOpen(world, did, call.field('open') === true)
    return empty
  }),

  route(
    'POST',
    /^\/dids\/attachments$/,
    null,
    { ...collection, ...conflicts('FileAlreadyExists', 'DuplicateContent'), FileConsistencyMismatch: 412 },
    (call, world) => {
      const attachments = Array.isArray(call.json()) ? (call.json() as readonly unknown[]) : call.field('attachments')
      const ignore = Array.isArray(call.json()) ? false : call.bodyFlag('ignore_duplicate')
      return attachAll(call, world, attachments as readonly unknown[], ignore)
    },
  ),
  route(
    'POST',
    /^\/dids\/(.+)\/dids$/,
    null,
    { ...collection, ...conflicts('FileAlreadyExists', 'DuplicateContent') },
    (call, world) => attachAll(call, world, [{ ...call.did(), dids: call.field('dids') }], false),
  ),
  route('DELETE', /^\/dids\/(.+)\/dids$/, null, collection, (call, world) => {
    const did = call.did()
    const children = call.field('dids') as readonly Did[]
    allow(mayWrite(world, call.account, did.scope), call.account, `detach data identifiers from ${name(did)}`)
    detach(world, did, children)
    return empty
  }),

  route('POST', /^\/dids$/, JSON_TYPE, { ...collection, ...conflicts('DataIdentifierAlreadyExists') }, (call, world) =>
    addAll(call, world, call.json() as readonly NewDid[]),
  ),
  route(
    'POST',
    /^\/dids\/(.+)$/,
    null,
    { ...collection, ...conflicts('DataIdentifierAlreadyExists'), InvalidObject: 400, ScopeNotFound: 404 },
    (call, world) => {
      const statuses = call.fieldOr('statuses', {}) as { monotonic?: boolean }
      const did = validate(newDid, 'did', { ...call.did(), type: call.field('type') })
      const meta = call.fieldOr('meta', {}) as Record<string, unknown>
      return addAll(call, world, [{ ...did, meta, monotonic: statuses.monotonic === true }])
    },
  ),

  route(
    'POST',
    /^\/replicas$/,
    null,
    { InvalidPath: 400, AccessDenied: 401, RSENotFound: 404, ScopeNotFound: 404 },
    (call, world) => {
      addReplicas(world, call.account, String(call.field('rse')), call.field('files'))
      return created
    },
  ),
  route('POST', /^\/replicas\/bad$/, JSON_TYPE, { AccessDenied: 401, RSENotFound: 404 }, (call, world) => {
    const replicas = call.fieldOr('replicas', []) as readonly (Did & { rse: string })[]
    return json(declareBad(world, call.account, replicas), 201)
  }),
]

export const routes: readonly Route[] = [...administering, ...reading, ...writing]

function setMetadata(call: Call, world: World, changes: readonly MetadataChange[]): Reply {
  permitMetadata(world, call.account, changes)
  changeMetadata(world, changes)
  return created
}

function attachAll(call: Call, world: World, attachments: readonly unknown[], ignoreDuplicates: boolean): Reply {
  const valid = attachments.map((one) => validate(attachment, 'attachment', one) as Attachment)
  for (const parent of valid)
    allow(mayWrite(world, call.account, parent.scope), call.account, `add data identifiers to ${name(parent)}`)
  attach(world, valid, ignoreDuplicates)
  return created
}

function addAll(call: Call, world: World, dids: readonly NewDid[]): Reply {
  for (const { scope } of dids) {
    const unknown = !world.scopes.has(scope) && isAdmin(world, call.account) // then the scope is the error
    allow(unknown || mayWrite(world, call.account, scope), call.account, `add data identifier to scope ${scope}`)
  }
  addDids(world, call.account, dids)
  return created
}
