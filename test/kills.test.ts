import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { describeWithRucio } from './with-rucio.ts'
import { childrenOf } from './processes.ts'
import { makeSite, type Site } from './site.ts'

const rounds = 20
const scope = `k${randomBytes(5).toString('hex')}`

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It had ended by itself.
  }
}

/** Kills some of an agent's processes, as chance and operators do. */
const victims: readonly (readonly [who: string, kill: (control: number, movers: readonly number[]) => void])[] = [
  ['the control process', (control) => kill(control)],
  ['a mover', (_, movers) => movers.slice(0, 1).forEach(kill)],
  ['all of them', (control, movers) => [...movers, control].forEach(kill)],
]

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()
const check = `import sys,zipfile
for path in sys.argv[1:]: assert zipfile.ZipFile(path).testzip() is None, path`

describeWithRucio('an agent that is killed', (bed) => {
  let root: RucioRest
  let site: Site
  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
  })
  afterAll(() => site.dispose())
  const object = (name: string) => join(site.vault, scope, name, `${name}.g1.1-1.zip`)

  test(`kill -9 at ${rounds} random moments loses nothing, repeats nothing, and never makes done a lie`, async () => {
    const names: string[] = []
    const inodes = new Map<string, number>()
    const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']

    async function expectTruth(): Promise<void> {
      for (const name of names) {
        if ((await tagOf(name)) !== 'TAPE:done') continue
        expect(existsSync(object(name))).toBe(true)
        // What was done once is never written again.
        const { ino } = statSync(object(name))
        expect(inodes.get(name) ?? ino).toBe(ino)
        inodes.set(name, ino)
      }
    }

    for (let round = 0; round < rounds; round++) {
      for (const which of ['x', 'y']) {
        const name = `${round}${which}`
        names.push(name)
        const files = [
          { name: `${name}/large`, content: content(name, 4_000_000) },
          { name: `${name}/small`, content: content(`${name}s`, 500) },
        ]
        await seedDataset(bed, { scope, name, files, closed: true, tag: 'TAPE:need' })
      }
      const [who, strike] = victims[round % victims.length]!
      const { child, ended } = site.start('run', '--once')
      await sleep(150 + Math.random() * 700)
      const movers = childrenOf(child.pid!)
      strike(child.pid!, movers)
      const { code, signal } = await ended
      if (who === 'a mover') expect(signal).toBeNull()
      else expect(signal === 'SIGKILL' || code === 0).toBe(true)
      // Movers end by themselves when their parent is gone.
      for (const mover of movers)
        for (let waited = 0; existsSync(`/proc/${mover}`) && waited < 200; waited++) await sleep(50)
      expect(movers.filter((mover) => existsSync(`/proc/${mover}`))).toEqual([])
      await expectTruth()
    }

    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    for (const name of names) expect(await tagOf(name)).toBe('TAPE:done')
    expect(site.objects()).toEqual(names.map((name) => `${scope}/${name}/${name}.g1.1-1.zip`).sort())
    await expectTruth()
    execFileSync('python3', ['-c', check, ...names.map(object)])
  }, 240_000)
})
