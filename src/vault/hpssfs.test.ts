import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { VaultSettings } from '../model/order.ts'
import { vaultContract } from './contract.ts'
import { hpssfsVault } from './hpssfs.ts'
import { hpssfsReading } from './hpssfs-reading.ts'

const settings = (root: string, more: Partial<VaultSettings> = {}): VaultSettings => ({
  root,
  mount: null,
  publish: 'rename',
  minFree: 0,
  owner: 'us',
  ...more,
})

vaultContract('hpssfsVault()', () => {
  const root = mkdtempSync(join(tmpdir(), 'vault-'))
  const plant = (location: string, content: string) => {
    mkdirSync(dirname(join(root, location)), { recursive: true })
    writeFileSync(join(root, location), content)
  }
  return {
    open: (owner) => hpssfsVault(settings(root, { owner })),
    openToRead: () => hpssfsReading({ root, mount: null }),
    list: () =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
        .filter((path) => path !== '.tape-rse.json')
        .sort(),
    read: (location) => readFileSync(join(root, location)),
    plant,
    remove: (location) => rmSync(join(root, location)),
    removeMarker: () => rmSync(join(root, '.tape-rse.json')),
    dispose: () => rmSync(root, { recursive: true }),
  }
})

describe('hpssfsVault()', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vault-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))
  const location = 'raw/a/a.g1.1-1.zip'
  const refusal = (code: string) => expect.objectContaining({ code }) as unknown as Error
  const openFds = () => readdirSync('/proc/self/fd').length

  test('writes one marker, which names the catalog, and nothing else', () => {
    hpssfsVault(settings(root)).check(false)
    expect(readdirSync(root)).toEqual(['.tape-rse.json'])
    expect(JSON.parse(readFileSync(join(root, '.tape-rse.json'), 'utf8'))).toEqual({
      format: 'tape-rse vault',
      version: 1,
      catalog: 'us',
    })
  })

  test('claims a root that has content of others', () => {
    writeFileSync(join(root, 'theirs'), '')
    expect(() => hpssfsVault(settings(root)).check(false)).not.toThrow()
  })

  test.each(['', 'not JSON', '{}', '[]'])('refuses a marker that it cannot read: %j', (text) => {
    writeFileSync(join(root, '.tape-rse.json'), text)
    expect(() => hpssfsVault(settings(root)).check(false)).toThrow(refusal('VAULT_FOREIGN'))
  })

  test('goes on after a crash in the middle of claiming', () => {
    writeFileSync(join(root, '.tape-rse.json.part'), 'half')
    hpssfsVault(settings(root)).check(false)
    expect(readdirSync(root)).toEqual(['.tape-rse.json'])
  })

  test('refuses a root where nothing is mounted, which does not exist, or is no directory', () => {
    expect(() => hpssfsVault(settings(root, { mount: root })).check(false)).toThrow(refusal('VAULT_NOT_MOUNTED'))
    expect(() => hpssfsVault(settings(root, { mount: '/proc' })).check(false)).toThrow(refusal('VAULT_NOT_MOUNTED'))
    expect(() => hpssfsVault(settings(join(root, 'nope'))).check(false)).toThrow(refusal('VAULT_NOT_MOUNTED'))
    writeFileSync(join(root, 'file'), '')
    expect(() => hpssfsVault(settings(join(root, 'file'))).check(false)).toThrow(refusal('VAULT_NOT_MOUNTED'))
    expect(readdirSync(root)).toEqual(['file'])
  })

  test('refuses an object that does not fit, before it creates anything', () => {
    const vault = hpssfsVault(settings(root, { minFree: 2 ** 52 }))
    vault.check(false)
    expect(() => vault.create(location, 1, 10)).toThrow(refusal('VAULT_NO_ROOM'))
    expect(existsSync(join(root, 'raw/a/.a.g1.1-1.zip.1.part'))).toBe(false)
  })

  test('makes objects that everybody may read', () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    const writer = vault.create(location, 1, 1)
    writer.write(Buffer.from('x'))
    writer.finish()
    vault.publish(location, 1, 1)
    expect(statSync(join(root, location)).mode & 0o444).toBe(0o444)
    expect(statSync(join(root, 'raw/a')).mode & 0o555).toBe(0o555)
  })

  test('follows no link: neither as a part, nor as an object', () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    const outside = join(root, 'outside')
    writeFileSync(outside, 'precious')
    mkdirSync(join(root, 'raw/a'), { recursive: true })
    symlinkSync(outside, join(root, 'raw/a/.a.g1.1-1.zip.1.part'))
    expect(() => vault.create(location, 1, 1)).toThrow()
    expect(() => vault.openPart(location, 1)).toThrow(refusal('OBJECT_FOREIGN'))
    expect(vault.clean(location, 1)).toBe(1)
    symlinkSync(outside, join(root, location))
    expect(() => vault.stat(location)).toThrow(refusal('OBJECT_FOREIGN'))
    expect(readFileSync(outside, 'utf8')).toBe('precious')
  })

  test('follows no link to a directory either', () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync(join(root, 'elsewhere'), join(root, 'raw'))
    expect(() => vault.create(location, 1, 1)).toThrow(refusal('OBJECT_FOREIGN'))
    expect(readdirSync(join(root, 'elsewhere'))).toEqual([])
  })

  test('takes a directory at the place of an object for foreign', () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    mkdirSync(join(root, location), { recursive: true })
    expect(() => vault.stat(location)).toThrow(refusal('OBJECT_FOREIGN'))
    expect(() => vault.create(location, 1, 1)).toThrow(refusal('OBJECT_FOREIGN'))
  })

  test('finds at finish() that its part was taken away, or is another file', () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    const part = join(root, 'raw/a/.a.g1.1-1.zip.1.part')
    const writer = vault.create(location, 1, 1)
    writer.write(Buffer.from('x'))
    renameSync(part, `${part}.moved`)
    writeFileSync(part, 'y')
    expect(() => writer.finish()).toThrow(refusal('VAULT_IO'))
  })

  test('leaves no descriptor open', () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    const before = openFds()
    vault.create(location, 1, 1).abandon()
    const writer = vault.create(location, 2, 1)
    writer.write(Buffer.from('x'))
    writer.finish()
    vault.openPart(location, 2)!.close()
    vault.publish(location, 2, 1)
    vault.open(location)!.close()
    expect(openFds()).toBe(before)
  })

  describe('with publish: direct', () => {
    const open = () => {
      const vault = hpssfsVault(settings(root, { publish: 'direct' }))
      vault.check(false)
      return vault
    }
    test('creates the object under its name, exclusively, and has no parts', () => {
      const vault = open()
      const writer = vault.create(location, 1, 1)
      writer.write(Buffer.from('x'))
      writer.finish()
      expect(vault.openPart(location, 1)).toBeNull()
      expect(vault.stat(location)).toMatchObject({ bytes: 1 })
      vault.publish(location, 1, 1)
      expect(() => vault.create(location, 2, 1)).toThrow(refusal('OBJECT_FOREIGN'))
      vault.removeUnproven(location)
      expect(vault.stat(location)).toBeNull()
    })

    test('makes an object durable that is found, before it counts: who wrote it may have been killed before its sync', () => {
      const writer = open().create(location, 1, 1)
      writer.write(Buffer.from('x')) // and then SIGKILL
      // A process that tells what it has synced, in order; nothing else of it is changed.
      const script = `
        import fs from 'node:fs'
        import { syncBuiltinESMExports } from 'node:module'
        const { fsyncSync } = fs
        const synced = []
        fs.fsyncSync = (fd) => (synced.push(fs.readlinkSync('/proc/self/fd/' + fd)), fsyncSync(fd))
        syncBuiltinESMExports()
        const { hpssfsVault } = await import(${JSON.stringify(join(import.meta.dirname, 'hpssfs.ts'))})
        const vault = hpssfsVault(${JSON.stringify(settings(root, { publish: 'direct' }))})
        vault.check(true)
        synced.length = 0
        vault.publish(${JSON.stringify(location)}, 2, 1)
        console.log(JSON.stringify(synced))`
      const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
      const synced = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as string[]
      const path = join(root, location)
      expect(synced.slice(0, 2)).toEqual([path, dirname(path)])
      expect(synced.at(-1)).toBe(root)
      writer.abandon()
    })

    test('leaves a successor’s object alone when it wakes up late and gives up', () => {
      const late = open().create(location, 1, 1)
      late.write(Buffer.from('x'))
      const vault = open()
      vault.removeUnproven(location)
      const writer = vault.create(location, 2, 1)
      writer.write(Buffer.from('y'))
      writer.finish()
      expect(() => late.finish()).toThrow(refusal('VAULT_IO'))
      late.abandon()
      expect(readFileSync(join(root, location), 'utf8')).toBe('y')
    })

    test('sets an object aside where the mount can rename', () => {
      const vault = open()
      const writer = vault.create(location, 1, 1)
      writer.write(Buffer.from('x'))
      writer.finish()
      const aside = vault.setAside(location, 1, 'object')
      expect(lstatSync(aside!).size).toBe(1)
      expect(vault.stat(location)).toBeNull()
    })
  })
})

describe('hpssfsVault().remove()', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vault-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))
  const location = 'raw/night/42/42.g1.1-1.zip'
  const open = () => {
    const vault = hpssfsVault(settings(root))
    vault.check(false)
    return vault
  }
  const plant = (path: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), 'x')
  }

  test('removes the directories that it leaves empty, and keeps the one of the scope', () => {
    const vault = open()
    plant(location)
    vault.remove(location)
    expect(readdirSync(root).sort()).toEqual(['.tape-rse.json', 'raw'])
    expect(readdirSync(join(root, 'raw'))).toEqual([])
  })

  test.each(['raw/night/42/.42.g1.1-1.zip.2.part', 'raw/night/42/42.g1.1-2.zip', 'raw/night/theirs'])(
    'keeps directories that still have something: %s',
    (other) => {
      const vault = open()
      plant(location)
      plant(other)
      vault.remove(location)
      expect(existsSync(join(root, location))).toBe(false)
      expect(readFileSync(join(root, other), 'utf8')).toBe('x')
    },
  )

  test('tells an object that cannot be removed, and keeps all above it', () => {
    const vault = open()
    mkdirSync(join(root, location), { recursive: true }) // what unlink refuses, for root as well
    expect(() => vault.remove(location)).toThrow(
      expect.objectContaining({ code: 'VAULT_IO', message: expect.stringContaining(location) }),
    )
    expect(existsSync(join(root, location))).toBe(true)
  })

  test('removes nothing on a mount that is gone, or is another', () => {
    const vault = open()
    plant(location)
    renameSync(root, `${root}.away`)
    try {
      expect(() => vault.remove(location)).toThrow(expect.objectContaining({ code: 'VAULT_NOT_MOUNTED' }))
      expect(existsSync(join(`${root}.away`, location))).toBe(true)
    } finally {
      renameSync(`${root}.away`, root)
    }
  })

  test('leaves no descriptor open', () => {
    const vault = open()
    plant(location)
    const before = readdirSync('/proc/self/fd').length
    vault.remove(location)
    vault.remove(location)
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })
})
