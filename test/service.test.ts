import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { datasets, fileOf, signIn, type Login, type RucioRest } from '../src/testing/rucio-rest.ts'
import { RUCIO_VERSION, seedDataset, type RucioBed } from './rucio/testbed.ts'
import { describeWithEachRucio } from './with-rucio.ts'
import { childrenOf } from './processes.ts'
import { endServices, startService, until, type Service } from './running.ts'
import { makeSite, type Site, type SiteConfig } from './site.ts'

/** The agent as a service: the built command, started as systemd would, on real servers. */

const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()

describeWithEachRucio('tape-rse run', (bed) => {
  let root: RucioRest
  let agent: Login
  let scope: string
  let site: Site
  let services: Service[]

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
    // An account of its own: another test ends the tokens of the one that all share.
    const account = `s${randomBytes(5).toString('hex')}`
    agent = { account, username: account, password: `secret of ${account}` }
    await root.ok('POST', `/accounts/${account}`, { type: 'SERVICE', email: 'nobody@example.org' })
    const headers = {
      'X-Rucio-Username': account,
      'X-Rucio-Password': agent.password,
      'X-Rucio-Email': 'a@example.org',
    }
    await root.call('PUT', `/identities/${account}/userpass`, undefined, headers)
    await root.ok('POST', `/accounts/${account}/attr/admin`, { key: 'admin', value: 'true' })
  })
  beforeEach(async () => {
    scope = await newScope()
    site = siteFor(bed.url)
    services = []
  })
  afterEach(async () => {
    await endServices(services)
    site.dispose()
  })

  async function newScope(): Promise<string> {
    const name = `s${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${name}`)
    return name
  }
  function siteFor(url: string): Site {
    const made = makeSite({ url, agent, disk: bed.disk }, [scope])
    made.configure((config) => (config['schedule'] = { every: '1s' }))
    return made
  }
  function start(): Service {
    const service = startService(site)
    services.push(service)
    return service
  }
  const seed = (name: string, more: { scope?: string; tag?: string | null; closed?: boolean; bytes?: number } = {}) =>
    seedDataset(bed, {
      scope: more.scope ?? scope,
      name,
      files: [
        {
          name: `${name}/a.fits`,
          content: more.bytes === undefined ? content(name, 20_000) : Buffer.alloc(more.bytes),
        },
        { name: `${name}/b.yaml`, content: content(`${name}b`, 150) },
      ],
      closed: more.closed ?? true,
      tag: more.tag === undefined ? 'TAPE:need' : more.tag,
    })
  const tagOf = async (name: string, where = scope) => (await datasets(root).meta({ scope: where, name }))['arcBackup']
  const done = (name: string, where = scope) => until(async () => (await tagOf(name, where)) === 'TAPE:done')
  const stateOf = async (name: string) => {
    const { out } = await site.run('list', `${scope}:${name}`, '--json')
    return (
      JSON.parse(out) as { state: string; held: boolean; problems: { code: string; message: string; hint: string }[] }[]
    ).at(-1)
  }
  const partWritten = () => until(() => site.objects().some((path) => path.endsWith('.zip.1.part')))
  const object = (name: string) => `${scope}/${name}/${name}.g1.1-1.zip`

  test('takes what is closed and tagged while it runs, and stops cleanly', async () => {
    await seed('early')
    await seed('late', { tag: null, closed: false })
    const service = start()
    await done('early')
    await datasets(root).close({ scope, name: 'late' })
    await datasets(root).tag({ scope, name: 'late' }, { arcBackup: 'TAPE:need' })
    await done('late')
    expect((await site.run('status')).out).toMatch(/^Agent .* runs, started/u)
    expect(await service.stop()).toMatchObject({ code: 0, signal: null })
    expect(site.objects()).toEqual([object('early'), object('late')])
    expect((await site.run('status')).out).toMatch(/^Agent .* ended/u)
    // A change of state is a line of the log, once.
    const lines = service.log().split('\n')
    for (const what of ['frozen', 'object 1 of 1 written', 'object 1 of 1 confirmed', 'done'])
      expect(lines.filter((line) => line.includes(`\tINFO\t${scope}:early ${what}`))).toHaveLength(1)
  }, 180_000)

  test('takes a scope that is added by a change of the file, by SIGHUP, and by a restart', async () => {
    const [second, third, fourth] = [await newScope(), await newScope(), await newScope()]
    for (const where of [scope, second, third, fourth]) await seed('ds', { scope: where })
    const add = (where: string) =>
      site.configure((config) => (config.pipelines[0]!.source['scopes'] as string[]).push(where))
    const service = start()
    await done('ds')

    add(second)
    await done('ds', second)
    expect(service.log()).toContain('new config in force: pipelines[main].source.scopes')

    add(third)
    service.child.kill('SIGHUP')
    await done('ds', third)
    await service.stop()

    add(fourth)
    start()
    await done('ds', fourth)
  }, 180_000)

  test('serves two pipelines, each with its RSE and its vault', async () => {
    const other = join(site.directory, 'other')
    mkdirSync(other)
    site.configure((config: SiteConfig) => {
      const [first] = config.pipelines
      config.pipelines.push({
        name: 'second',
        source: { ...first!.source, tapeRse: 'OTHER' },
        vault: { ...first!.vault, root: other },
      })
    })
    await seed('a')
    await seed('b', { tag: 'OTHER:need' })
    start()
    await done('a')
    await until(async () => (await tagOf('b')) === 'OTHER:done')
    expect(site.objects()).toEqual([object('a')])
    expect(readdirSync(join(other, scope, 'b'))).toEqual(['b.g1.1-1.zip'])
  }, 180_000)

  test('pauses while Rucio is away, says so once, and goes on when it is back', async () => {
    const door = await openDoor(new URL(bed.url).port)
    site.dispose()
    site = siteFor(`http://127.0.0.1:${door.port}`)
    try {
      await seed('before')
      const service = start()
      await done('before')
      await door.shut()
      await until(() => service.log().includes('pipeline main paused'))
      await seed('meanwhile')
      const { out } = await site.run('status')
      expect(out).toMatch(/PAUSED .*Cannot/u)
      await door.open()
      await done('meanwhile')
      await until(() => service.log().includes('pipeline main goes on'))
      expect(service.log().split('pipeline main paused')).toHaveLength(2)
      expect(service.log()).not.toMatch(/^\s+at /mu)
      expect((await site.run('status')).out).not.toContain('PAUSED')
    } finally {
      await door.shut()
    }
  }, 180_000)

  // Before 41 each takes a call more, and nothing else is different: a part of a day shows it.
  const backlog = bed.version === RUCIO_VERSION ? 1000 : 100
  test(`archives a day of ${backlog} datasets while another client keeps writing other keys to them`, async () => {
    const names = await seedMany(bed, root, scope, backlog)
    const service = start()
    let writing = true
    const disturb = async (offset: number) => {
      for (let index = offset; writing; index = (index + 7) % names.length) {
        await datasets(root)
          .tag({ scope, name: names[index]! }, { other: index })
          .catch(() => undefined)
        await sleep(25)
      }
    }
    const clients = [disturb(0), disturb(3)]
    try {
      await until(async () => {
        await sleep(1000)
        const { out, code } = await site.run('status', '--json')
        if (code !== 0) return false
        const { pipelines } = JSON.parse(out) as { pipelines: { targets: { state: string; count: number }[] }[] }
        return (
          pipelines[0]?.targets.some(({ state, count }) => state === 'acknowledged' && count === names.length) === true
        )
      }, 400_000)
    } finally {
      writing = false
      await Promise.all(clients)
    }
    // What another client's write undid since is found by the next poll, and set again without packing.
    await until(async () => {
      const tags = await Promise.all(names.map((name) => tagOf(name)))
      return tags.every((tag) => tag === 'TAPE:done')
    })
    expect(site.objects()).toHaveLength(names.length)
    expect(await service.stop()).toMatchObject({ code: 0 })
    expect(service.log()).not.toContain('\tERROR\t')
  }, 480_000)

  // How the agent is stopped, reloaded and spoken to is the same whatever the server.
  if (bed.version !== RUCIO_VERSION) return

  test('keeps the old config when the new one is invalid, or changes what cannot change, and says so once', async () => {
    const service = start()
    await until(() => existsSync(site.catalog))
    const said = (text: string) => service.log().split(text).length - 1
    const vault = join(site.directory, 'vault')
    site.configure((config) => (config.pipelines[0]!.vault['root'] = `${vault}2`))
    await until(() => said('pipelines[main].vault.root cannot change while the agent runs') > 0)
    site.configure((config) => {
      config.pipelines[0]!.vault['root'] = vault
      config['movers'] = 0
    })
    await until(() => said('movers: has to be 1 or more') > 0)
    await seed('a')
    await done('a')
    expect(said('cannot change while the agent runs')).toBe(1)
    expect(said('movers: has to be 1 or more')).toBe(1)
    site.configure((config) => (config['movers'] = 3))
    await until(() => said('new config in force: movers') > 0)
    expect(await service.stop()).toMatchObject({ code: 0 })
  }, 180_000)

  describe('at SIGTERM', () => {
    test('in the middle of packing, lets the object be finished, and begins nothing more', async () => {
      await seed('big', { bytes: 300_000_000 })
      const service = start()
      await partWritten()
      expect(await service.stop()).toMatchObject({ code: 0, signal: null })
      const { out } = await site.run('status', '--json')
      const { pipelines } = JSON.parse(out) as { pipelines: { bundles: { state: string }[] }[] }
      expect(pipelines[0]!.bundles).toMatchObject([{ state: 'written' }])
      expect(await tagOf('big')).toBe('TAPE:need')
      start()
      await done('big')
      expect(site.objects()).toEqual([object('big')])
    }, 180_000)

    test.each(['written', 'confirmed'])(
      'abandons what takes longer than its grace (before it is %s), and goes on later',
      async (state) => {
        site.configure((config) => (config['grace'] = '1ms'))
        await seed('big', { bytes: 400_000_000 })
        const service = start()
        await partWritten()
        if (state === 'confirmed') await until(() => service.log().includes(' written'))
        expect(await service.stop()).toMatchObject({ code: 0, signal: null })
        expect(service.log()).not.toContain(` ${state}`)
        expect(await tagOf('big')).toBe('TAPE:need')
        start()
        await done('big')
        expect(site.objects()).toEqual([object('big')])
      },
      180_000,
    )

    test('ends at once, with 130, when a second signal comes', async () => {
      await seed('big', { bytes: 400_000_000 })
      const service = start()
      await partWritten()
      service.child.kill('SIGTERM')
      await until(() => service.log().includes('stopping'))
      service.child.kill('SIGINT')
      expect(await service.ended).toMatchObject({ code: 130 })
    }, 180_000)
  })

  test('drains by command, also over a restart, and resumes', async () => {
    await seed('a')
    const service = start()
    await done('a')
    expect((await site.run('drain', '--why', 'HPSS is being upgraded', '--wait')).out).toContain('nothing moves')
    await service.stop()
    await seed('b')
    const second = start()
    expect((await site.run('status')).out).toMatch(/DRAINED .*HPSS is being upgraded.*nothing moves/u)
    await sleep(3000)
    expect(second.log()).not.toContain(`${scope}:b`)
    expect(await site.run('run', '--once')).toMatchObject({ code: 11 })
    await site.run('resume')
    await done('b')
    expect((await site.run('status')).out).not.toContain('DRAINED')
  }, 180_000)

  test('holds, releases and retries, by DID, by glob and by reason', async () => {
    await site.run('run', '--once') // a catalog for the commands
    expect((await site.run('hold', `${scope}:x1`, '--why', 'the PI asked')).code).toBe(0)
    for (const name of ['x1', 'x2']) await seed(name)
    const service = start()
    await done('x2')
    const { answer } = (
      JSON.parse((await site.run('explain', `${scope}:x1`, '--json')).out) as { answer: string }[]
    )[0]!
    expect(answer).toContain('a person holds it back: the PI asked')
    expect((await site.run('list', '--state', 'held')).out).toContain('by a person: the PI asked')
    expect(await site.run('release', `${scope}:*`)).toMatchObject({
      code: 0,
      out: expect.stringContaining('x1 is released'),
    })
    await done('x1')

    await seed('y', { bytes: 0 })
    await datasets(root).tag({ scope, name: 'y' }, { arcBackup: 'cancelled' })
    await root.ok('POST', `/dids/${scope}/empty`, { type: 'DATASET' })
    await datasets(root).close({ scope, name: 'empty' })
    await datasets(root).tag({ scope, name: 'empty' }, { arcBackup: 'TAPE:need' })
    await until(async () => (await stateOf('empty'))?.held === true)
    expect((await site.run('status')).out).toContain('DATASET_EMPTY (held)')
    const before = service.log().split('held: Cannot').length
    expect((await site.run('retry', '--reason', 'DATASET_EMPTY')).out).toContain('is tried again now')
    await until(() => service.log().split('held: Cannot').length > before)
    expect(await site.run('retry', `${scope}:nothing`)).toMatchObject({ code: 1 })
    expect(await site.run('retry', '--reason', 'NONSENSE')).toMatchObject({ code: 2 })
  }, 180_000)

  test('shows what moves while it moves', async () => {
    await seed('big', { bytes: 1_500_000_000 })
    const { child } = start()
    const movers = (signal: NodeJS.Signals) => {
      for (const pid of childrenOf(child.pid!)) process.kill(pid, signal)
    }
    await partWritten()
    movers('SIGSTOP') // in the middle, for as long as a look takes
    // Progress is written down every two seconds: let it tell once, and stop it again.
    await sleep(2500)
    movers('SIGCONT')
    await sleep(100)
    movers('SIGSTOP')
    interface Moving {
      pipelines: { moving: { did: { name: string }; doing: string; moved: number; bytes: number }[] }[]
    }
    const { out } = await site.run('status', '--json')
    const [move] = (JSON.parse(out) as Moving).pipelines[0]!.moving
    expect(move).toMatchObject({ did: { name: 'big' }, doing: 'writing' })
    expect(move!.moved).toBeGreaterThan(0)
    expect(move!.moved).toBeLessThan(move!.bytes)
    expect((await site.run('status')).out).toMatch(/Moving now:.*big 1 of 1 \| written .*B\/s/su)
    movers('SIGCONT')
    await done('big')
  }, 180_000)
})

/** Makes datasets of two small files each, some at a time. */
async function seedMany(bed: RucioBed, root: RucioRest, scope: string, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, index) => `ds${index}`)
  const calls = datasets(root)
  const filesOf = (name: string) =>
    ['a', 'b'].map((file) => {
      const bytes = Buffer.from(`${scope} ${name} ${file}`)
      const path = join(bed.disk, scope, name, file)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, bytes)
      return fileOf({ scope, name: `${name}/${file}` }, bytes)
    })
  const files = new Map(names.map((name) => [name, filesOf(name)]))
  await calls.addReplicas('DISK', [...files.values()].flat())
  const queue = [...names]
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      await calls.create({ scope, name })
      await calls.attach({ scope, name }, files.get(name)!)
      await calls.close({ scope, name })
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  const dids = names.map((name) => ({ scope, name, meta: { arcBackup: 'TAPE:need' } }))
  await root.ok('POST', '/dids/bulkdidsmeta', { dids })
  return names
}

interface Door {
  readonly port: number
  open(): Promise<void>
  /** Ends all connections, and refuses new ones. */
  shut(): Promise<void>
}

/** What stands between the agent and a port of this machine, and can be shut: to the agent, the server has stopped. */
async function openDoor(port: string): Promise<Door> {
  const sockets = new Set<Socket>()
  let server: Server | null = null
  let own = 0
  const open = async () => {
    server = createServer((client) => {
      const target = connect(Number(port), '127.0.0.1')
      for (const socket of [client, target]) {
        sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => sockets.delete(socket))
      }
      client.pipe(target).pipe(client)
    })
    await new Promise<void>((resolve) => server!.listen(own, '127.0.0.1', resolve))
    own = (server.address() as { port: number }).port
  }
  await open()
  return {
    port: own,
    open,
    async shut() {
      const closing = server
      server = null
      if (closing === null) return
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => closing.close(resolve))
    },
  }
}
