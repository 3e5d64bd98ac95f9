import { Buffer } from 'node:buffer'
import { failure } from '../model/errors.ts'
import type { VaultEntry } from '../model/order.ts'
import type { Residency } from '../model/residency.ts'
import { asideOf, damagedOf, partOf } from '../vault/names.ts'
import type { ObjectReader, ObjectWriter, ReadingVault, Vault } from '../vault/vault.ts'

/** A store that outlives the vaults that are opened on it, as a mount outlives processes. */
export interface MemoryStore {
  owner: string | null
  readonly files: Map<string, Buffer>
  /** Of those that are not on disk alone. */
  readonly residency: Map<string, Residency>
}

export const memoryStore = (): MemoryStore => ({ owner: null, files: new Map(), residency: new Map() })

function entriesIn({ files }: MemoryStore, directory: string): readonly VaultEntry[] {
  const prefix = directory === '' ? '' : `${directory}/`
  const found = new Map<string, VaultEntry>()
  for (const [path, content] of files) {
    if (!path.startsWith(prefix)) continue
    const [name, ...rest] = path.slice(prefix.length).split('/')
    const kind = rest.length === 0 ? 'file' : 'directory'
    found.set(name!, { path: `${prefix}${name!}`, kind, bytes: kind === 'file' ? content.length : 0 })
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

export const memoryReading = (store: MemoryStore): ReadingVault => ({
  owner: () => store.owner,
  openWhole: (location) => reader(store.files.get(location)),
  residency: (_, locations) => locations.map((location) => store.residency.get(location) ?? 'disk'),
  recall: (_, locations) => {
    for (const location of locations) store.residency.set(location, 'both')
  },
  list: (directory) => entriesIn(store, directory),
  open(location) {
    const bytes = store.files.get(location)
    if (bytes === undefined) return null
    return {
      bytes: bytes.length,
      readAt: (buffer, at) => bytes.copy(buffer, 0, at),
      close: () => undefined,
    }
  },
})

/**
 * A vault in memory, for tests of steps. `touch(operation)` is called before each operation that changes the store, and may
 * throw: as a process that is killed there, for whom nothing happens any more.
 */
export function memoryVault(
  store: MemoryStore,
  owner: string,
  touch: (operation: string) => void = () => undefined,
): Vault {
  const { files } = store
  const io = (what: string) => failure('VAULT_IO', `Cannot ${what}`, 'It is tried again.')
  const foreign = (location: string) =>
    failure('OBJECT_FOREIGN', `Cannot use ${location}: something is there already`, 'Move it away.')
  const remove = (path: string): boolean => {
    if (!files.has(path)) return false
    touch(`remove ${path}`)
    return files.delete(path)
  }
  const rename = (from: string, to: string) => {
    touch(`rename ${from}`)
    files.set(to, files.get(from)!)
    files.delete(from)
  }

  return {
    blame: (error) => error,
    check(known) {
      if (store.owner === null) {
        if (known) throw failure('VAULT_MARKER_MISSING', 'Cannot use the store: its marker is gone', 'Restore it.')
        touch('claim')
        store.owner = owner
      }
      if (store.owner !== owner)
        throw failure('VAULT_FOREIGN', `Cannot use the store: it belongs to ${store.owner}`, 'Take it over.')
      return { freeBytes: 1e12 }
    },

    create(location, attempt): ObjectWriter {
      for (let earlier = 1; earlier < attempt; earlier++) remove(partOf(location, earlier))
      if (files.has(location)) throw foreign(location)
      const part = partOf(location, attempt)
      if (files.has(part)) throw io(`create ${part}: it is there`)
      touch(`create ${part}`)
      files.set(part, Buffer.alloc(0))
      return {
        write(bytes) {
          touch(`write ${part}`)
          files.set(part, Buffer.concat([files.get(part)!, bytes]))
        },
        finish: () => touch(`sync ${part}`),
        abandon() {
          try {
            remove(part)
          } catch {
            // A process that was killed abandons nothing.
          }
        },
      }
    },

    openPart: (location, attempt) => reader(files.get(partOf(location, attempt))),
    open: (location) => reader(files.get(location)),

    publish(location, attempt, bytes) {
      const part = partOf(location, attempt)
      const content = files.get(part)
      if (content !== undefined) {
        if (content.length !== bytes) throw io(`publish ${location}: its part has another size`)
        if (files.has(location)) throw foreign(location)
        rename(part, location)
      }
      touch(`sync the directory of ${location}`)
      if (files.get(location)?.length !== bytes) throw io(`publish ${location}: it is not there`)
    },

    stat(location) {
      const content = files.get(location)
      return content === undefined ? null : { bytes: content.length }
    },

    keepAside(location, attempt) {
      if (!files.has(location)) return null
      rename(location, damagedOf(location, attempt))
      return damagedOf(location, attempt)
    },

    setAside(location, attempt, what) {
      const bad = what === 'part' ? partOf(location, attempt) : location
      if (!files.has(bad)) throw io(`set ${bad} aside: it is gone`)
      rename(bad, asideOf(location, attempt))
      return asideOf(location, attempt)
    },

    clean(location, attempts) {
      let removed = 0
      for (let attempt = 1; attempt <= attempts; attempt++) {
        for (const path of [partOf(location, attempt), asideOf(location, attempt)]) if (remove(path)) removed++
      }
      return removed
    },

    remove: (location) => void remove(location),
    removeUnproven: (location) => void remove(location),
  }
}

function reader(content: Buffer | undefined): ObjectReader | null {
  if (content === undefined) return null
  let at = 0
  return {
    bytes: content.length,
    direct: false,
    read(buffer) {
      const got = content.copy(buffer, 0, at)
      at += got
      return got
    },
    close: () => undefined,
  }
}
