import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adler32, hex32 } from '../src/io/adler32.ts'
import { processAt } from '../src/io/processes.ts'
import { anyMover, type PackOrder, type VaultSettings } from '../src/model/order.ts'
import type { StuckMover } from '../src/model/stuck.ts'
import { zipFormat } from '../src/pack/zip.ts'
import { startMovers } from '../src/testing/movers.ts'
import { expectDocumented } from './documented.ts'
import { mountHpssfs, whyNoHpssfs, type Fault } from './hpssfs/mount.ts'
import { mountedSite, type MountedSite } from './mounted.ts'
import { childrenOf } from './processes.ts'
import { endServices, startService, until, type Service } from './running.ts'
import { describeUnless } from './skip.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The whole agent on a FUSE mount whose calls hang. */

interface Stuck {
  readonly pid: number
  readonly operation: string
  readonly path: string
  readonly freedBy: string
}
interface Status {
  readonly stuck: readonly Stuck[]
  readonly pipelines: readonly { readonly pause: { readonly problem: { readonly code: string } } | null }[]
}

const reason = await whyNoHpssfs()

describeUnless(reason, 'the agent on a FUSE mount that hangs')('on a mount that hangs', () => {
  describeWithRucio('an agent', (bed) => {
    let sites: MountedSite[]
    let services: Service[]
    beforeEach(() => {
      sites = []
      services = []
    })
    afterEach(async () => {
      for (const { mount } of sites) await mount.clearFaults().catch(() => undefined)
      await endServices(services)
      for (const each of sites) await each.dispose()
    })

    /** A site whose calls may take two seconds, and no more. */
    async function impatient(settings: Readonly<Record<string, unknown>> = {}): Promise<MountedSite> {
      const made = await mountedSite(bed, settings)
      sites.push(made)
      made.site.configure((config) => {
        Object.assign(config, { deadlines: { move: '2s', look: '2s' }, schedule: { every: '2s' }, grace: '1s' })
      })
      return made
    }
    const serve = ({ site }: MountedSite): Service => {
      const service = startService(site)
      services.push(service)
      return service
    }
    const statusOf = async ({ site }: MountedSite): Promise<Status> =>
      JSON.parse((await site.run('status', '--json')).out) as Status
    const isDone = (made: MountedSite, names: readonly string[]) => async () =>
      (await made.done(names)).length === names.length
    const says = (service: Service, text: string) => () => service.log().includes(text)

    /** Operations on an object's way to tape, and a dataset for each. */
    const steps = ['create', 'write', 'fsync', 'close', 'rename', 'mkdir', 'open', 'read', 'fsyncdir', 'stat']
    const names = steps.map((op) => `at-${op}-`)
    const hangAtEach = (scope: string, hang: Partial<Fault>): readonly Fault[] =>
      steps.map((op) => ({ op, path: `${scope}/at-${op}-*`, ...hang }))

    /** What became of datasets whose calls hang, by operation, and by how they do. */
    const outcomes = new Map<string, string>()

    test('calls that hang for a while are only slow', async () => {
      const { site, seed, mount, expectWhole, scope } = await impatient()
      for (const name of names) await seed(name)
      await mount.setFaults(...hangAtEach(scope, { hang: 0.3, count: 1 }))
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect((await mount.hits()).filter((hits) => hits === 0)).toEqual([])
      await expectWhole(names)
      for (const op of steps) outcomes.set(`${op} for a while`, 'done')
    }, 180_000)

    test('calls that hang for ever, but heed a signal, cost one dataset its turn, and hold no other up', async () => {
      const { site, seed, mount, expectWhole, scope, rows, done } = await impatient({ interrupt: 'eintr' })
      for (const name of [...names, 'other']) await seed(name)
      await mount.setFaults(...hangAtEach(scope, { hang: 'forever' }))
      expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
      expect((await mount.hits()).filter((hits) => hits === 0)).toEqual([])
      expect(await done([...names, 'other'])).toEqual(['other'])
      for (const { did, problems } of await rows()) {
        const [, name] = did.split(':')
        if (name === 'other') continue
        const message = expect.stringMatching(`${mount.root}/${scope}/${name!}/.*longer than 2 s`) as unknown
        expect(problems).toMatchObject([{ code: 'MOVER_STALLED', message, hint: expect.stringMatching('deadlines') }])
        outcomes.set(`${name!.slice(3, -1)} heeding`, problems[0]!.code)
      }
      await mount.clearFaults()
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await expectWhole([...names, 'other'])
    }, 180_000)

    test('a mount that hangs as a whole, but heeds a signal, pauses its pipeline, and no dataset is to blame', async () => {
      const { site, seed, mount, expectWhole, rows } = await impatient({ interrupt: 'eintr' })
      await seed('first')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await seed('hangs')
      await mount.setFaults({ op: 'fsync', hang: 'forever' })
      const { ended } = site.start('run', '--once')
      await until(async () => (await mount.hits())[0]! > 0)
      await mount.ctl('faults.add', { faults: [{ op: '*', hang: 'forever' }] })
      const { code, err } = await ended
      expect([code, err]).toEqual([5, expect.stringContaining('VAULT_HANGS')])
      expect((await rows()).flatMap(({ problems }) => problems)).toEqual([])
      await mount.clearFaults()
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await expectWhole(['first', 'hangs'])
    }, 180_000)

    /** A call that hangs for ever whatever the signal, and what frees it: the server answers, or the command that `status` tells. */
    async function hangForGood(fault: Fault, freed: 'by the server' | 'by the command'): Promise<void> {
      const made = await impatient()
      const { site, mount, scope } = made
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await mount.setFaults({ ...fault, hang: 'forever' })
      await made.seed('hangs')
      const service = serve(made)
      await until(says(service, 'MOVER_STUCK'), 90_000)

      const { stuck, pipelines } = await statusOf(made)
      expect(pipelines[0]!.pause!.problem.code).toBe('MOVER_STUCK')
      if (fault.path !== undefined) outcomes.set(`${String(fault.op)} ignoring`, 'MOVER_STUCK, paused')
      expect(stuck.map(({ path }) => path.startsWith(mount.root))).toEqual(stuck.map(() => true))
      expect((await site.run('status')).out).toMatch(/STUCK: mover \d+ hangs .*does not end/u)
      expect((await site.run('explain', `${scope}:hangs`)).out).toContain('has not ended since it was killed')
      await made.seed('other')
      expect(await made.done(['hangs', 'other'])).toEqual([])

      if (freed === 'by the server') await mount.clearFaults()
      else {
        for (const { freedBy } of stuck) execFileSync('sh', ['-c', freedBy])
        execFileSync('umount', ['-l', mount.root])
        await mount.clearFaults()
        await mount.ctl('mount')
      }
      await until(isDone(made, ['hangs', 'other']), 90_000)
      await until(async () => (await statusOf(made)).stuck.length === 0)
      expect((await service.stop()).code).toBe(0)
      await made.expectContent(['hangs', 'other'])
    }
    const forGood: readonly Fault[] = [
      ...steps.map((op): Fault => ({ op, path: '*hangs*' })),
      { op: 'statfs' },
      { op: 'stat' },
      { op: '*' },
    ]
    const mayAbort = process.getuid!() === 0

    // Half of them at once: they mostly wait.
    test.each([
      [0, 'by the server'],
      [1, 'by the command'],
    ] as const)(
      'calls that hang for ever, whatever the signal, stop neither status, explain nor a stop; freed, the work goes on (%i, %s)',
      async (half, how) => {
        const freed = mayAbort ? how : 'by the server'
        const faults = forGood.filter((_, index) => index % 2 === half)
        const results = await Promise.allSettled(faults.map((fault) => hangForGood(fault, freed)))
        expect(
          results.flatMap((each, index) => (each.status === 'rejected' ? [[faults[index], each.reason]] : [])),
        ).toEqual([])
      },
      240_000,
    )

    test('what comes of a hang at each operation is what docs/reliability.md says', async () => {
      const ways = ['for a while', 'heeding', 'ignoring']
      const rows = steps.map((op) => [op, ...ways.map((way) => outcomes.get(`${op} ${way}`) ?? 'not seen')])
      const heads = ['operation', 'for a while', 'for ever, heeding SIGKILL', 'for ever, ignoring it']
      await expectDocumented('hangs', [heads, ...rows])
    })

    test('a mount that hangs for ever holds up no pipeline but its own', async () => {
      const [made, other] = [await impatient(), await impatient()]
      made.site.configure(({ pipelines }) => {
        const [first] = pipelines
        pipelines.push({
          name: 'second',
          source: { ...first!.source, scopes: [other.scope] },
          vault: { ...first!.vault, root: other.mount.root },
        })
      })
      await made.mount.setFaults({ op: '*', hang: 'forever' })
      await made.seed('hangs')
      const service = serve(made)
      await until(says(service, 'MOVER_STUCK'))
      await other.seed('well')
      await until(isDone(other, ['well']))
      expect(await made.done(['hangs'])).toEqual([])
      await made.mount.clearFaults()
      await until(isDone(made, ['hangs']))
      expect((await service.stop()).code).toBe(0)
    }, 180_000)

    test('an agent whose mover hangs stops within its grace, and the next one counts that mover and goes on when it is free', async () => {
      const made = await impatient()
      made.site.configure((config) => (config['deadlines'] = { move: '30m', look: '30m' }))
      await made.mount.setFaults({ op: 'fsync', path: '*hangs*', hang: 'forever' })
      await made.seed('hangs')
      const first = serve(made)
      await until(async () => (await made.mount.hits())[0]! > 0)
      expect((await first.stop()).code).toBe(0)
      const [hanging] = (await statusOf(made)).stuck
      expect(hanging).toMatchObject({ operation: 'sync', path: expect.stringContaining('hangs') as unknown })

      const next = serve(made)
      await until(says(next, 'MOVER_STUCK'))
      expect((await statusOf(made)).stuck.map(({ pid }) => pid)).toEqual([hanging!.pid])
      await made.mount.clearFaults()
      await until(isDone(made, ['hangs']))
      expect(processAt(hanging!.pid)).toBeNull()
      expect((await next.stop()).code).toBe(0)
      await made.expectContent(['hangs'])
    }, 180_000)

    test('a mover that hangs while its agent is killed is found by the next one, and wakes up too late to publish', async () => {
      const made = await impatient()
      await made.seed('hangs')
      await made.mount.setFaults({ op: 'read', path: '*hangs*', hang: 'forever' })
      const first = serve(made)
      await until(async () => (await made.mount.hits())[0]! > 0)
      first.child.kill('SIGKILL')
      await first.ended
      const next = serve(made)
      await until(says(next, 'MOVER_STUCK'))
      const { stuck } = await statusOf(made)
      expect(stuck).toMatchObject([{ operation: 'read back', path: expect.stringContaining('hangs') as unknown }])
      await made.mount.clearFaults()
      await until(isDone(made, ['hangs']))
      expect(next.log()).not.toContain('was there already')
      await made.expectContent(['hangs'])
    }, 180_000)

    test('a mount that is taken away by force and made anew is used at once, though a mover hangs on the old one', async () => {
      const made = await impatient()
      const { mount, site } = made
      await made.seed('hangs')
      await mount.setFaults({ op: 'write', path: '*hangs*', hang: 'forever', count: 1 })
      const service = serve(made)
      await until(says(service, 'MOVER_STUCK'))
      const [hanging] = (await statusOf(made)).stuck
      execFileSync('umount', ['-l', mount.root])
      const anew = await mountHpssfs({}, mount)
      try {
        await until(isDone(made, ['hangs']))
        expect((await statusOf(made)).stuck.map(({ pid }) => pid)).toEqual([hanging!.pid])
        await mount.clearFaults()
        await until(() => processAt(hanging!.pid) === null)
        expect((await service.stop()).code).toBe(0)
        await made.expectContent(['hangs'])
        expect(site.objects()).toHaveLength(1)
      } finally {
        await anew.unmount()
      }
    }, 180_000)
  })

  test('one mover hangs on a mount at most, and other mounts have theirs', async () => {
    const [vaultMount, sourceMount] = [await mountHpssfs(), await mountHpssfs()]
    const directory = mkdtempSync(join(tmpdir(), 'hangs-'))
    const told: (readonly StuckMover[])[] = []
    const movers = startMovers({
      ...{ movers: 1, deadlines: { move: 2000, look: 2000 }, killMs: 1000, whereabouts: join(directory, 'movers') },
      onStuck: (stuck) => void told.push(stuck),
    })
    const never = new AbortController().signal
    const vault: VaultSettings = {
      root: vaultMount.root,
      mount: vaultMount.root,
      publish: 'rename',
      minFree: 0,
      owner: 'us',
    }
    const check = () => movers.run<'check'>({ kind: 'check', vault, known: false }, anyMover, never)
    const look = () =>
      movers.run<'inspect'>({ kind: 'inspect', sourceRoot: sourceMount.root, files: [] }, anyMover, never)
    try {
      const content = Buffer.alloc(100_000, 'x')
      const path = join(sourceMount.root, 'file')
      writeFileSync(path, content)
      const member = { name: 'file', path, bytes: content.length, adler32: hex32(adler32(content)), md5: null }
      const members = [member]
      const manifest = '{}'
      const bytes = zipFormat().overhead(manifest.length, members) + manifest.length + content.length
      const object = { manifest, time: 0, members, bytes }
      const pack: PackOrder = {
        kind: 'pack',
        vault,
        location: 's/d/d.g1.1-1.zip',
        attempt: 1,
        sourceRoot: sourceMount.root,
        object,
      }
      await check()

      await sourceMount.setFaults({ op: 'open', path: 'file', hang: 'forever' })
      const stuck = { code: 'MOVER_STUCK', message: expect.stringContaining(`(read ${path})`) }
      const hanging = movers.run<'pack'>(pack, anyMover, never)
      // It waits for the one place that there is to move data, which the other gives up.
      const healthy = join(directory, 'file')
      writeFileSync(healthy, content)
      const other = movers.run<'pack'>(
        {
          ...{ ...pack, location: 's/e/e.g1.1-1.zip', sourceRoot: directory },
          object: { ...object, members: [{ ...member, path: healthy }] },
        },
        anyMover,
        never,
      )
      await expect(hanging).rejects.toMatchObject(stuck)
      await expect(other).resolves.toMatchObject({ answer: { bytes } })
      const children = childrenOf(process.pid)
      for (let again = 0; again < 5; again++) {
        await expect(look()).rejects.toMatchObject(stuck)
        await expect(movers.run<'pack'>({ ...pack, attempt: 2 }, anyMover, never)).rejects.toMatchObject(stuck)
      }
      expect(childrenOf(process.pid)).toEqual(children)
      await expect(check()).resolves.toMatchObject({ answer: { freeBytes: expect.any(Number) } })

      await sourceMount.clearFaults()
      await until(() => told.at(-1)?.length === 0)
      expect(told.map((all) => all.map(({ operation, path: at }) => [operation, at]))).toEqual([[['read', path]], []])
      await expect(movers.run<'pack'>({ ...pack, attempt: 2 }, anyMover, never)).resolves.toMatchObject({
        answer: { bytes },
      })
    } finally {
      await sourceMount.clearFaults()
      await movers.close()
      await vaultMount.unmount()
      await sourceMount.unmount()
      rmSync(directory, { recursive: true })
    }
  }, 30_000)
})
