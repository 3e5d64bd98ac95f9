import { randomBytes, randomFillSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { datasets, fileOf, signIn } from '../src/testing/rucio-rest.ts'
import { startRucio } from '../test/rucio/testbed.ts'
import { makeSite } from '../test/site.ts'
import { command, timed, type Result } from './measure.ts'

const count = 200
const never = new AbortController().signal

/** 200 datasets of two files (8 MiB + 4 KiB), from `need` to `done`, on a real Rucio on this machine; the vault on tmpfs. */
export async function benchAgent(): Promise<readonly Result[]> {
  const bed = await startRucio({}, never)
  const root = await signIn(bed.url, bed.root)
  const scope = `b${randomBytes(5).toString('hex')}`
  const vault = mkdtempSync('/dev/shm/tape-rse-bench-')
  const site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope], vault)
  try {
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    await seed(scope, bed.disk, root)
    const copy = await timed(() => command('cp', ['-r', join(bed.disk, scope), join(vault, 'copy')]))
    rmSync(join(vault, 'copy'), { recursive: true })

    const access = join(bed.logs, 'rucio.log')
    const before = statSync(access).size
    const began = performance.now()
    const { code, err } = await site.run('run', '--once')
    const seconds = (performance.now() - began) / 1000
    if (code !== 0) throw new Error(`Cannot archive: exit code ${code ?? 'none'}\n${err.slice(-2000)}`)
    const calls = readFileSync(access, 'utf8')
      .slice(before)
      .split('\n')
      .filter((line) => /"(?:GET|POST) /u.test(line)).length
    return [
      {
        what: `${count} datasets of 8 MiB + 4 KiB, need to done, each`,
        value: (1000 * seconds) / count,
        unit: 'ms',
        aim: 40,
      },
      { what: 'calls to Rucio, each', value: calls / count, unit: 'calls', aim: 0.5 },
      { what: `all in / cp -r (${copy.toFixed(2)} s)`, value: seconds / copy, unit: 'x', aim: null },
    ]
  } finally {
    site.dispose()
    rmSync(vault, { recursive: true, force: true })
    rmSync(join(bed.disk, scope), { recursive: true, force: true })
  }
}

async function seed(scope: string, disk: string, root: Awaited<ReturnType<typeof signIn>>): Promise<void> {
  const calls = datasets(root)
  const content = { large: Buffer.alloc(8 * 2 ** 20), small: Buffer.alloc(4096) }
  for (let index = 0; index < count; index++) {
    const files = Object.entries(content).map(([kind, bytes]) => {
      const name = `${index}/${kind}`
      const path = join(disk, scope, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, randomFillSync(bytes))
      return fileOf({ scope, name }, bytes)
    })
    const did = { scope, name: `ds${index}` }
    await calls.addReplicas('DISK', files)
    await calls.create(did)
    await calls.attach(did, files)
    await calls.close(did)
    await calls.tag(did, { arcBackup: 'TAPE:need' })
  }
}
