import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { endServices, startService, until, type Service } from './running.ts'
import { makeSite, type Site } from './site.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The whole agent on a machine whose clock is set while it works; the clocks of Rucio and of this test are right. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()
const day = 86_400_000

describeWithRucio('a clock that is set by a day', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site
  let services: Service[]

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `c${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    site.configure((config) => (config['schedule'] = { every: '1s' }))
    site.env['CLOCK_AHEAD'] = join(site.directory, 'ahead')
    site.env['NODE_OPTIONS'] = `--import=${join(import.meta.dirname, 'set-clock.ts')}`
    ahead(0)
    services = []
  })
  afterEach(async () => {
    await endServices(services)
    site.dispose()
  })

  function ahead(ms: number): void {
    const next = join(site.directory, 'next')
    writeFileSync(next, String(ms))
    renameSync(next, site.env['CLOCK_AHEAD']!)
  }
  function start(): Service {
    const service = startService(site)
    services.push(service)
    return service
  }
  const seed = (name: string, bytes = 20_000) =>
    seedDataset(bed, {
      scope,
      name,
      files: [{ name: `${name}/a.fits`, content: bytes > 1e6 ? Buffer.alloc(bytes, name) : content(name, bytes) }],
      closed: true,
      tag: 'TAPE:need',
    })
  const tagOf = async (name: string) => (await datasets(root).meta({ scope, name }))['arcBackup']
  const done = (name: string) => until(async () => (await tagOf(name)) === 'TAPE:done', 60_000)
  /** Takes a file away; returns what puts it back. */
  function lose(name: string): () => void {
    const path = join(bed.disk, scope, name, 'a.fits')
    renameSync(path, `${path}.away`)
    return () => renameSync(`${path}.away`, path)
  }
  const object = (name: string) => `${scope}/${name}/${name}.g1.1-1.zip`
  /** Each was written, confirmed and told once, and nothing else is there. */
  function expectOnce(log: string, names: readonly string[]): void {
    expect(site.objects()).toEqual(names.map(object).sort())
    for (const name of names)
      for (const what of ['frozen', 'object 1 of 1 written', 'object 1 of 1 confirmed', 'done'])
        expect([what, log.split(`${scope}:${name} ${what}`).length - 1]).toEqual([what, 1])
  }
  const status = async () => (await site.run('status')).out
  const summary = async () => {
    const { out } = await site.run('status', '--json')
    return JSON.parse(out) as {
      agent: { heardAt: string }
      pipelines: { polls: { polledAt: string }[]; pause: unknown; failed: number }[]
    }
  }

  test('ahead, back and behind: what is tagged then is polled for and done, once, and no time lies', async () => {
    const service = start()
    const names: string[] = []
    for (const [name, ms] of [
      ['now', 0],
      ['ahead', day],
      ['back', 0],
      ['behind', -day],
    ] as const) {
      ahead(ms)
      names.push(name)
      await seed(name)
      await done(name)
      // It says that it lives every ten seconds, and polls every second: what it says then is of the clock as it is.
      const near = (time: string) => Math.abs(Date.parse(time) - (Date.now() + ms)) < day / 2
      await until(async () => {
        const { agent, pipelines } = await summary()
        return near(agent.heardAt) && pipelines[0]!.polls.every(({ polledAt }) => near(polledAt))
      }, 180_000)
      expect(await status()).toMatch(/^Agent .* runs, started/u)
    }
    expect(await service.stop()).toMatchObject({ code: 0 })
    expectOnce(service.log(), names)
    expect(service.log()).not.toMatch(/\t(ERROR|WARNING)\t/u)
  }, 240_000)

  test.each([day, -day])(
    'by %i ms in the middle of packing, and before it is told: it is done, once',
    async (ms) => {
      site.configure((config) => (config['schedule'] = { every: '10s' })) // so that acknowledgements gather for three seconds
      await seed('big', 300_000_000)
      const service = start()
      await until(() => site.objects().some((path) => path.endsWith('.part')))
      ahead(ms)
      await until(() => service.log().includes(' confirmed'))
      ahead(0)
      await done('big')
      await until(() => service.log().includes('big done'))
      await service.stop()
      expectOnce(service.log(), ['big'])
    },
    120_000,
  )

  test('back, after something failed while it was ahead: it is tried again at once, not in a day', async () => {
    ahead(day)
    await seed('lost')
    const find = lose('lost')
    const service = start()
    await until(() => service.log().includes('lost held'))
    find()
    ahead(0)
    await done('lost')
    await until(async () => (await summary()).pipelines[0]!.failed === 0, 60_000)
    expect(site.objects()).toEqual([object('lost')])
  }, 120_000)

  test.each([day, -day])(
    'by %i ms while it is paused: it is probed, and goes on',
    async (ms) => {
      const service = start()
      await seed('first')
      await done('first')
      renameSync(site.vault, `${site.vault}.away`)
      await until(() => service.log().includes('pipeline main paused'))
      await seed('second')
      ahead(ms)
      expect(await status()).toContain('PAUSED')
      renameSync(`${site.vault}.away`, site.vault)
      await done('second')
      await until(() => service.log().includes('pipeline main goes on'))
      expect((await summary()).pipelines[0]!.pause).toBeNull()
      await service.stop()
      expectOnce(service.log(), ['first', 'second'])
    },
    120_000,
  )

  test.each([
    [day, 0],
    [0, -day],
    [0, day],
  ])(
    'between two runs --once (%i ms, then %i ms): what failed in the first is tried in the second',
    async (one, two) => {
      await seed('lost')
      await seed('other')
      const find = lose('lost')
      ahead(one)
      expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
      expect([await tagOf('lost'), await tagOf('other')]).toEqual(['TAPE:need', 'TAPE:done'])
      ahead(two)
      // It still fails: once in this run, which ends.
      const again = await site.run('run', '--once')
      expect(again).toMatchObject({ code: 3 })
      expect(again.err.split('lost held')).toHaveLength(2)
      find()
      const { code, err } = await site.run('run', '--once')
      expect([code, err]).toEqual([0, expect.stringContaining('lost done')])
      expect(site.objects()).toEqual(['lost', 'other'].map(object))
    },
    120_000,
  )

  test('while run --once works: it ends, with all of it done', async () => {
    await seed('big', 300_000_000)
    await seed('lost')
    lose('lost')
    const { child, ended } = site.start('run', '--once')
    let err = ''
    child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
    await until(() => site.objects().some((path) => path.endsWith('.part')) && err.includes('lost held'))
    ahead(-day)
    expect(await ended).toMatchObject({ code: 3 })
    expect(err.split('lost held').length).toBeLessThanOrEqual(3) // once by the clock as it was, once by the one set back
    expect(await tagOf('big')).toBe('TAPE:done')
    expect(site.objects()).toEqual([object('big')])
  }, 120_000)
})
