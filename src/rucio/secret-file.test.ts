import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { fault, ours, secretFiles } from '../testing/secret-files.ts'
import { readPassword } from './secret-file.ts'

const { directory, write } = secretFiles()

describe('a secret', () => {
  test.each([
    [0o400, null, null],
    [0o600, null, null],
    [0o700, null, null],
    [0o640, 'readable by its group (mode 0640)', null],
    [0o440, 'readable by its group (mode 0440)', null],
    [0o620, 'open to its group (mode 0620)', 'open to its group (mode 0620)'],
    [0o660, 'readable by its group (mode 0660)', 'open to its group (mode 0660)'],
    [0o644, 'readable by others (mode 0644)', 'readable by others (mode 0644)'],
    [0o602, 'open to others (mode 0602)', 'open to others (mode 0602)'],
  ])('of mode %o is refused for us: %s, for our group: %s', async (mode, alone, withGroup) => {
    const file = write('secret', mode)
    for (const [groupMayRead, what] of [
      [false, alone],
      [true, withGroup],
    ] as const) {
      if (what === null) expect(await readPassword(file, { groupMayRead })).toBe('secret')
      else {
        const { message, hint } = await fault(readPassword(file, { groupMayRead }))
        expect(message).toBe(`${file} is ${what}`)
        expect(hint).toContain(`chmod 600 ${file}`)
      }
    }
  })

  test('of a group says how Kubernetes’ are allowed', async () => {
    expect((await fault(readPassword(write('x', 0o440), ours))).hint).toContain('rucio.secretsReadableByGroup')
  })

  test('is looked at where its link leads', async () => {
    const link = join(directory, 'link')
    symlinkSync(write('x', 0o644), link)
    expect((await fault(readPassword(link, ours))).message).toBe(`${link} is readable by others (mode 0644)`)
  })

  test('that is no file, not there, empty or too long is refused', async () => {
    expect((await fault(readPassword(directory, ours))).message).toBe(`${directory} is a directory`)
    expect((await fault(readPassword(`${directory}/no`, ours))).message).toBe(`${directory}/no does not exist`)
    expect((await fault(readPassword('/dev/null', ours))).message).toBe('/dev/null is not a regular file')
    const empty = write('\n')
    expect((await fault(readPassword(empty, ours))).message).toBe(`${empty} is empty`)
    const long = write('x'.repeat(4 * 2 ** 20 + 1))
    expect((await fault(readPassword(long, ours))).message).toContain('is too long')
  })
})

describe('readPassword()', () => {
  test('drops white space at its end alone', async () => {
    expect(await readPassword(write(' pass word é\r\n\n'), ours)).toBe(' pass word é')
  })
})
