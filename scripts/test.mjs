// Runs the tests: `node scripts/test.mjs` all of them, with a real Rucio; `--fast` those that need no server.
// The last line is `N passed, N failed, N skipped`. A skip is a failure where CI=true, but for want of /dev/fuse.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const fast = process.argv.includes('--fast')
const report = mkdtempSync(join(tmpdir(), 'tape-rse-report-'))
const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']

const run = (args, stdio = 'inherit') =>
  new Promise((resolve, reject) => {
    const child = spawn('node_modules/.bin/node', args, { stdio }) // the one that npm ci brought, whatever runs this
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })

/** Runs the tests below one folder; returns how many there were of each kind. */
async function jest(folder, ...more) {
  const file = join(report, `${folder}.json`)
  const code = await run(
    [...node, 'node_modules/jest/bin/jest.js', '--roots', folder, '--json', '--outputFile', file, ...more],
    ['ignore', 'ignore', 'inherit'],
  )
  const result = JSON.parse(readFileSync(file, 'utf8'))
  const skipped = result.numPendingTests + result.numTodoTests
  // Every suite that needs the FUSE mount begins with hpssfs.
  const forWantOfFuse = result.testResults
    .filter(({ name }) => /\/test\/hpssfs[\w-]*\.test\.ts$/u.test(name))
    .flatMap((suite) => suite.assertionResults.filter(({ status }) => status === 'pending')).length
  // A suite that does not load has no tests: it counts as one that failed. So does an exit code that nothing explains.
  const broken = result.testResults.filter(
    (suite) => suite.status === 'failed' && suite.assertionResults.length === 0,
  ).length
  const failed = result.numFailedTests + broken
  return { passed: result.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed, skipped, forWantOfFuse }
}

const totals = { passed: 0, failed: 0, skipped: 0, forWantOfFuse: 0 }
const add = (counts) => {
  for (const key of Object.keys(totals)) totals[key] += counts[key]
}

const quietly = ['ignore', 'ignore', 'inherit']
const versions = ['41.5.1', '38.5.5']
async function eachServer(what) {
  for (const version of versions) await run(['test/rucio/testbed.ts', what, version], quietly)
}

// The servers come up while the fast tests run.
const servers = fast ? null : eachServer('up')
try {
  add(await jest('src'))
  if (servers !== null) {
    await servers // a test that needs the server says why there is none
    add(await jest('test', '--maxWorkers', '3', '--testTimeout', '120000'))
  }
} finally {
  if (servers !== null) await eachServer('down')
  rmSync(report, { recursive: true, force: true })
}

const notAllowed = process.env.CI === 'true' && totals.skipped > totals.forWantOfFuse
if (notAllowed) console.log('A skipped test is a failure where CI=true.')
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed > 0 || totals.passed === 0 || notAllowed ? 1 : 0
