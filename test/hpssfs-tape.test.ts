import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { whyNoHpssfs } from './hpssfs/mount.ts'
import { mountedSite, type MountedSite } from './mounted.ts'
import { describeUnless } from './skip.ts'
import { describeWithRucio } from './with-rucio.ts'
import { has } from './zips.ts'

/** Objects that are on tape only, on a real FUSE mount that stages them as HPSSFS does, and tells of it by its extended attributes. */

const reason = (await whyNoHpssfs()) ?? (has('getfattr') ? null : 'there is no getfattr')

describeUnless(reason, 'objects on tape behind a FUSE mount')('on a mount of HPSS', () => {
  describeWithRucio('objects on tape', (bed) => {
    let made: MountedSite
    let { site, mount, scope, seed, done } = {} as MountedSite
    let dest: string
    const names = ['one', 'two']
    beforeAll(async () => {
      made = await mountedSite(bed, { stageSeconds: 1 })
      ;({ site, mount, scope, seed, done } = made)
      // As `hsi stage` does: asks, and does not wait.
      const ask = join(site.directory, 'ask')
      writeFileSync(ask, '#!/bin/sh\nfor path; do (head -c 1 "$path" > /dev/null 2>&1 &) ; done\n')
      chmodSync(ask, 0o755)
      site.configure((config) => {
        Object.assign(config.pipelines[0]!.vault, {
          residency: { kind: 'xattr' },
          recall: { kind: 'command', command: [ask] },
        })
        Object.assign(config.pipelines[0]!, { confirm: { onTape: 'required' } })
      })
      for (const name of names) await seed(name)
    })
    afterAll(() => made.dispose())
    beforeEach(() => {
      dest = join(site.directory, 'dest')
      mkdirSync(dest)
    })
    afterEach(() => rmSync(dest, { recursive: true }))

    const stages = async () =>
      Object.values((await mount.ctl('stats'))['files'] as Record<string, { stages: number }>).map(
        (file) => file.stages,
      )
    const get = (...args: string[]) => site.run('get', `${scope}:one`, dest, ...args)
    const delivered = () => existsSync(join(dest, 'one/a.fits')) && existsSync(join(dest, 'one/b.yaml'))

    test('nothing is done before HPSS has moved the objects to tape', async () => {
      expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
      expect(await done(names)).toEqual([])
      await mount.ctl('migrate')
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      expect(await done(names)).toEqual(names)
    })

    test('get --wait asks for an object once, and delivers it when it has come', async () => {
      await mount.ctl('purge')
      expect(await get()).toMatchObject({ code: 3 })
      expect(await get('--wait')).toMatchObject({ code: 0, out: '2 files delivered.\n' })
      expect(delivered()).toBe(true)
      expect((await stages()).reduce((sum, count) => sum + count, 0)).toBe(1)
    })

    test.each(['open', 'read', 'eagain'])('without a way to ask, who reads waits: %s', async (stage) => {
      site.configure((config) => Object.assign(config.pipelines[0]!.vault, { recall: { kind: 'none' } }))
      expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      await mount.ctl('config', { stage })
      await mount.ctl('purge')
      expect(await get()).toMatchObject({ code: 0 })
      expect(delivered()).toBe(true)
    })

    test('a read that takes longer than one has patience is given up, and nothing else is', async () => {
      await mount.ctl('config', { stage: 'read', stageSeconds: 20 })
      await mount.ctl('purge')
      const { code, out } = await get('--patience', '1s')
      expect([code, out]).toEqual([3, expect.stringContaining('0 files delivered, 2 not delivered')])
      expect(delivered()).toBe(false)
      await mount.ctl('config', { stageSeconds: 1 })
    })

    test('verify says of each object whether it came from tape', async () => {
      await mount.ctl('config', { stage: 'eagain', stageSeconds: 1 })
      await mount.ctl('purge')
      const sources = async () =>
        (
          JSON.parse((await site.run('verify', `${scope}:two`, '--json')).out) as { source: string; outcome: string }[]
        ).map(({ source, outcome }) => `${source} ${outcome}`)
      expect(await sources()).toEqual(['tape good'])
      expect(await sources()).toEqual(['disk good'])
    })
  })
})
