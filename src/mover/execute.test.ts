import { beforeEach, describe, expect, test } from '@jest/globals'
import { Buffer } from 'node:buffer'
import type { ObjectPlan, RemoveOrder } from '../model/order.ts'
import { zipFormat } from '../pack/zip.ts'
import { memoryStore, memoryVault, type MemoryStore } from '../testing/memory-vault.ts'
import type { Vault } from '../vault/vault.ts'
import { execute, type MoverAdapters } from './execute.ts'

describe('the order to remove', () => {
  const location = 'raw/a/a.g1.1-1.zip'
  const tail = Buffer.from('the files of the object')
  const planOf = (manifest: string): ObjectPlan => {
    const plan = { manifest, time: 1_700_000_000, members: [], bytes: 0 }
    return { ...plan, bytes: zipFormat().head(plan).length + tail.length }
  }
  const contentOf = (plan: ObjectPlan) => Buffer.concat([zipFormat().head(plan), tail])
  const ours = planOf('{"generation":1}')

  let store: MemoryStore
  beforeEach(() => {
    store = memoryStore()
    store.owner = 'us'
    store.files.set(location, contentOf(ours))
  })

  function remove(vault: Vault = memoryVault(store, 'us'), beat: () => void = () => undefined) {
    const settings = { root: '/vault', mount: null, publish: 'rename', minFree: 0, owner: 'us' } as const
    const order: RemoveOrder = { kind: 'remove', vault: settings, location, object: ours }
    const none = () => {
      throw new Error('a source was asked for')
    }
    const adapters: MoverAdapters = {
      ...{
        format: zipFormat(),
        vault: () => vault,
        zipsAt: () => null,
        readingVault: none,
        openSource: none,
        inspectSources: none,
      },
    }
    return execute(order, adapters, beat)
  }

  test('removes ours, and finds it absent the second time', () => {
    expect(remove()).toEqual({ outcome: 'removed' })
    expect([...store.files.keys()]).toEqual([])
    expect(remove()).toEqual({ outcome: 'absent' })
  })

  test.each([
    ['of the planned size, with another manifest', contentOf(planOf('{"generation":2}'))],
    ['that begins as ours, and is shorter', contentOf(ours).subarray(0, -1)],
    ['that begins as ours, and is longer', Buffer.concat([contentOf(ours), Buffer.from('x')])],
    ['that is empty', Buffer.alloc(0)],
  ])('leaves an object alone %s', (_, content) => {
    store.files.set(location, content)
    expect(remove()).toEqual({ outcome: 'foreign', bytes: content.length })
    expect(store.files.get(location)).toEqual(content)
  })

  test.each([0, 10])(
    'removes nothing whose mount gives %i bytes and then no more: its manifest was not seen',
    (given) => {
      const vault = memoryVault(store, 'us')
      const ending: Vault = {
        ...vault,
        open(at) {
          const reader = vault.open(at)!
          let left = given
          const read = (buffer: Uint8Array) => {
            const got = reader.read(buffer.subarray(0, left))
            left -= got
            return got
          }
          return { ...reader, read }
        },
      }
      expect(() => remove(ending)).toThrow(expect.objectContaining({ code: 'VAULT_IO' }))
      expect(store.files.has(location)).toBe(true)
    },
  )

  test('removes nothing once the agent is gone that gave it', () => {
    const gone = () => {
      throw new Error('gone')
    }
    expect(() => remove(memoryVault(store, 'us'), gone)).toThrow('gone')
    expect(store.files.has(location)).toBe(true)
  })
})
