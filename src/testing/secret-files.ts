import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from '@jest/globals'
import { UnusableFile } from '../rucio/secret-file.ts'

export const ours = { groupMayRead: false }

/** A directory that is removed after the tests of a file, and a function that writes a new file in it. */
export function secretFiles() {
  const directory = mkdtempSync(join(tmpdir(), 'secrets-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  let count = 0
  return {
    directory,
    write(text: string, mode = 0o600): string {
      const file = join(directory, `file-${count++}`)
      writeFileSync(file, text)
      chmodSync(file, mode)
      return file
    },
  }
}

/** What makes a file unusable. */
export const fault = (reading: Promise<unknown>): Promise<UnusableFile> =>
  reading.then(
    () => {
      throw new Error('it was read')
    },
    (error: unknown) => {
      if (error instanceof UnusableFile) return error
      throw error
    },
  )
