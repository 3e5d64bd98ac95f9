import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expectDocumented } from './documented.ts'
import { mountHpssfs, whyNoHpssfs, type Fault } from './hpssfs/mount.ts'
import { mountedSite, type MountedSite } from './mounted.ts'
import { endServices, startService, until } from './running.ts'
import { describeUnless } from './skip.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The whole agent on a real FUSE mount that behaves like HPSSFS, and fails on command. */

const reason = await whyNoHpssfs()

describeUnless(reason, 'the agent on a FUSE mount that fails')('on a mount of HPSS', () => {
  describeWithRucio('tape-rse run --once', (bed) => {
    let made: MountedSite
    let { site, mount, scope, seed, done, rows, expectContent, expectWhole } = {} as MountedSite
    beforeEach(async () => {
      made = await mountedSite(bed)
      ;({ site, mount, scope, seed, done, rows, expectContent, expectWhole } = made)
    })
    afterEach(() => made.dispose())

    test('writes each object once, forward alone, and makes it durable before it says done', async () => {
      await mount.ctl('config', { names: 'fsyncdir' })
      const names = ['plain', '2026/with/slashes']
      for (const name of names) await seed(name)
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await done(names)).toEqual(names)
      await expectWhole(names)
      expect(await mount.ctl('stats')).toMatchObject({ undurableNames: 0 })
    }, 180_000)

    const operations = [
      ...['create', 'write', 'fsync', 'close', 'rename', 'mkdir', 'stat', 'open', 'read', 'opendir', 'fsyncdir'],
      'unlink',
    ]
    /** A dataset for each error at each operation, by its name, and the fault that it meets. */
    const cases = (errors: readonly string[], ops: readonly string[], more: Partial<Fault> = {}) =>
      errors.flatMap((error) =>
        ops.map((op) => {
          const name = `${error}-${op}-`
          return { name, error, op, fault: { op, path: `${scope}/${name}*`, error, ...more } }
        }),
      )
    /** Something is removed only after something has failed. */
    const thatTheyMeet = (all: ReturnType<typeof cases>): readonly Fault[] => [
      ...all.map(({ fault }) => fault),
      ...all.flatMap(({ op, fault: { path } }): readonly Fault[] =>
        op === 'unlink' ? [{ op: 'fsync', path, error: 'EIO', count: 1 }] : [],
      ),
    ]

    /** What became of each dataset while its fault stood, by the name of the dataset; they are `done` when it is gone. */
    const outcomes = new Map<string, string>()
    const errors = ['EIO', 'EACCES', 'ESTALE', 'ENOTCONN', 'ENOSPC', 'EDQUOT']

    test('each error at each operation, once, ends in done, and each object is whole', async () => {
      const all = cases(errors, operations, { count: 1 })
      const names = all.map(({ name }) => name)
      for (const name of names) await seed(name)
      await mount.setFaults(...thatTheyMeet(all))
      for (let run = 0; run < 3; run++) await site.run('run', '--once')
      expect(await done(names)).toEqual(names)
      const hits = await mount.hits()
      expect(all.filter((_, index) => hits[index] === 0)).toEqual([])
      await expectWhole(names)
    }, 240_000)

    test('errors at an operation for good are said with what they are, and never end in done; nor do they hold others up', async () => {
      const all = [...cases(errors, operations), ...cases(['EPERM', 'ENOSYS', 'EXDEV'], ['rename'])]
      const names = all.map(({ name }) => name)
      for (const name of [...names, 'other']) await seed(name)
      await mount.setFaults(...thatTheyMeet(all))
      for (let run = 0; run < 2; run++) {
        const { code, err } = await site.run('run', '--once')
        expect([code, err]).toEqual([3, expect.not.stringContaining('paused')])
      }
      expect(await done([...names, 'other'])).toEqual(['other'])
      const listed = await rows()
      for (const { name, error } of all) {
        const { problems } = listed.find(({ did }) => did === `${scope}:${name}`)!
        expect(problems.map(({ message }) => message)).toEqual([
          expect.stringMatching(new RegExp(`^Cannot [a-z -]+ /.*${name}.*: ${error}$`, 'u')),
        ])
        expect(problems[0]!.hint).not.toBe('')
        outcomes.set(name, problems[0]!.code)
      }
      await mount.clearFaults()
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await done(names)).toEqual(names)
      await expectWhole([...names, 'other'])
    }, 240_000)

    test('what comes of each error at each operation is what docs/reliability.md says', async () => {
      const rows = operations.map((op) => [op, ...errors.map((error) => outcomes.get(`${error}-${op}-`) ?? 'not seen')])
      await expectDocumented('errors for good', [['operation', ...errors], ...rows])
    })

    test.each(['ENOSPC', 'EDQUOT'])(
      'a mount that takes no bytes (%s) pauses the pipeline until it does',
      async (error) => {
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        for (const name of ['one', 'two']) await seed(name)
        await mount.setFaults({ op: 'write', error })
        const { code, err } = await site.run('run', '--once')
        expect([code, err]).toEqual([5, expect.stringContaining(error)])
        expect((await rows()).flatMap(({ problems }) => problems)).toEqual([])
        await mount.clearFaults()
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        await expectWhole(['one', 'two'])
      },
      180_000,
    )

    test('a mount that is not connected pauses the pipeline, and nothing is lost', async () => {
      await seed('waits')
      await mount.setFaults({ op: '*', error: 'ENOTCONN' })
      const { code, err } = await site.run('run', '--once')
      expect(code).toBe(5)
      expect(err).toContain('pipeline main paused')
      await mount.clearFaults()
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await expectWhole(['waits'])
    }, 180_000)

    test('errors that show only at close, short writes, and sizes that lie end in done, and each object is whole', async () => {
      const faults: Readonly<Record<string, Fault>> = {
        late: { op: 'write', error: 'EIO', defer: true, count: 1 },
        later: { op: 'fsync', error: 'ENOSPC', defer: true, count: 1 },
        short: { op: 'write', short: 4097 },
        lie: { op: 'stat', size: 5, count: 2 },
      }
      const names = Object.keys(faults)
      for (const name of names) await seed(name)
      await mount.setFaults(...names.map((name): Fault => ({ ...faults[name]!, path: `${scope}/${name}/*` })))
      for (let run = 0; run < 6 && (await done(names)).length < names.length; run++) await site.run('run', '--once')
      expect(await done(names)).toEqual(names)
      expect((await mount.hits()).every((hits) => hits > 0)).toBe(true)
      await expectWhole(names)
    }, 180_000)

    test.each(['durable', 'fsyncdir'])(
      'what is done is there after a crash that forgets all that is not durable (names: %s), and the rest is made again',
      async (rule) => {
        await mount.ctl('config', { names: rule })
        await seed('first')
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        await seed('second')
        await mount.setFaults({ op: 'rename', path: `${scope}/second/*`, error: 'EIO' })
        expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
        await seed('third')
        const running = site.start('run', '--once')
        await mount.setFaults({ op: 'fsync', path: `${scope}/third/*`, latency: 2 })
        while (!site.objects().some((path) => path.includes('third')))
          await new Promise((resolve) => setTimeout(resolve, 5))
        await mount.ctl('crash', { mount: 'kept', tail: 'drop' })
        running.child.kill('SIGKILL')
        await running.ended
        await mount.clearFaults()
        expect((await site.run('run', '--once')).code).toBe(0)
        const names = ['first', 'second', 'third']
        expect(await done(names)).toEqual(names)
        await mount.ctl('crash', { mount: 'kept', tail: 'drop' })
        await expectContent(names)
      },
      180_000,
    )

    test('what was removed does not come back with a crash', async () => {
      await mount.ctl('config', { names: 'fsyncdir' })
      await seed('first')
      await mount.setFaults({ op: 'write', path: `${scope}/first/*`, flip: { offset: 100_000, bit: 3 }, count: 1 })
      expect(await site.run('run', '--once')).toMatchObject({ code: 0, err: expect.stringContaining('set aside') })
      await mount.ctl('crash', { mount: 'kept', tail: 'drop' })
      await expectContent(['first'])
    }, 180_000)

    test('the marker of the root is durable before the catalog relies on it', async () => {
      await mount.ctl('config', { names: 'fsyncdir' })
      await mount.setFaults({ op: 'fsyncdir', path: '', error: 'EIO', count: 1 })
      expect((await site.run('run', '--once')).code).not.toBe(0)
      expect(await mount.hits()).toEqual([1])
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await mount.ctl('crash', { mount: 'kept', tail: 'drop' })
      await seed('first')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await expectContent(['first'])
    }, 180_000)

    test.each(['gone', 'dead'])(
      'a mount that vanishes (%s) pauses the pipeline, and nothing is written beside it',
      async (leave) => {
        await seed('first')
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        await seed('second')
        await mount.ctl('unmount', { leave })
        const { code, err } = await site.run('run', '--once')
        expect([code, err]).toEqual([5, expect.stringMatching(/VAULT_NOT_MOUNTED/u)])
        if (leave === 'gone') expect(readdirSync(mount.root)).toEqual([])
        else execFileSync('umount', ['-l', mount.root])
        await mount.ctl('mount')
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        await expectContent(['first', 'second'])
      },
      180_000,
    )

    test.each(['gone', 'dead'])(
      'a mount that vanishes (%s) while a mover writes to it pauses the agent, which goes on when it is back',
      async (leave) => {
        site.configure((config) => (config['schedule'] = { every: '1s' }))
        await seed('first')
        await mount.setFaults({ op: 'write', path: `${scope}/first/*`, latency: 1 })
        const service = startService(site)
        try {
          await until(async () => (await mount.hits())[0]! > 0)
          await mount.ctl('unmount', { leave })
          await until(() => service.log().includes('code=VAULT_NOT_MOUNTED'))
          if (leave === 'gone') expect(readdirSync(mount.root)).toEqual([])
          else execFileSync('umount', ['-l', mount.root])
          await mount.clearFaults()
          await mount.ctl('mount')
          await until(async () => (await done(['first'])).length === 1)
          expect((await service.stop()).code).toBe(0)
          await expectContent(['first'])
        } finally {
          await endServices([service])
        }
      },
      180_000,
    )

    test('a password on a file system that hangs stops neither status nor a stop', async () => {
      const passwordFile = join(mount.root, '.password')
      writeFileSync(passwordFile, `${bed.agent.password}\n`, { mode: 0o600 })
      site.configure((config) => {
        config.rucio['auth'] = { type: 'userpass', username: bed.agent.username, passwordFile }
      })
      await seed('waits')
      await mount.ctl('config', { interrupt: 'eintr' }) // else nothing ends a process that hangs, but the mount
      await mount.setFaults({ op: 'open', path: '.password', hang: 'forever' })
      const { child, ended } = site.start('run')
      const paused = async () => (await site.run('status')).out.includes('PAUSED')
      while (!(await paused())) await new Promise((resolve) => setTimeout(resolve, 200))
      expect((await site.run('status')).out).toMatch(/Cannot sign in .*: the password: no answer within 10 s/u)
      child.kill('SIGTERM')
      // It ends by itself, or if the call that hangs keeps it, by its own hand.
      const { code, signal } = await ended
      expect(code === 0 || signal === 'SIGKILL').toBe(true)
      await mount.clearFaults()
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await done(['waits'])).toEqual(['waits'])
    }, 120_000)

    test('another file system that is mounted in its place is not written to', async () => {
      await seed('first')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await seed('second')
      const other = await mountHpssfs()
      execFileSync('mount', ['--bind', other.root, mount.root])
      try {
        const { code, err } = await site.run('run', '--once')
        expect([code, err]).toEqual([5, expect.stringMatching(/VAULT_MARKER_MISSING/u)])
        expect(readdirSync(other.root)).toEqual([])
      } finally {
        execFileSync('umount', [mount.root])
        await other.unmount()
      }
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await expectWhole(['first', 'second'])
    }, 180_000)
  })

  test('keeps what its README says', () => {
    const said = spawnSync('python3', [join(import.meta.dirname, 'hpssfs', 'test_hpssfs.py')], { encoding: 'utf8' })
    expect([said.status, said.stderr.trim().split('\n').at(-1)]).toEqual([0, expect.stringMatching(/^OK/u)])
  }, 120_000)
})
