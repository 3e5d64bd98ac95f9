import type { SourceFile } from '../pack/format.ts'
import type { ObjectReader, ObjectWriter, ReadingVault, Vault } from '../vault/vault.ts'
import type { MoverAdapters } from './execute.ts'
import type { Note } from './whereabouts.ts'

/** The adapters, telling `note` before each call of theirs that may hang. */
export const watched = (
  { format, vault, readingVault, zipsAt, openSource, inspectSources }: MoverAdapters,
  note: Note,
): MoverAdapters => ({
  format,
  vault: (settings) => watchedVault(vault(settings), settings.root, note),
  readingVault: (settings) => watchedReading(readingVault(settings), settings.root, note),
  zipsAt(path) {
    note('open', path, path)
    return zipsAt(path)
  },
  openSource(root) {
    note('open', root, root)
    const open = openSource(root)
    return (path) => {
      const told = () => note('read', path, root)
      told()
      return watchedSource(open(path), told)
    }
  },
  inspectSources(root, files, beat) {
    note('open', root, root)
    return inspectSources(root, files, (path) => {
      note('open', path, root)
      beat(path)
    })
  },
})

/** Told of each call to one file. */
type NoteOfFile = (operation: string) => void

/** To open, read and close a source is one thing here: there may be very many, and very small ones. */
const watchedSource = (source: SourceFile, told: () => void): SourceFile => ({
  bytes: source.bytes,
  read(buffer) {
    told()
    return source.read(buffer)
  },
  close() {
    told()
    source.close()
  },
})

const watchedReading = (vault: ReadingVault, root: string, note: Note): ReadingVault => ({
  owner() {
    note('open', root, root)
    return vault.owner()
  },
  openWhole(location) {
    const told = (operation: string) => note(operation, `${root}/${location}`, root)
    told('open')
    const reader = vault.openWhole(location)
    return reader === null ? null : watchedReader(reader, told)
  },
  residency(probe, locations, beat) {
    note('ask about', `${root}/${locations[0] ?? ''}`, root)
    return vault.residency(probe, locations, beat)
  },
  recall(command, locations) {
    note('recall', `${root}/${locations[0] ?? ''}`, root)
    vault.recall(command, locations)
  },
  list(directory) {
    note('list', `${root}/${directory}`, root)
    return vault.list(directory)
  },
  open(location) {
    const path = `${root}/${location}`
    note('open', path, root)
    const reader = vault.open(location)
    if (reader === null) return null
    return {
      bytes: reader.bytes,
      readAt(buffer, at) {
        note('read', path, root)
        return reader.readAt(buffer, at)
      },
      close() {
        note('close', path, root)
        reader.close()
      },
    }
  },
})

function watchedVault(vault: Vault, root: string, note: Note): Vault {
  const ofFile =
    (location: string): NoteOfFile =>
    (operation) =>
      note(operation, `${root}/${location}`, root)
  /** Tells of a call whose first argument is a location. */
  const on =
    <A extends readonly unknown[], R>(operation: string, call: (location: string, ...more: A) => R) =>
    (location: string, ...more: A): R => {
      ofFile(location)(operation)
      return call(location, ...more)
    }
  const reading =
    <A extends readonly unknown[]>(open: (location: string, ...more: A) => ObjectReader | null) =>
    (location: string, ...more: A) => {
      const reader = open(location, ...more)
      return reader === null ? null : watchedReader(reader, ofFile(location))
    }
  return {
    check(known) {
      note('check', root, root)
      return vault.check(known)
    },
    blame(error) {
      note('check', root, root)
      return vault.blame(error)
    },
    create: (location, attempt, bytes) =>
      watchedWriter(on('create', vault.create)(location, attempt, bytes), ofFile(location)),
    openPart: reading(on('open', vault.openPart)),
    open: reading(on('open', vault.open)),
    publish: on('publish', vault.publish),
    stat: on('stat', vault.stat),
    keepAside: on('set aside', vault.keepAside),
    setAside: on('set aside', vault.setAside),
    clean: on('clean up', vault.clean),
    remove: on('remove', vault.remove),
    removeUnproven: on('remove', vault.removeUnproven),
  }
}

const watchedWriter = (writer: ObjectWriter, note: NoteOfFile): ObjectWriter => ({
  write(bytes) {
    note('write')
    writer.write(bytes)
  },
  finish() {
    note('sync')
    writer.finish()
  },
  abandon() {
    note('remove')
    writer.abandon()
  },
})

const watchedReader = (reader: ObjectReader, note: NoteOfFile): ObjectReader => ({
  bytes: reader.bytes,
  get direct() {
    return reader.direct
  },
  read(buffer) {
    note('read back')
    return reader.read(buffer)
  },
  close() {
    note('close')
    reader.close()
  },
})
