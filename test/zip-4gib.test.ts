import { expect } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adler32Combine, hex32 } from '../src/io/adler32.ts'
import { testUnless } from './skip.ts'
import { has, makeZip } from './zips.ts'

/** The adler32 of so many zeros: a stays 1, b counts them. */
const ofZeros = (bytes: number) => hex32(adler32Combine(1, ((bytes % 65_521) << 16) | 1 | 0, bytes) >>> 0)

const roomy = ['/dev/shm', tmpdir()].find((path) => {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize > 8e9
})
const enough = testUnless(roomy === undefined ? 'neither memory nor disk has 8 GB free' : null, 'members of 4 GiB')

/** Members around the sizes and offsets from which ZIP64 is needed. Sources are sparse; the zip is not. */
enough(
  'members of 4 GiB and more, and those behind them, are read by other programs',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'large-'))
    const sparse = (name: string, bytes: number) => {
      const path = join(directory, name)
      const fd = openSync(path, 'w')
      ftruncateSync(fd, bytes)
      closeSync(fd)
      return { name, path, bytes, adler32: ofZeros(bytes) }
    }
    const sources = [sparse('exactly 0xffffffff', 0xffffffff), sparse('behind', 5)]
    const made = makeZip(new Map(), sources, roomy)
    try {
      const check = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print([(i.filename, i.file_size, i.header_offset > 0xffffffff) for i in z.infolist()][1:])
print(z.read('behind'))`
      const said = execFileSync('python3', ['-c', check, made.zip], { encoding: 'utf8' })
      expect(said).toBe(
        `[('exactly 0xffffffff', 4294967295, False), ('behind', 5, True)]\n${String.raw`b'\x00\x00\x00\x00\x00'`}\n`,
      )
      if (has('unzip')) execFileSync('unzip', ['-tqq', made.zip, 'behind'])
      if (has('7z')) expect(execFileSync('7z', ['t', made.zip], { encoding: 'utf8' })).toContain('Everything is Ok')
      if (has('bsdtar')) {
        expect(
          execFileSync('sh', ['-c', `bsdtar -xOf - behind < "$0" | wc -c`, made.zip], { encoding: 'utf8' }).trim(),
        ).toBe('5')
      }
    } finally {
      made.dispose()
      rmSync(directory, { recursive: true })
    }
  },
  180_000,
)
