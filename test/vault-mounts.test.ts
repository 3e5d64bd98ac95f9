import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VaultSettings } from '../src/model/order.ts'
import { hpssfsVault } from '../src/vault/hpssfs.ts'

/** Whether this user may mount a tmpfs: root may, mostly. */
const mayMount = (() => {
  const directory = mkdtempSync(join(tmpdir(), 'may-mount-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]).status === 0
  if (mounted) execFileSync('umount', [directory])
  else console.warn('Skipped: the vault on real small mounts, because this user may not mount a tmpfs.')
  rmSync(directory, { recursive: true })
  return mounted
})()

;(mayMount ? describe : describe.skip)('hpssfsVault() on a real mount', () => {
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
    expect(() => vault.create(location, 1, 5 * 2 ** 20)).toThrow(refusal('VAULT_FULL'))
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
