import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { syncDirectory } from '../io/sync-directory.ts'
import { openFile } from './file.ts'

/**
 * Backs a catalog up, in a process of its own: the directory for it may be on a file system that hangs. Called with the catalog, the
 * directory, how many backups to keep there and the time; writes the name of the new one to standard output.
 */
const [catalog, directory, keep, time] = process.argv.slice(2) as [string, string, string, string]

const idOf = (sqlite: DatabaseSync): string => (sqlite.prepare('SELECT id FROM catalog').get() as { id: string }).id

/** A part that nobody has written to for so long was left by a backup that was stopped. */
const leftMs = 30 * 60_000

async function backUp(): Promise<{ readonly path: string; readonly bytes: number }> {
  const { sqlite } = openFile(catalog, false, true)
  try {
    const id = idOf(sqlite)
    // Backups of this catalog, the newest last: their names sort as the times pass. Others may have theirs in the same place.
    const stem = `${basename(catalog).replace(/\.db$/u, '')}.${id.replaceAll(/\W/gu, '').slice(0, 8)}.`
    const isBackup = (name: string) => name.startsWith(stem) && /^\d{8}T\d{6}Z\.db$/u.test(name.slice(stem.length))
    const name = `${stem}${time.replaceAll(/[-:]|\.\d+/gu, '')}.db`
    const part = join(directory, `.${name}.part`)
    removeLeft((left) => isBackup(left.slice(1).replace(/\.part.*$/u, '')))
    await backup(sqlite, part)
    check(part, id)
    const fd = openSync(part, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    const path = join(directory, name)
    renameSync(part, path)
    syncDirectory(directory)
    // By a clock that was ahead others are of the future: this one stays, whatever they say.
    const others = readdirSync(directory).filter((other) => isBackup(other) && other !== name)
    for (const old of others
      .sort()
      .reverse()
      .slice(Number(keep) - 1))
      rmSync(join(directory, old))
    return { path, bytes: statSync(path).size }
  } finally {
    sqlite.close()
  }
}

function removeLeft(isOurs: (name: string) => boolean): void {
  for (const left of readdirSync(directory)) {
    if (!/^\..*\.part(-journal|-wal|-shm)?$/u.test(left) || !isOurs(left)) continue
    const written = statSync(join(directory, left), { throwIfNoEntry: false })?.mtimeMs
    if (written !== undefined && Date.parse(time) - written > leftMs) rmSync(join(directory, left), { force: true })
  }
}

/** A copy that cannot be read is none. */
function check(part: string, id: string): void {
  const copy = new DatabaseSync(part)
  try {
    copy.exec('PRAGMA journal_mode = DELETE') // one file, that needs no other beside it
    const found = copy.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[]
    if (found[0]?.integrity_check !== 'ok') throw new Error(`the copy is damaged: ${found[0]?.integrity_check ?? ''}`)
    if (idOf(copy) !== id) throw new Error('the copy is not of this catalog')
  } finally {
    copy.close()
  }
}

backUp().then(
  (made) => process.stdout.write(JSON.stringify(made)),
  (error: unknown) => {
    process.stdout.write(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
    process.exitCode = 1
  },
)
