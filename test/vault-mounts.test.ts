import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { datasets, signIn } from '../src/testing/rucio-rest.ts'
import type { VaultSettings } from '../src/model/order.ts'
import { hpssfsVault } from '../src/vault/hpssfs.ts'
import { seedDataset } from './rucio/testbed.ts'
import { makeSite } from './site.ts'
import { describeUnless } from './skip.ts'
import { mayNotMount } from './small-mount.ts'
import { describeWithRucio } from './with-rucio.ts'

describeUnless(mayNotMount, 'the vault on real small mounts')('hpssfsVault() on a real mount', () => {
  let root: string
  let settings: VaultSettings
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mount-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', root])
    settings = { root, mount: root, publish: 'rename', minFree: 0, owner: 'us' }
  })
  afterEach(() => {
    while (spawnSync('umount', ['-l', root]).status === 0);
    rmSync(root, { recursive: true })
  })
  const location = 'raw/a/a.g1.1-1.zip'
  const refusal = (code: string) => expect.objectContaining({ code }) as unknown as Error
  const block = Buffer.alloc(1024 * 1024, 7)

  test('takes a root that is mounted', () => {
    expect(hpssfsVault(settings).check(false).freeBytes).toBeLessThanOrEqual(4 * 2 ** 20)
  })

  test('says that there is no room: before, where that can be known, and in the middle, leaving nothing', () => {
    const vault = hpssfsVault(settings)
    vault.check(false)
    expect(() => vault.create(location, 1, 5 * 2 ** 20)).toThrow(refusal('VAULT_NO_ROOM'))
    const writer = vault.create(location, 1, 3 * 2 ** 20)
    writeFileSync(join(root, 'filler'), Buffer.alloc(2 * 2 ** 20))
    expect(() => {
      for (let i = 0; i < 3; i++) writer.write(block)
    }).toThrow(refusal('VAULT_FULL'))
    writer.abandon()
    expect(readdirSync(join(root, 'raw/a'))).toEqual([])
  })

  test('says that it may not be written, when it is read-only', () => {
    execFileSync('mount', ['-o', 'remount,ro', root])
    expect(() => hpssfsVault(settings).check(false)).toThrow(refusal('VAULT_NOT_WRITABLE'))
    execFileSync('mount', ['-o', 'remount,rw', root])
    const vault = hpssfsVault(settings)
    vault.check(false)
    execFileSync('mount', ['-o', 'remount,ro', root])
    expect(() => vault.check(true)).toThrow(refusal('VAULT_NOT_WRITABLE'))
    expect(() => vault.create(location, 1, 1)).toThrow(refusal('VAULT_NOT_WRITABLE'))
  })

  test('writes nothing once it is unmounted, not even into the directory that is left', () => {
    const vault = hpssfsVault(settings)
    vault.check(false)
    execFileSync('umount', [root])
    expect(() => vault.create(location, 1, 1)).toThrow(refusal('VAULT_NOT_MOUNTED'))
    expect(() => hpssfsVault(settings).check(true)).toThrow(refusal('VAULT_NOT_MOUNTED'))
    expect(readdirSync(root)).toEqual([])
  })

  test('writes nothing to another file system that is mounted in its place', () => {
    const vault = hpssfsVault(settings)
    vault.check(false)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', root])
    expect(() => vault.create(location, 1, 1)).toThrow(refusal('VAULT_MARKER_MISSING'))
    expect(readdirSync(root)).toEqual([])
  })

  test('takes a root below the mount point only if the mount is there', () => {
    mkdirSync(join(root, 'rucio'))
    const below = { ...settings, root: join(root, 'rucio') }
    hpssfsVault(below).check(false)
    expect(() => hpssfsVault({ ...below, mount: below.root }).check(true)).toThrow(refusal('VAULT_NOT_MOUNTED'))
  })
})

describeUnless(mayNotMount, 'the vault on real small mounts')('tape-rse run --once on a mount that is full', () => {
  describeWithRucio('with a real Rucio', (bed) => {
    test('keeps what does not fit waiting, archives what does, and goes on when there is room', async () => {
      const root = mkdtempSync(join(tmpdir(), 'mount-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', root])
      const scope = `m${randomBytes(5).toString('hex')}`
      const site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope], root)
      try {
        const rest = await signIn(bed.url, bed.root)
        await rest.ok('POST', `/accounts/root/scopes/${scope}`)
        site.configure((config) => (config.pipelines[0]!.vault['mustBeMount'] = true))
        const files = [0, 1, 2].map((index) => ({ name: `f${index}`, content: randomBytes(3_000_000) }))
        await seedDataset(bed, { scope, name: 'large', files, closed: true, tag: 'TAPE:need' })
        const small = [{ name: 'small.txt', content: 'fits' }]
        await seedDataset(bed, { scope, name: 'small', files: small, closed: true, tag: 'TAPE:need' })
        expect(await site.run('run', '--once')).toMatchObject({
          code: 3,
          err: expect.stringContaining('VAULT_NO_ROOM'),
        })
        expect(site.objects()).toEqual([`${scope}/small/small.g1.1-1.zip`])
        execFileSync('mount', ['-o', 'remount,size=20m', root])
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
        expect((await datasets(rest).meta({ scope, name: 'large' }))['arcBackup']).toBe('TAPE:done')
      } finally {
        execFileSync('umount', [root])
        rmSync(root, { recursive: true })
        site.dispose()
      }
    }, 180_000)
  })
})
