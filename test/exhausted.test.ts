import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { badLine, type BadLine } from '../src/testing/bad-line.ts'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { childrenOf } from './processes.ts'
import { seedDataset } from './rucio/testbed.ts'
import { endServices, startService, until, type Service } from './running.ts'
import { makeSite, type Site } from './site.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The whole agent on a machine that has no more open files, or no more memory, for it. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

/** Sets a limit of a running process, which it may raise again. */
const limit = (pid: number, resource: string, value: string) =>
  execFileSync('prlimit', [`--pid=${pid}`, `--${resource}=${value}`])

describeWithRucio('a machine that is exhausted', (bed) => {
  let root: RucioRest
  let scope: string
  let site: Site
  let services: Service[]
  let lines: BadLine[]

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `x${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    site.configure((config) => (config['schedule'] = { every: '1s' }))
    services = []
    lines = []
  })
  afterEach(async () => {
    await endServices(services)
    for (const line of lines) await line.close()
    site.dispose()
  })

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
  const done = (name: string) => until(async () => (await tagOf(name)) === 'TAPE:done')
  const object = (name: string) => `${scope}/${name}/${name}.g1.1-1.zip`
  const partWritten = () => until(() => site.objects().some((path) => path.endsWith('.part')))

  test('no more open files for Rucio: says so, and what to raise, and goes on by itself when it is raised', async () => {
    const line = await badLine(bed.url, 1, 0)
    lines.push(line)
    site.configure((config) => (config.rucio['host'] = line.url))
    await seed('first')
    const service = start()
    await done('first')
    const pid = service.child.pid!
    limit(pid, 'nofile', '3:')
    await until(() => {
      line.hangUp() // a connection that is kept needs no file more
      return service.log().includes('pipeline main paused')
    })
    expect(service.log()).toMatch(
      /too many open files \(EMFILE\).*LimitNOFILE.*code=(MACHINE_EXHAUSTED|CREDENTIAL_UNUSABLE)/u,
    )
    expect((await site.run('status')).out).toMatch(/PAUSED .*too many open files/u)
    await seed('second')
    limit(pid, 'nofile', '1024:')
    await done('second')
    expect((await site.run('status')).out).not.toContain('PAUSED')
    expect(site.objects()).toEqual([object('first'), object('second')])
    expect(await service.stop()).toMatchObject({ code: 0 })
  }, 240_000)

  test('few open files from the beginning: whatever fails of it, nothing is lost, and done is true', async () => {
    await seed('a')
    let refused = 0
    for (const files of [16, 21, 23, 25, 27, 30, 33, 36]) {
      const { code } = await site.runUnder(['prlimit', `--nofile=${files}`], 'run', '--once')
      if ((await tagOf('a')) === 'TAPE:done') expect([code, site.objects()]).toEqual([0, [object('a')]])
      else expect(code).not.toBe(0)
      if (code !== 0) refused++
    }
    expect(refused).toBeGreaterThan(0)
    await site.run('retry', `${scope}:a`)
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect([await tagOf('a'), site.objects()]).toEqual(['TAPE:done', [object('a')]])
  }, 240_000)

  test('no more memory for movers: they are replaced, and all is done', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `d${index}`)
    await seed('big', 400_000_000)
    const service = start()
    await partWritten()
    for (const mover of childrenOf(service.child.pid!)) limit(mover, 'data', '1')
    for (const name of names) await seed(name)
    await until(async () => {
      await site.run('retry', '--reason', 'MOVER_DIED')
      const tags = await Promise.all(['big', ...names].map(tagOf))
      return tags.every((tag) => tag === 'TAPE:done')
    })
    expect(site.objects()).toEqual(['big', ...names].map(object).sort())
    expect(service.log()).toContain('code=MOVER_DIED')
    expect(await service.stop()).toMatchObject({ code: 0 })
  }, 240_000)

  test('no more memory for the control process: it ends, and goes on where it stopped when it is started again', async () => {
    await seed('big', 400_000_000)
    const service = start()
    await partWritten()
    limit(service.child.pid!, 'data', '1')
    for (let index = 0; index < 20; index++) await seed(`d${index}`)
    expect((await service.ended).code).not.toBe(0)
    expect(await tagOf('big')).toBe('TAPE:need')
    const names = ['big', ...Array.from({ length: 20 }, (_, index) => `d${index}`)]
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await Promise.all(names.map(tagOf))).toEqual(names.map(() => 'TAPE:done'))
    expect(site.objects()).toEqual(names.map(object).sort())
  }, 240_000)
})
