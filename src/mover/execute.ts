import { Buffer } from 'node:buffer'
import { failure, TapeRseError, type Problem } from '../model/errors.ts'
import type {
  Answers,
  CleanOrder,
  ExtractOrder,
  Fetched,
  KeepAsideOrder,
  ListOrder,
  ObjectPlan,
  Order,
  OrderKind,
  Packed,
  PackOrder,
  Proved,
  ProveOrder,
  ReadingSettings,
  Recalled,
  RecallOrder,
  Removed,
  RemoveOrder,
  ResidencyOrder,
  StatOrder,
  VaultSettings,
} from '../model/order.ts'
import type { Beat, Format, SourceFile } from '../pack/format.ts'
import type { ObjectReader, ReadingVault, Vault, ZipsAt } from '../vault/vault.ts'
import { examineObjects } from './examine.ts'
import { fetchFiles } from './fetch.ts'
import { survey } from './survey.ts'
import { verify } from './verify.ts'

/** What a mover works with. */
export interface MoverAdapters {
  readonly format: Format
  /** The vault of these settings; the same one each time, so that it can remember what it has checked. */
  readonly vault: (settings: VaultSettings) => Vault
  /** The same place, only to be read. */
  readonly readingVault: (settings: ReadingSettings) => ReadingVault
  /** The zips at a path that a person gave; null: nothing is there. */
  readonly zipsAt: (path: string) => ZipsAt | null
  /** Opens sources whose real path lies below `root`. */
  readonly openSource: (root: string) => (path: string) => SourceFile
  /** What is wrong with any of these files, without reading them. `looking` is told of each before it is looked at. */
  readonly inspectSources: (
    root: string,
    files: readonly { readonly path: string; readonly bytes: number }[],
    looking: (path: string) => void,
  ) => readonly Problem[]
}

/**
 * Carries out one order, from start to end, in this process. `beat` is called at each block or file, and before each step that others
 * see; it throws when the order is no longer wanted. All is done before it returns, but for an `extract`.
 * @throws TapeRseError; whatever else is a bug
 */
export function execute(
  order: Order,
  adapters: MoverAdapters,
  beat: Beat,
): Answers[OrderKind] | Promise<Answers['extract']> {
  if (order.kind === 'inspect')
    return { problems: adapters.inspectSources(order.sourceRoot, order.files, () => beat(0)) }
  if (order.kind === 'fetch') return fetchFiles(order, adapters.readingVault(order.vault), adapters.format, beat)
  if (order.kind === 'verify') return verify(order, adapters.readingVault(order.vault), adapters.format, beat)
  if (order.kind === 'list') return list(order, adapters.readingVault(order.vault), beat)
  if (order.kind === 'examine') return examineObjects(order, adapters.readingVault(order.vault), adapters.format, beat)
  if (order.kind === 'residency') return residency(order, adapters.readingVault(order.vault), beat)
  if (order.kind === 'recall') return recall(order, adapters.readingVault(order.vault))
  if (order.kind === 'extract') return extract(order, adapters, beat)
  if (order.kind === 'survey') return survey(order, adapters, beat)
  const vault = adapters.vault(order.vault)
  if (order.kind === 'check') return vault.check(order.known)
  vault.check(true)
  try {
    return onObjects(order, vault, adapters, beat)
  } catch (error) {
    throw vault.blame(error)
  }
}

/** What inflates is seldom wanted, and loaded when it is. */
async function extract(order: ExtractOrder, adapters: MoverAdapters, beat: Beat): Promise<Fetched> {
  const { extractFiles } = await import('./extract.ts')
  return extractFiles(order, adapters.readingVault(order.vault), adapters.format, beat)
}

/** Orders on the objects of a vault, given by its owner. */
type OwnerOrder = PackOrder | ProveOrder | StatOrder | KeepAsideOrder | CleanOrder | RemoveOrder

function onObjects(order: OwnerOrder, vault: Vault, adapters: MoverAdapters, beat: Beat): Answers[OrderKind] {
  switch (order.kind) {
    case 'pack':
      return pack(order, vault, adapters, beat)
    case 'prove':
      return prove(order, vault, adapters.format, beat)
    case 'stat':
      return stat(order, vault, beat)
    case 'keepAside':
      beat(0)
      return { path: vault.keepAside(order.location, order.attempt) }
    case 'clean':
      return clean(order, vault)
    case 'remove':
      return remove(order, vault, adapters.format, beat)
  }
}

function pack(order: PackOrder, vault: Vault, adapters: MoverAdapters, beat: Beat): Packed {
  const found = findOwn(order, vault, adapters.format, beat)
  if (found !== null) return found
  const { format } = adapters
  const writer = vault.create(order.location, order.attempt, order.object.bytes)
  try {
    const { bytes, adler32 } = format.pack(order.object, adapters.openSource(order.sourceRoot), writer, beat)
    if (bytes !== order.object.bytes) {
      throw failure(
        'INTERNAL',
        `Cannot pack ${order.location}: it has ${bytes} bytes, planned were ${order.object.bytes}`,
        'This is a bug.',
      )
    }
    beat(0)
    writer.finish()
    return { bytes, adler32, found: false }
  } catch (error) {
    writer.abandon()
    throw withOtherSources(error, order, adapters, beat)
  }
}

/** A bad source seldom comes alone: list what is wrong with any of them at once. */
function withOtherSources(error: unknown, order: PackOrder, adapters: MoverAdapters, beat: Beat): unknown {
  if (!(error instanceof TapeRseError) || !error.code.startsWith('SOURCE_')) return error
  const known = new Set(error.problems.map((problem) => problem.message))
  const others = adapters
    .inspectSources(order.sourceRoot, order.object.members, () => beat(0))
    .filter((problem) => !known.has(problem.message))
  return new TapeRseError([error.problems[0]!, ...error.problems.slice(1), ...others], { cause: error })
}

/**
 * An object that is already under the final name. It is ours, from a crash between publishing and committing, if it begins with
 * our manifest (which names catalog, dataset, generation and part) and has the planned size: then it is proven, not packed again.
 * @throws TapeRseError OBJECT_FOREIGN for any other
 */
function findOwn(order: PackOrder, vault: Vault, format: Format, beat: Beat): Packed | null {
  const { location, object } = order
  const begin = beginOf(location, object, vault, format)
  if (begin === null) return null
  // Half written under its final name by an earlier attempt, on a mount that cannot rename.
  const half = order.vault.publish === 'direct' && begin.bytes < object.bytes && (begin.bytes > 0 || order.attempt > 1)
  if (begin.ours && half) {
    beat(0)
    vault.removeUnproven(location)
    return null
  }
  if (!begin.ours || begin.bytes !== object.bytes) throw foreign(location, begin, object)
  const reader = vault.open(location)
  if (reader === null) return null
  let proof
  try {
    proof = format.prove(object, reader, null, beat)
  } finally {
    reader.close()
  }
  if ('difference' in proof) {
    beat(0)
    vault.setAside(location, order.attempt, 'object')
    return null
  }
  return { bytes: object.bytes, adler32: proof.adler32, found: true }
}

/** An object under the final name that does not begin as ours would is never moved, whatever the catalog expects there. */
function refuseForeign({ location, object }: ProveOrder, vault: Vault, format: Format): void {
  const begin = beginOf(location, object, vault, format)
  if (begin !== null && !begin.ours) throw foreign(location, begin, object)
}

const foreign = (location: string, { ours, bytes }: { ours: boolean; bytes: number }, planned: ObjectPlan) =>
  failure(
    'OBJECT_FOREIGN',
    `Cannot write ${location}: an object is there that ${
      ours ? `has ${bytes} bytes, planned are ${planned.bytes}` : 'begins with another manifest than the planned one'
    }`,
    'See whose it is. Move it away, then `tape-rse retry` the dataset.',
  )

/** Size of the object under the final name, and whether it begins as the planned one does; null if there is none. */
function beginOf(
  location: string,
  object: ObjectPlan,
  vault: Vault,
  format: Format,
): { ours: boolean; bytes: number } | null {
  const reader = vault.open(location)
  if (reader === null) return null
  try {
    const head = format.head(object)
    const begin = readBegin(reader, head.length)
    if (begin.length < Math.min(head.length, reader.bytes))
      throw failure(
        'VAULT_IO',
        `Cannot read ${location}: the mount says that it has ${reader.bytes} bytes, and gives ${begin.length}`,
        'It is tried again.',
      )
    return { ours: begin.equals(head.subarray(0, begin.length)), bytes: reader.bytes }
  } finally {
    reader.close()
  }
}

function readBegin(reader: ObjectReader, length: number): Buffer {
  const begin = Buffer.alloc(Math.min(length, reader.bytes))
  let read = 0
  while (read < begin.length) {
    const got = reader.read(begin.subarray(read))
    if (got === 0) break
    read += got
  }
  return begin.subarray(0, read)
}

function prove(order: ProveOrder, vault: Vault, format: Format, beat: Beat): Proved {
  const { location, attempt, object } = order
  const part = vault.openPart(location, attempt)
  if (part === null) refuseForeign(order, vault, format)
  const reader = part ?? vault.open(location)
  if (reader === null) return { outcome: 'lost' }
  let proof
  try {
    proof = format.prove(object, reader, order.adler32, beat)
  } finally {
    reader.close()
  }
  if ('difference' in proof) {
    beat(0)
    const setAside = vault.setAside(location, attempt, part === null ? 'object' : 'part')
    return { outcome: 'mismatch', difference: proof.difference, setAside }
  }
  beat(0)
  vault.publish(location, attempt, object.bytes)
  vault.clean(location, attempt)
  return { outcome: 'proven', direct: reader.direct, adler32: proof.adler32 }
}

const stat = (order: StatOrder, vault: Vault, beat: Beat) => ({
  bytes: order.locations.map((location) => {
    beat(0)
    return bytesAt(location, vault)
  }),
})

/** What is there but is no object of ours counts as missing: writing it again says what is in the way. */
function bytesAt(location: string, vault: Vault): number | null {
  try {
    return vault.stat(location)?.bytes ?? null
  } catch (error) {
    if (error instanceof TapeRseError && error.code === 'OBJECT_FOREIGN') return null
    throw error
  }
}

const list = ({ directories }: ListOrder, vault: ReadingVault, beat: Beat) => ({
  found: directories.flatMap((directory) => {
    beat(0)
    return vault.list(directory)
  }),
})

const residency = ({ probe, locations }: ResidencyOrder, vault: ReadingVault, beat: Beat) => ({
  states: vault.residency(probe, locations, () => beat(0)),
})

function recall({ command, locations }: RecallOrder, vault: ReadingVault): Recalled {
  vault.recall(command, locations)
  return { asked: locations.length }
}

const clean = (order: CleanOrder, vault: Vault) => ({ removed: vault.clean(order.location, order.attempts) })

function remove({ location, object }: RemoveOrder, vault: Vault, format: Format, beat: Beat): Removed {
  const begin = beginOf(location, object, vault, format)
  if (begin === null) {
    beat(0)
    vault.remove(location) // whoever removed it may have been stopped before that was durable
    return { outcome: 'absent' }
  }
  if (!begin.ours || begin.bytes !== object.bytes) return { outcome: 'foreign', bytes: begin.bytes }
  beat(0)
  vault.remove(location)
  return { outcome: 'removed' }
}
