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

/** Backups of this catalog, the newest last: their names sort as the times pass. */
const stem = basename(catalog).replace(/\.db$/u, '')
const isBackup = (name: string): boolean =>
  name.startsWith(`${stem}.`) && /^\d{8}T\d{6}Z\.db$/u.test(name.slice(stem.length + 1))
const nameAt = (iso: string): string => `${stem}.${iso.replaceAll(/[-:]|\.\d+/gu, '')}.db`
const partOf = (name: string): string => `.${name}.part`

const id = (sqlite: DatabaseSync): unknown => sqlite.prepare('SELECT id FROM catalog').get()

async function backUp(): Promise<string> {
  const name = nameAt(time)
  const part = join(directory, partOf(name))
  // What a backup that was stopped has left is worth nothing.
  for (const left of readdirSync(directory))
    if (/^\..*\.part(-journal|-wal|-shm)?$/u.test(left) && isBackup(left.slice(1).replace(/\.part.*$/u, '')))
      rmSync(join(directory, left))
  const { sqlite } = openFile(catalog, false, true)
  try {
    await backup(sqlite, part)
    check(part, id(sqlite))
  } finally {
    sqlite.close()
  }
  const fd = openSync(part, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(part, join(directory, name))
  syncDirectory(directory)
  for (const old of readdirSync(directory).filter(isBackup).sort().slice(0, -Number(keep))) rmSync(join(directory, old))
  return join(directory, name)
}

/** A copy that cannot be read is none. */
function check(part: string, of: unknown): void {
  const copy = new DatabaseSync(part)
  try {
    copy.exec('PRAGMA journal_mode = DELETE') // one file, that needs no other beside it
    const found = copy.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[]
    if (found[0]?.integrity_check !== 'ok') throw new Error(`the copy is damaged: ${found[0]?.integrity_check ?? ''}`)
    if (JSON.stringify(id(copy)) !== JSON.stringify(of)) throw new Error('the copy is not of this catalog')
  } finally {
    copy.close()
  }
}

backUp().then(
  (path) => process.stdout.write(JSON.stringify({ path, bytes: statSync(path).size })),
  (error: unknown) => {
    process.stdout.write(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
    process.exitCode = 1
  },
)
