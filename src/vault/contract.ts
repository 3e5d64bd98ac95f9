import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Buffer } from 'node:buffer'
import type { ObjectReader, ReadingVault, Vault } from './vault.ts'

/** A vault under test, and a way to look at it, and to meddle with it, from outside. */
export interface VaultUnderTest {
  /** Opens the root once more, as another process would, for this catalog. */
  open(owner: string): Vault
  /** Opens it for somebody who only reads. */
  openToRead(): ReadingVault
  /** Every object, part and whatever else is below the root, but for the marker; sorted. */
  list(): readonly string[]
  read(location: string): Buffer
  /** Puts something there from outside. */
  plant(location: string, content: string): void
  remove(location: string): void
  removeMarker(): void
  dispose(): void
}

const object = Buffer.from('the bytes of an object')
const location = 'raw/night/42/42.g1.1-1.zip'
const part = (attempt: number) => `raw/night/42/.42.g1.1-1.zip.${attempt}.part`
const aside = (attempt: number) => `raw/night/42/.42.g1.1-1.zip.${attempt}.mismatch`

function readAll(reader: ObjectReader | null): Buffer | null {
  if (reader === null) return null
  const all = Buffer.alloc(reader.bytes + 1)
  let length = 0
  for (let got = reader.read(all); got > 0; got = reader.read(all.subarray(length))) length += got
  reader.close()
  return all.subarray(0, length)
}

/** What every vault that publishes by renaming does. */
export function vaultContract(name: string, make: () => VaultUnderTest): void {
  describe(name, () => {
    let under: VaultUnderTest
    let vault: Vault
    beforeEach(() => {
      under = make()
      vault = under.open('us')
      vault.check(false)
    })
    afterEach(() => under.dispose())

    function write(attempt: number, bytes = object): void {
      const writer = vault.create(location, attempt, bytes.length)
      writer.write(bytes.subarray(0, 5))
      writer.write(bytes.subarray(5))
      writer.finish()
    }

    describe('check()', () => {
      test('claims a root that nobody has, and knows it again', () => {
        expect(under.open('us').check(true).freeBytes).toBeGreaterThan(0)
      })

      test('refuses the root of another catalog, and leaves it alone', () => {
        expect(() => under.open('them').check(false)).toThrow(
          expect.objectContaining({ code: 'VAULT_FOREIGN', message: expect.stringContaining('us') }),
        )
        expect(() => under.open('us').check(true)).not.toThrow()
      })

      test('refuses a root that has lost its marker: it may be the wrong mount', () => {
        under.removeMarker()
        expect(() => under.open('us').check(true)).toThrow(expect.objectContaining({ code: 'VAULT_MARKER_MISSING' }))
        expect(() => vault.check(true)).toThrow(expect.objectContaining({ code: 'VAULT_MARKER_MISSING' }))
        expect(under.list()).toEqual([])
      })
    })

    test('what is written is not there before it is published', () => {
      write(1)
      expect([vault.stat(location), vault.open(location)]).toEqual([null, null])
      expect(under.list()).toEqual([part(1)])
      expect(readAll(vault.openPart(location, 1))).toEqual(object)
      vault.publish(location, 1, object.length)
      expect(under.list()).toEqual([location])
      expect(vault.stat(location)).toMatchObject({ bytes: object.length })
      expect(readAll(vault.open(location))).toEqual(object)
      expect(vault.openPart(location, 1)).toBeNull()
    })

    test('an abandoned part leaves nothing', () => {
      const writer = vault.create(location, 1, 10)
      writer.write(object)
      writer.abandon()
      expect(under.list()).toEqual([])
    })

    describe('create()', () => {
      test('removes the parts of earlier attempts first: their late rename then fails, and hurts nobody', () => {
        const early = under.open('us')
        early.check(true)
        write(1)
        write(2, Buffer.from('another object'))
        expect(under.list()).toEqual([part(2)])
        expect(() => early.publish(location, 1, object.length)).toThrow(expect.objectContaining({ code: 'VAULT_IO' }))
        vault.publish(location, 2, 14)
        expect(under.read(location).toString()).toBe('another object')
      })

      test('refuses a location that something is at, and an attempt that is there already', () => {
        under.plant(location, 'foreign')
        expect(() => vault.create(location, 1, 1)).toThrow(expect.objectContaining({ code: 'OBJECT_FOREIGN' }))
        under.remove(location)
        write(1)
        expect(() => vault.create(location, 1, 1)).toThrow()
        expect(under.read(part(1))).toEqual(object)
      })
    })

    describe('publish()', () => {
      test('never replaces what is there', () => {
        write(1)
        under.plant(location, 'foreign')
        expect(() => vault.publish(location, 1, object.length)).toThrow(
          expect.objectContaining({ code: 'OBJECT_FOREIGN' }),
        )
        expect(under.read(location).toString()).toBe('foreign')
        expect(under.list()).toEqual([part(1), location].sort())
      })

      test('may be repeated after a crash', () => {
        write(1)
        vault.publish(location, 1, object.length)
        vault.publish(location, 1, object.length)
        expect(under.list()).toEqual([location])
      })

      test('refuses a part, or an object, of another size than was proven', () => {
        write(1)
        expect(() => vault.publish(location, 1, object.length + 1)).toThrow(
          expect.objectContaining({ code: 'VAULT_IO' }),
        )
        expect(under.list()).toEqual([part(1)])
        vault.publish(location, 1, object.length)
        expect(() => vault.publish(location, 1, object.length + 1)).toThrow(
          expect.objectContaining({ code: 'VAULT_IO' }),
        )
      })

      test('refuses when neither part nor object is there', () => {
        expect(() => vault.publish(location, 1, object.length)).toThrow(expect.objectContaining({ code: 'VAULT_IO' }))
      })
    })

    test('setAside() gives a part, or else the object, a name that says so', () => {
      write(1)
      expect(vault.setAside(location, 1, 'part')).toContain('.1.mismatch')
      expect(under.list()).toEqual([aside(1)])
      write(2)
      vault.publish(location, 2, object.length)
      expect(() => vault.setAside(location, 2, 'part')).toThrow(expect.objectContaining({ code: 'VAULT_IO' }))
      vault.setAside(location, 2, 'object')
      expect(under.list()).toEqual([aside(1), aside(2)])
      expect(under.read(aside(2))).toEqual(object)
    })

    test('keepAside() gives a published object a name that says that it is damaged, and that nothing removes', () => {
      expect(vault.keepAside(location, 1)).toBeNull()
      write(1)
      expect(vault.keepAside(location, 1)).toBeNull()
      vault.publish(location, 1, object.length)
      expect(vault.keepAside(location, 1)).toContain('.1.damaged')
      const damaged = 'raw/night/42/.42.g1.1-1.zip.1.damaged'
      expect(under.list()).toEqual([damaged])
      vault.clean(location, 3)
      write(2)
      vault.publish(location, 2, object.length)
      vault.clean(location, 3)
      expect(under.list()).toEqual([damaged, location])
      expect(under.read(damaged)).toEqual(object)
    })

    describe('for who only reads', () => {
      test('names its owner; null without a marker', () => {
        expect(under.openToRead().owner()).toBe('us')
        under.removeMarker()
        expect(under.openToRead().owner()).toBeNull()
      })

      test('reads parts of a published object, at any position, and all of it', () => {
        const reading = under.openToRead()
        expect([reading.open(location), reading.openWhole(location)]).toEqual([null, null])
        write(1)
        expect(reading.open(location)).toBeNull()
        vault.publish(location, 1, object.length)
        expect(readAll(reading.openWhole(location))).toEqual(object)
        const reader = reading.open(location)!
        expect(reader.bytes).toBe(object.length)
        for (const [at, wanted] of [
          [10, 5],
          [0, 3],
          [object.length - 2, 9],
          [object.length, 4],
        ] as const) {
          const buffer = Buffer.alloc(wanted)
          const got = reader.readAt(buffer, at)
          expect(buffer.subarray(0, got)).toEqual(object.subarray(at, at + wanted))
        }
        reader.close()
      })

      test('lists what is in a directory, sorted, whatever it is', () => {
        const reading = under.openToRead()
        const found = (directory: string) =>
          reading.list(directory).map(({ path, kind, bytes }) => [path, kind, kind === 'file' ? bytes : null])
        write(1)
        under.plant('raw/zzz', 'mine')
        expect(found('')).toContainEqual(['raw', 'directory', null])
        expect(found('raw')).toEqual([
          ['raw/night', 'directory', null],
          ['raw/zzz', 'file', 4],
        ])
        expect(found('raw/night/42')).toEqual([[part(1), 'file', object.length]])
        expect([found('nowhere'), found('raw/zzz')]).toEqual([[], []])
      })
    })

    test('clean() removes parts and what was set aside, never the object', () => {
      write(1)
      vault.setAside(location, 1, 'part')
      write(2)
      vault.publish(location, 2, object.length)
      under.plant(part(3), 'debris')
      expect(vault.clean(location, 3)).toBe(2)
      expect(under.list()).toEqual([location])
      expect(vault.clean(location, 3)).toBe(0)
    })

    test('remove() removes an object and nothing else, and may be repeated', () => {
      write(1)
      vault.publish(location, 1, object.length)
      under.plant('raw/night/43/43.g1.1-1.zip', 'a neighbour')
      vault.remove(location)
      expect(under.list()).toEqual(['raw/night/43/43.g1.1-1.zip'])
      vault.remove('raw/night/43/43.g1.1-1.zip')
      vault.remove('raw/night/43/43.g1.1-1.zip')
      expect(under.list()).toEqual([])
      write(2) // its directories are made again
      vault.publish(location, 2, object.length)
      expect(readAll(vault.open(location))).toEqual(object)
    })

    test('stat() knows nothing of what was never written', () => {
      expect(vault.stat('raw/other/other.g1.1-1.zip')).toBeNull()
      expect(vault.open('raw/other/other.g1.1-1.zip')).toBeNull()
      expect(vault.openPart('raw/other/other.g1.1-1.zip', 1)).toBeNull()
    })
  })
}
