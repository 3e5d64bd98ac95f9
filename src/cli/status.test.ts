import { expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Prints what a module loads, as a child process does whose modules are not jest's. */
const loaded = (module: string): readonly string[] => {
  const script = `
    const { registerHooks } = require('node:module')
    const urls = []
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
    import(process.argv[1]).then(() => console.log(JSON.stringify(urls)))`
  const path = join(import.meta.dirname, module)
  return JSON.parse(
    execFileSync(process.execPath, ['--no-warnings', '-e', script, path], { encoding: 'utf8' }),
  ) as string[]
}

/** What takes longer to load than `status` may take, and what it has no use for. */
const heavy =
  /\/node_modules\/(?:kysely|winston|axios|node-cron|zod)\/|\/src\/(?:app|agent|service|rucio\/[^/]*|mover\/[^/]*)\.ts$/u

test('status loads nothing of what archiving needs, nor what writes the catalog', () => {
  expect(loaded('status.ts').filter((url) => heavy.test(url))).toEqual([])
  expect(loaded('run.ts').filter((url) => heavy.test(url))).not.toEqual([])
})
