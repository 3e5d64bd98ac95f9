import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { didKey, type Did } from '../model/did.ts'
import { Refusal, rucioDate, send, sendJson, sendLines, type Spoil } from './sandbox-answers.ts'
import { search } from './sandbox-search.ts'
import type { NewFile, ReplicaState, SandboxDid, SandboxState } from './sandbox-state.ts'

/** A request, as the routes see it. */
export interface SandboxRequest {
  readonly method: string
  /** Path, still encoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Context {
  readonly state: SandboxState
  readonly account: string
  readonly request: SandboxRequest
  readonly response: ServerResponse
  readonly spoil: Spoil
  /** Rucio promises no order: neither do we. */
  readonly shuffle: <T>(items: readonly T[]) => readonly T[]
  /** What the path's groups matched, decoded. */
  readonly args: readonly string[]
}

type Handler = (context: Context) => void

const did = '/dids/([^/]+)/(.+)'
const routes: readonly (readonly [method: string, pattern: string, handler: Handler])[] = [
  ['GET', '/scopes/', ({ state, response }) => sendJson(response, [...state.scopes.keys()])],
  ['POST', '/accounts/([^/]+)/scopes/([^/]+)', addScope],
  ['GET', '/dids/([^/]+)/dids/search', searchDids],
  ['POST', '/dids/bulkmeta', bulkMeta],
  ['POST', '/dids/bulkfiles', bulkFiles],
  ['POST', '/dids/bulkdidsmeta', bulkDidsMeta],
  ['POST', '/dids/attachments', attachments],
  ['POST', '/replicas/list', listReplicas],
  ['POST', '/replicas/bad', declareBad],
  ['POST', '/replicas', addReplicas],
  ['GET', `${did}/meta`, getMeta],
  ['POST', `${did}/meta`, ({ args, ...context }) => setMeta(context, args, null)],
  ['POST', `${did}/meta/([^/]+)`, ({ args, ...context }) => setMeta(context, args, args[2]!)],
  ['DELETE', `${did}/meta`, deleteMeta],
  ['GET', `${did}/status`, getStatus],
  ['PUT', `${did}/status`, putStatus],
  ['GET', `${did}/files`, listFiles],
  ['GET', `${did}/dids`, listDids],
  ['POST', `${did}/dids`, attach],
  ['DELETE', `${did}/dids`, detach],
  ['POST', did, addDid],
]

/** Answers a request that bears a token. */
export function route(context: Omit<Context, 'args'>): void {
  const { method, path } = context.request
  for (const [wanted, pattern, handler] of routes) {
    const match = wanted === method ? new RegExp(`^${pattern}$`, 'u').exec(path) : null
    if (match === null) continue
    handler({ ...context, args: match.slice(1).map(decodeURIComponent) })
    return
  }
  throw new Refusal(404, null, '<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n')
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows what it was sent
function parsed<T>({ request }: Pick<Context, 'request'>): T {
  try {
    return JSON.parse(request.body) as T
  } catch {
    throw new Refusal(400, 'ValueError', 'cannot decode json parameter dictionary')
  }
}

const didOf = ([scope, name]: readonly string[]): Did => ({ scope: scope!, name: name! })
const created = (response: ServerResponse) => send(response, 201, 'text/html; charset=utf-8', 'Created')

/** Rucio's schema takes so many DIDs in one body. */
function refuseMany(dids: readonly Did[]): void {
  if (dids.length > 1000)
    throw new Refusal(400, 'InvalidObject', `Problem validating dids : ${JSON.stringify(dids)} is too long`)
}

function refuseStranger({ state, account }: Context, scope: string, what: string): void {
  if (!state.mayChange(account, scope)) throw new Refusal(401, 'AccessDenied', `Account ${account} can not ${what}`)
}

function addScope({ state, account, args, response }: Context): void {
  if (account !== 'root') throw new Refusal(401, 'AccessDenied', `Account ${account} can not add scope`)
  if (state.scopes.has(args[1]!)) throw new Refusal(409, 'Duplicate', `Scope '${args[1]!}' already exists!`)
  state.scopes.set(args[1]!, args[0]!)
  created(response)
}

function searchDids({ state, request, response, args, shuffle, spoil }: Context): void {
  const names = shuffle(search(state, args[0]!, request.query.get('filters') ?? '[]'))
  const long = /^true$/iu.test(request.query.get('long') ?? '')
  const line = (name: string) => (long ? { scope: args[0], name, did_type: null, bytes: null, length: null } : name)
  sendLines(response, names.map(line), spoil)
}

const columnsOf = (each: SandboxDid) => ({
  scope: each.scope,
  name: each.name,
  did_type: each.type,
  is_open: each.type === 'FILE' ? null : each.open,
  closed_at: each.closedAt === null ? null : rucioDate(each.closedAt),
  created_at: rucioDate(each.createdAt),
  updated_at: rucioDate(each.createdAt),
  account: each.account,
  length: each.length,
  bytes: each.bytes,
  adler32: each.adler32,
  md5: each.md5,
  suppressed: each.suppressed,
  monotonic: false,
  hidden: false,
  obsolete: false,
})

function metadataOf(each: SandboxDid, plugin: string): Record<string, unknown> {
  switch (plugin.toUpperCase()) {
    case 'DID_COLUMN':
      return columnsOf(each)
    case 'JSON':
      return { ...each.meta }
    case 'ALL':
      return { ...columnsOf(each), ...each.meta }
    default:
      throw new Refusal(400, 'UnsupportedMetadataPlugin', `Metadata plugin ${plugin} is not enabled on the server.`)
  }
}

function bulkMeta(context: Context): void {
  const { state, response, shuffle, spoil } = context
  const { dids, plugin = 'DID_COLUMN' } = parsed<{ dids: readonly Did[]; plugin?: string }>(context)
  refuseMany(dids)
  if (!/^(?:DID_COLUMN|JSON|ALL)$/iu.test(plugin))
    throw new Refusal(500, 'UnsupportedMetadataPlugin', `Metadata plugin ${plugin} is not enabled on the server.`)
  const known = dids.map((each) => state.dids.get(didKey(each))).filter((each) => each !== undefined)
  sendLines(
    response,
    shuffle(known).map((each) => ({ scope: each.scope, name: each.name, ...metadataOf(each, plugin) })),
    spoil,
  )
}

function getMeta({ state, request, response, args }: Context): void {
  const plugin = request.query.get('plugin') ?? 'DID_COLUMN'
  const known = state.dids.get(didKey(didOf(args)))
  if (known === undefined && plugin.toUpperCase() === 'JSON') sendJson(response, {})
  else sendJson(response, metadataOf(state.did(didOf(args)), plugin))
}

function setMeta(context: Omit<Context, 'args'>, args: readonly string[], key: string | null): void {
  const { state, account, response } = context
  const body = parsed<{ value?: unknown; meta?: Record<string, unknown> }>(context)
  const missing = key === null ? body.meta === undefined : body.value === undefined
  if (missing) throw new Refusal(400, 'KeyError', `'${key === null ? 'meta' : 'value'}' not defined`)
  const values = key === null ? body.meta! : { [key]: body.value }
  state.setMeta([{ did: didOf(args), values }], account, 500)
  created(response)
}

function bulkDidsMeta(context: Context): void {
  const { state, account, response } = context
  const { dids } = parsed<{ dids: readonly (Did & { meta: Record<string, unknown> })[] }>(context)
  state.setMeta(
    dids.map(({ scope, name, meta }) => ({ did: { scope, name }, values: meta })),
    account,
    401,
  )
  created(response)
}

/** Rucio asks nobody whether he may: any account removes any key. */
function deleteMeta({ state, request, response, args }: Context): void {
  const key = request.query.get('key') ?? ''
  const known = state.did(didOf(args))
  if (known.meta === null || !(key in known.meta))
    throw new Refusal(404, 'KeyNotFound', `Key '${key}' not found for data identifier`)
  known.meta = Object.fromEntries(Object.entries(known.meta).filter(([each]) => each !== key))
  send(response, 200, 'text/html; charset=utf-8', '')
}

function getStatus({ state, response, args }: Context): void {
  const { scope, name, type, account, open, length, bytes, md5, adler32 } = state.did(didOf(args))
  const common = { scope, name, type, account }
  sendJson(
    response,
    type === 'FILE'
      ? { ...common, length: 1, bytes, md5, adler32 }
      : { ...common, open, monotonic: false, expired_at: null, length, bytes },
  )
}

function putStatus(context: Context): void {
  const { state, response, args } = context
  const target = didOf(args)
  refuseStranger(context, target.scope, 'set data identifier status')
  const { open } = parsed<{ open?: boolean }>(context)
  if (open === undefined)
    throw new Refusal(409, 'UnsupportedStatus', 'The status is not a valid data identifier status.')
  state.setOpen(target, open)
  send(response, 200, 'text/html; charset=utf-8', '')
}

const fileLine = ({ scope, name, bytes, adler32 }: SandboxDid) => ({
  scope,
  name,
  bytes,
  adler32,
  guid: null,
  events: null,
})

function listFiles({ state, response, args, shuffle, spoil }: Context): void {
  sendLines(response, shuffle(state.filesOf(state.did(didOf(args)))).map(fileLine), spoil)
}

function listDids({ state, response, args, shuffle, spoil }: Context): void {
  state.did(didOf(args))
  const lines = shuffle(state.childrenOf(didOf(args))).map(({ scope, name, type, bytes, adler32, md5 }) => ({
    scope,
    name,
    type,
    bytes,
    adler32,
    md5,
  }))
  sendLines(response, lines, spoil)
}

function bulkFiles(context: Context): void {
  const { state, response, shuffle, spoil } = context
  const { dids } = parsed<{ dids: readonly Did[] }>(context)
  const lines = dids.flatMap((each) => {
    const known = state.dids.get(didKey(each))
    if (known === undefined) return []
    return state.filesOf(known).map((file) => ({ ...fileLine(file), parent_scope: each.scope, parent_name: each.name }))
  })
  sendLines(response, shuffle(lines), spoil)
}

function listReplicas(context: Context): void {
  const { state, response, shuffle, spoil } = context
  interface Body {
    readonly dids: readonly Did[]
    readonly rse_expression?: string
    readonly schemes?: readonly string[]
    readonly all_states?: boolean
  }
  const { dids, rse_expression: rse, schemes, all_states: all = false } = parsed<Body>(context)
  refuseMany(dids)
  if (rse !== undefined && !state.rses.has(rse))
    throw new Refusal(500, 'InvalidRSEExpression', 'RSE Expression resulted in an empty set.')
  const files = new Map<string, SandboxDid>()
  for (const each of dids) {
    const known = state.dids.get(didKey(each))
    if (known !== undefined) for (const file of state.filesOf(known)) files.set(didKey(file), file)
  }
  const lines = [...files.values()].flatMap((file) => {
    const at = [...(state.replicas.get(didKey(file)) ?? [])].filter(
      ([name, replica]) => (rse === undefined || name === rse) && (all || replica === 'AVAILABLE'),
    )
    if (at.length === 0) return []
    const rses: Record<string, string[]> = {}
    const pfns: Record<string, object> = {}
    for (const [name] of at) {
      const path = state.pathOf(name, file)
      if (path === null || !(schemes ?? ['file']).includes('file')) continue
      rses[name] = [`file://localhost${path}`]
      pfns[`file://localhost${path}`] = {
        rse: name,
        type: 'DISK',
        volatile: false,
        domain: 'lan',
        priority: 1,
        client_extract: false,
      }
    }
    const { scope, name, bytes, md5, adler32 } = file
    return [{ scope, name, bytes, md5, adler32, pfns, rses, states: Object.fromEntries(at) }]
  })
  sendLines(response, shuffle(lines), spoil)
}

function declareBad(context: Context): void {
  const { replicas } = parsed<{ replicas: readonly (Did & { rse: string })[] }>(context)
  for (const { scope, name, rse } of replicas)
    context.state.replicas.get(didKey({ scope, name }))?.set(rse, 'BAD' satisfies ReplicaState)
  send(context.response, 201, 'application/json', '{}')
}

function addReplicas(context: Context): void {
  const { state, account, response } = context
  const { rse, files } = parsed<{
    rse: string
    files: readonly (Omit<NewFile, 'adler32' | 'md5'> & { adler32?: string; md5?: string })[]
  }>(context)
  if (account !== 'root' && state.accounts.get(account)?.admin !== true)
    throw new Refusal(401, 'AccessDenied', `Account ${account} can not add file replicas on ${rse}`)
  state.addReplicas(
    rse,
    files.map((file) => ({ ...file, adler32: file.adler32 ?? null, md5: file.md5 ?? null })),
    account,
  )
  created(response)
}

function addDid(context: Context): void {
  const { state, account, response, args } = context
  const target = didOf(args)
  refuseStranger(context, target.scope, `add data identifier to scope ${target.scope}`)
  state.addDid(target, parsed<{ type: 'DATASET' | 'CONTAINER' }>(context).type, account)
  created(response)
}

function attach(context: Context): void {
  const { state, response, args } = context
  const target = didOf(args)
  refuseStranger(context, target.scope, 'attach identifiers')
  state.attach(target, parsed<{ dids: readonly Did[] }>(context).dids, false)
  created(response)
}

function attachments(context: Context): void {
  interface Body {
    readonly attachments: readonly (Did & { readonly dids: readonly Did[] })[]
    readonly ignore_duplicate?: boolean
  }
  const { attachments: all, ignore_duplicate: ignore = false } = parsed<Body>(context)
  for (const { scope, name, dids } of all) {
    refuseStranger(context, scope, 'attach identifiers')
    context.state.attach({ scope, name }, dids, ignore)
  }
  created(context.response)
}

function detach(context: Context): void {
  const { state, response, args } = context
  const target = didOf(args)
  refuseStranger(context, target.scope, 'detach identifiers')
  state.detach(target, parsed<{ dids: readonly Did[] }>(context).dids)
  send(response, 200, 'text/html; charset=utf-8', '')
}
