import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adler32, hex32 } from '../io/adler32.ts'
import { recipe } from './recipe.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'recipe-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

// A shell, a glob, a path and unzip each have their own idea of what is special.
test.each(['a/plain', "it's", 'a b', '[1]', '*', 'x?y', '$HOME', '`id`', 'a;b', 'ümlaut', '-rf', '!x', '{a,b}'])(
  'takes "%s" out of a zip, and nothing else, and checks it',
  (name) => {
    const content = Buffer.from(`content of ${name}`)
    const zip = join(directory, "it's $a zip.zip")
    const script = `import sys,zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for name in ['1', 'decoy', 'xzy', sys.argv[2]]: z.writestr(name, 'content of ' + name)`
    execFileSync('python3', ['-c', script, zip, name])
    const sum = hex32(adler32(content))
    const to = join(directory, 'to')
    mkdirSync(to)
    try {
      const entry = { did: { scope: 's', name }, bytes: content.length, adler32: sum, md5: null }
      const said = execFileSync('bash', ['-e', '-c', recipe(zip, entry)], { cwd: to, encoding: 'utf8' })
      expect(said).toBe(`${sum}\n`)
      expect(readFileSync(join(to, name.slice(name.lastIndexOf('/') + 1)))).toEqual(content)
    } finally {
      rmSync(to, { recursive: true })
    }
  },
)
