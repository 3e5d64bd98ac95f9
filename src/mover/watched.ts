import type { SourceFile } from '../pack/format.ts'
import type { ObjectReader, ObjectWriter, Vault } from '../vault/vault.ts'
import type { MoverAdapters } from './execute.ts'
import type { Note } from './whereabouts.ts'

/** The adapters, telling `note` before each call of theirs that may hang. */
export const watched = ({ format, vault, openSource, inspectSources }: MoverAdapters, note: Note): MoverAdapters => ({
  format,
  vault: (settings) => watchedVault(vault(settings), settings.root, note),
  openSource(root) {
    note('open', root)
    const open = openSource(root)
    return (path) => {
      note('read', path)
      return watchedSource(open(path), path, note)
    }
  },
  inspectSources(root, files, beat) {
    note('open', root)
    return inspectSources(root, files, (path) => {
      note('open', path)
      beat(path)
    })
  },
})

const watchedSource = (source: SourceFile, path: string, note: Note): SourceFile => ({
  bytes: source.bytes,
  read(buffer) {
    note('read', path)
    return source.read(buffer)
  },
  close() {
    note('read', path)
    source.close()
  },
})

function watchedVault(vault: Vault, root: string, note: Note): Vault {
  /** Tells of a call whose first argument is a location. */
  const on =
    <A extends readonly unknown[], R>(operation: string, call: (location: string, ...more: A) => R) =>
    (location: string, ...more: A): R => {
      note(operation, `${root}/${location}`)
      return call(location, ...more)
    }
  const reading =
    <A extends readonly unknown[]>(open: (location: string, ...more: A) => ObjectReader | null) =>
    (location: string, ...more: A) => {
      const reader = open(location, ...more)
      return reader === null ? null : watchedReader(reader, `${root}/${location}`, note)
    }
  return {
    check(known) {
      note('check', root)
      return vault.check(known)
    },
    blame(error) {
      note('check', root)
      return vault.blame(error)
    },
    create: (location, attempt, bytes) =>
      watchedWriter(on('create', vault.create)(location, attempt, bytes), `${root}/${location}`, note),
    openPart: reading(on('open', vault.openPart)),
    open: reading(on('open', vault.open)),
    publish: on('publish', vault.publish),
    stat: on('stat', vault.stat),
    setAside: on('set aside', vault.setAside),
    clean: on('clean up', vault.clean),
    remove: on('remove', vault.remove),
    removeUnproven: on('remove', vault.removeUnproven),
  }
}

const watchedWriter = (writer: ObjectWriter, path: string, note: Note): ObjectWriter => ({
  write(bytes) {
    note('write', path)
    writer.write(bytes)
  },
  finish() {
    note('sync', path)
    writer.finish()
  },
  abandon() {
    note('remove', path)
    writer.abandon()
  },
})

const watchedReader = (reader: ObjectReader, path: string, note: Note): ObjectReader => ({
  bytes: reader.bytes,
  get direct() {
    return reader.direct
  },
  read(buffer) {
    note('read back', path)
    return reader.read(buffer)
  },
  close() {
    note('close', path)
    reader.close()
  },
})
