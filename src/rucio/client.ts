import { z } from 'zod'
import type { Did } from '../model/did.ts'
import { formatDid } from '../model/did.ts'
import type { CustomMetadata, DidColumns, DidMetadata, ListedFile, ListedReplica } from './answers.ts'
import {
  misfit,
  parseColumns,
  parseCustomMetadata,
  parseFile,
  parseIdentifiedMetadata,
  parseMetadata,
  parseName,
  parseReplica,
  parseScopes,
  parseVersion,
} from './answers.ts'
import { inBatches } from './batches.ts'
import type { Call, RucioOptions } from './call.ts'
import { openCaller } from './call.ts'
import { brokenAnswer, RucioError } from './errors.ts'
import type { Query } from './paths.ts'
import { didPath, didPathWithSlashes, scopePath } from './paths.ts'
import { bulkmetaHeedsPlugin } from './versions.ts'

/** Most DIDs that Rucio's schema takes in one body. */
const MAX_DIDS = 1000

/** What Rucio said longer ago is no longer "just before". */
const STALE_MS = 60_000

/** Which PFNs to ask for. */
export interface Access {
  readonly schemes: readonly string[]
  readonly domain: 'lan' | 'all'
}

/**
 * Rucio's REST API, as much of it as archiving needs (docs/rucio.md). Lists come in any order and may hold anything but what
 * was asked for: join them by DID. Signs in by itself, and repeats what may succeed in a moment; all errors are TapeRseErrors
 * (RUCIO_UNREACHABLE, RUCIO_OVERLOADED, SIGN_IN_REFUSED, NOT_ALLOWED, RUCIO_FAILED, RUCIO_REFUSED, RUCIO_BROKEN_ANSWER, DID_GONE;
 * INTERRUPTED once the signal is aborted), and none holds a token or a password.
 */
export interface RucioClient {
  /** The server's version, such as 41.5.1. Says nothing of its database. */
  version(signal: AbortSignal): Promise<string>
  /** All scopes there are. */
  scopes(signal: AbortSignal): Promise<readonly string[]>
  /**
   * Names in a scope whose custom metadata has exactly this value: of datasets, containers and files, open or not. Nothing for a
   * scope that does not exist. A value must not be one that Rucio's filter engine misreads (model/rse.ts).
   */
  search(scope: string, key: string, value: string, signal: AbortSignal): Promise<readonly string[]>
  /** DIDs that do not exist are not in the answer. */
  bulkColumns(dids: readonly Did[], signal: AbortSignal): Promise<readonly DidColumns[]>
  /** The DIDs' own custom metadata, nothing inherited from containers. */
  bulkCustomMetadata(dids: readonly Did[], signal: AbortSignal): Promise<readonly CustomMetadata[]>
  /** null: Rucio itself says that there is no such DID. */
  metadata(did: Did, signal: AbortSignal): Promise<DidMetadata | null>
  /** Files of datasets. Datasets that do not exist or are empty have no line in the answer. */
  bulkFiles(datasets: readonly Did[], signal: AbortSignal): Promise<readonly ListedFile[]>
  /** Files of datasets that have a replica at the RSE, in any state. */
  replicas(
    datasets: readonly Did[],
    rse: string,
    access: Access,
    signal: AbortSignal,
  ): Promise<readonly ListedReplica[]>
  /** Files with their replicas at all RSEs, in any state. A file that does not exist may be missing, or be listed without replicas. */
  replicasOfFiles(files: readonly Did[], signal: AbortSignal): Promise<readonly ListedReplica[]>
  /**
   * Asks whether our account may set this metadata in the scope, by setting it on a DID that does not exist: nothing is set. Rucio looks
   * at the right first, and policies of sites may decide by anything, so only asking tells.
   * @throws TapeRseError NOT_ALLOWED
   */
  checkMaySetMetadata(scope: string, values: CustomMetadata['values'], signal: AbortSignal): Promise<void>
  /**
   * Sets custom metadata of all DIDs, or of none: one transaction. It rests on what Rucio said just before, so it is not sent when
   * Rucio could not be reached, or did not let us in, for a minute.
   */
  setMetadata(changes: readonly CustomMetadata[], signal: AbortSignal): Promise<void>
  /** Closes its connections. */
  close(): void
}

export function rucioClient(options: RucioOptions): RucioClient {
  const caller = openCaller(options)

  const lines = <T>(call: Call, parse: (value: unknown) => T, signal: AbortSignal): Promise<T[]> =>
    caller.lines(call, fitting(call, parse), signal)
  const json = <T>(call: Call, parse: (value: unknown) => T, signal: AbortSignal): Promise<T> =>
    caller.json(call, fitting(call, parse), signal)

  async function inBulk<T>(
    dids: readonly Did[],
    call: (batch: readonly Did[]) => Call,
    parse: (value: unknown) => T,
    signal: AbortSignal,
  ): Promise<readonly T[]> {
    const lists: T[][] = []
    for (const batch of inBatches(dids, MAX_DIDS)) lists.push(await lines(call(batch), parse, signal))
    return lists.flat()
  }

  /** Asks about one DID by URL; a second time with plain slashes if the first way seems to lead nowhere. */
  async function meta<T>(did: Did, query: Query, parse: (value: unknown) => T, signal: AbortSignal): Promise<T> {
    const call = (path: string): Call => ({ name: 'meta', what: `read the metadata of ${formatDid(did)}`, path, query })
    try {
      return await json(call(didPath(did, 'meta')), parse, signal)
    } catch (error) {
      const path = didPathWithSlashes(did, 'meta')
      if (path === null || !(error instanceof RucioError) || error.status !== 404) throw error
      return json(call(path), parse, signal).catch((second: unknown) => {
        throw moreTelling(error, second)
      })
    }
  }

  const client: RucioClient = {
    version: (signal) => json({ name: 'ping', what: 'ask Rucio for its version', path: '/ping' }, parseVersion, signal),
    scopes: (signal) => json({ name: 'scopes', what: 'list the scopes', path: '/scopes/' }, parseScopes, signal),

    search: (scope, key, value, signal) =>
      lines(
        {
          name: 'search',
          what: `search scope ${scope}`,
          path: scopePath(scope, 'dids/search'),
          // The filter is read as a Python literal. JSON made of strings alone is one.
          query: { type: 'all', long: 'False', filters: JSON.stringify([{ [key]: value }]) },
        },
        parseName,
        signal,
      ),

    bulkColumns: (dids, signal) => inBulk(dids, (batch) => bulkmeta('DID_COLUMN', batch), parseColumns, signal),

    async bulkCustomMetadata(dids, signal) {
      if (dids.length === 0) return []
      if (bulkmetaHeedsPlugin(await client.version(signal))) {
        return inBulk(dids, (batch) => bulkmeta('JSON', batch), parseIdentifiedMetadata, signal)
      }
      const all: CustomMetadata[] = []
      for (const did of dids) {
        all.push(await meta(did, { plugin: 'JSON' }, (value) => parseCustomMetadata(did, value), signal))
      }
      return all
    },

    metadata: (did, signal) =>
      meta(did, { plugin: 'ALL' }, parseMetadata, signal).catch((error: unknown) => {
        if (error instanceof RucioError && error.code === 'DID_GONE') return null
        throw error
      }),

    bulkFiles: (datasets, signal) =>
      inBulk(
        datasets,
        (batch) => ({
          name: 'bulkfiles',
          what: `list the files of ${several(batch)}`,
          path: '/dids/bulkfiles',
          body: { dids: batch.map(plain) },
        }),
        parseFile,
        signal,
      ),

    replicas: (datasets, rse, { schemes, domain }, signal) =>
      inBulk(
        datasets,
        (batch) => ({
          name: 'replicas',
          what: `list the replicas of ${several(batch)} at ${rse}`,
          path: '/replicas/list',
          body: {
            dids: batch.map(plain),
            rse_expression: rse,
            schemes,
            domain,
            all_states: true,
            resolve_archives: false,
            sort: 'random', // the default looks up where we are on earth, for each file
          },
        }),
        parseReplica,
        signal,
      ),

    replicasOfFiles: (files, signal) =>
      inBulk(
        files,
        (batch) => ({
          name: 'replicas',
          what: `list the replicas of ${several(batch)}`,
          path: '/replicas/list',
          body: { dids: batch.map(plain), all_states: true, resolve_archives: false, sort: 'random' },
        }),
        parseReplica,
        signal,
      ),

    async setMetadata(changes, signal) {
      if (changes.length === 0) return
      const dids = changes.map(({ did, values }) => ({ ...plain(did), meta: values }))
      const what = `set the metadata of ${several(changes.map(({ did }) => did))}`
      const call = { name: 'bulkdidsmeta', what, path: '/dids/bulkdidsmeta', body: { dids }, withinMs: STALE_MS }
      await caller.done(call, signal)
    },

    async checkMaySetMetadata(scope, values, signal) {
      const name = `tape-rse-asks-${Math.floor(options.random() * 2 ** 52).toString(36)}`
      const what = `set ${Object.keys(values).join(', ')} in scope ${scope}`
      const body = { dids: [{ scope, name, meta: values }] }
      try {
        await caller.done({ name: 'bulkdidsmeta', what, path: '/dids/bulkdidsmeta', body }, signal)
      } catch (error) {
        if (!(error instanceof RucioError) || error.code !== 'DID_GONE') throw error
      }
    },

    close: () => caller.close(),
  }
  return client
}

const bulkmeta = (plugin: string, dids: readonly Did[]): Call => ({
  name: 'bulkmeta',
  what: `read the metadata of ${several(dids)}`,
  path: '/dids/bulkmeta',
  // Never inherit: it would take a tag of a container for the dataset's own.
  body: { dids: dids.map(plain), inherit: false, plugin },
})

/**
 * Of two refusals of one question, put with %2F and with plain slashes. A server that wants the one way answers the other with a
 * 400 or a 404, so such an answer counts only if it is Rucio's word that the DID is gone.
 */
function moreTelling(encoded: RucioError, slashes: unknown): unknown {
  if (!(slashes instanceof RucioError) || slashes.code === 'DID_GONE') return slashes
  return slashes.status === 400 || slashes.status === 404 ? encoded : slashes
}

const plain = ({ scope, name }: Did): Did => ({ scope, name })

const several = (dids: readonly Did[]): string => (dids.length === 1 ? formatDid(dids[0]!) : `${dids.length} DIDs`)

/** A parser whose misfits are broken answers. */
const fitting =
  <T>(call: Call, parse: (value: unknown) => T) =>
  (value: unknown): T => {
    try {
      return parse(value)
    } catch (error) {
      if (error instanceof z.ZodError) throw brokenAnswer(call.what, misfit(error), false)
      throw error
    }
  }
