import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { BundleId, PlannedBundle } from '../model/bundle.ts'
import type { Did } from '../model/did.ts'
import { noTape, type TapeAccess } from '../model/residency.ts'
import type { Entry, Sighting } from '../model/target.ts'
import type { Catalog, Page } from './catalog.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute))
const did = (name: string, scope = 'raw'): Did => ({ scope, name })
const sighting = (name: string, more: Partial<Sighting> = {}): Sighting => ({
  did: did(name),
  waiting: null,
  closedAt: at(0),
  length: 2,
  bytes: 30,
  ...more,
})
const entry = (name: string): Entry => ({
  did: did(name),
  bytes: 15,
  adler32: '0cc737eb',
  md5: null,
  pfn: `file://localhost/data/raw/${name}`,
  path: `/data/raw/${name}`,
})
const bundle = (name: string, part = 1, parts = 1): PlannedBundle => ({
  part,
  parts,
  manifest: '{"closed_at":"2026-01-01T00:00:00.000Z"}',
  bytes: 1000,
  entries: [entry(`${name}.${part}a`), entry(`${name}.${part}b`)],
  offsets: [100, 500],
})
const content = (name: string, fingerprint = 'f1') => ({
  entries: [entry(`${name}.1a`), entry(`${name}.1b`)],
  bytes: 30,
  closedAt: at(0),
  fingerprint,
  metadata: { project: 'x' },
})
const page: Page = { sort: 'turn', reverse: false, offset: 0, limit: 100 }
const refused = { code: 'SOURCE_MISSING' as const, message: 'Cannot read x: it is gone', hint: 'Put it back.' }

/** What every catalog does; `make` gives an empty one. */
export function catalogContract(name: string, make: () => Promise<Catalog>): void {
  describe(name, () => {
    let catalog: Catalog
    beforeEach(async () => {
      catalog = await make()
    })
    afterEach(() => catalog.close())

    const seen = (...sightings: Sighting[]) => catalog.observe('p', 'raw', sightings, at(1))
    const rowOf = async (dataset: string) => (await catalog.find(did(dataset)))[0]!.row
    async function frozen(dataset: string, parts = 1) {
      await seen(sighting(dataset))
      const { id } = await rowOf(dataset)
      const bundles = Array.from({ length: parts }, (_, index) => bundle(dataset, index + 1, parts))
      await catalog.freeze([{ id, content: content(dataset), bundles }], at(2))
      return id
    }
    async function assigned(dataset: string, parts = 1) {
      const id = await frozen(dataset, parts)
      const next = await catalog.planned('p', at(3))
      await catalog.assign(next!.bundles.map((b) => ({ id: b.id, location: `raw/${dataset}/${b.part}.zip` })))
      return id
    }
    const proof = { direct: false, mover: 2, bytes: 1000, adler32: 'aaaaaaaa' }
    async function confirmed(dataset: string) {
      const id = await assigned(dataset)
      await catalog.written((await catalog.claim('p', 'assigned', at(4)))!, 'aaaaaaaa', 1, at(4))
      await catalog.confirmed((await catalog.claim('p', 'written', at(5)))!, proof, at(5))
      return id
    }

    describe('observe()', () => {
      test('requests what it has not seen before, once', async () => {
        expect(await seen(sighting('a'), sighting('b'))).toMatchObject({ fresh: 2 })
        expect(await seen(sighting('a'), sighting('b'))).toMatchObject({ fresh: 0, unseen: [] })
        expect(await catalog.list({ pipeline: 'p', state: 'requested' }, page)).toHaveLength(2)
      })

      test('knows why a request waits, and takes it when it closes', async () => {
        await seen(sighting('a', { waiting: 'open', closedAt: null, length: null, bytes: null }))
        expect(await catalog.requested('p', 9, at(2))).toEqual([])
        expect(await rowOf('a')).toMatchObject({ waiting: 'open' })
        await seen(sighting('a'))
        expect(await catalog.requested('p', 9, at(2))).toMatchObject([
          { row: { waiting: null, length: 2 }, earlier: [] },
        ])
      })

      test('tells which live targets it did not see', async () => {
        await frozen('a')
        await seen(sighting('a'), sighting('b'))
        expect((await seen(sighting('b'))).unseen.map((row) => row.did.name)).toEqual(['a'])
      })

      test.each([
        ['reopened', { waiting: 'open' as const }, 'reopened'],
        ['closed again', { closedAt: at(9) }, 'closed again'],
        ['grown', { length: 3 }, '3'],
        ['rewritten', { bytes: 31 }, '31'],
      ])('supersedes a frozen target that was %s, and requests the next generation', async (_, change, why) => {
        await frozen('a')
        const { superseded, fresh } = await seen(sighting('a', change))
        expect([superseded.length, fresh]).toEqual([1, 0])
        const [next, last] = await catalog.find(did('a'))
        expect(next!.row).toMatchObject({ generation: 2, state: 'requested' })
        expect(last!.row).toMatchObject({ generation: 1, state: 'superseded' })
        expect(last!.row.endedWhy).toContain(why)
      })

      test('is fair between scopes, and takes the oldest request of each first', async () => {
        await seen(sighting('a'), sighting('b'), sighting('c'))
        await catalog.observe(
          'p',
          'user',
          [sighting('x', { did: did('x', 'user') }), sighting('y', { did: did('y', 'user') })],
          at(2),
        )
        const order = (await catalog.requested('p', 9, at(3))).map(({ row }) => row.did.name)
        expect(order).toEqual(['a', 'x', 'b', 'y', 'c'])
      })
    })

    describe('requested()', () => {
      test('leaves alone what failed until its time has come, or its back-off is ended', async () => {
        await seen(sighting('a'))
        const { id } = await rowOf('a')
        await catalog.setBack(id, { held: true, problems: [refused], at: at(5), notBefore: at(20), bundle: null })
        expect(await catalog.requested('p', 9, at(19))).toEqual([])
        expect(await catalog.requested('p', 9, at(20))).toHaveLength(1)
        await catalog.endBackOffs('q')
        expect(await catalog.requested('p', 9, at(6))).toEqual([])
        await catalog.endBackOffs('p')
        expect(await catalog.requested('p', 9, at(6))).toHaveLength(1)
        expect(await rowOf('a')).toMatchObject({ held: true, failures: 1, problems: [refused] })
        await catalog.setBack(id, { held: true, problems: [refused], at: at(6), notBefore: at(9), bundle: null })
        expect(await catalog.requested('p', 9, at(8))).toEqual([])
      })

      test('never waits longer than a back-off is, wherever the clock is set', async () => {
        await seen(sighting('a'))
        const { id } = await rowOf('a')
        const minutes = (most: number) => fc.integer({ min: 0, max: most })
        await fc.assert(
          fc.asyncProperty(minutes(9000), minutes(360), minutes(9000), async (failed, backOff, now) => {
            const until = at(failed + backOff)
            await catalog.setBack(id, {
              held: false,
              problems: [refused],
              at: at(failed),
              notBefore: until,
              bundle: null,
            })
            const dueNow = (await catalog.requested('p', 9, at(now))).length === 1
            expect(dueNow).toBe(now < failed || now >= failed + backOff)
            // What is said of the next try is when it is.
            const [reason] = (await catalog.summary(at(now))).pipelines[0]!.reasons
            expect(reason!.next! <= at(now)).toBe(dueNow)
            const waits = Math.max(0, reason!.next!.getTime() - at(now).getTime())
            expect(waits).toBeLessThanOrEqual(360 * 60_000)
          }),
        )
      })

      test('leaves alone for ever what only a person can release', async () => {
        await seen(sighting('a'))
        const { id } = await rowOf('a')
        await catalog.setBack(id, { held: true, problems: [refused], at: at(5), notBefore: null, bundle: null })
        expect(await catalog.requested('p', 9, at(9999))).toEqual([])
        await catalog.endBackOffs('p')
        for (const now of [0, 9999]) expect(await catalog.requested('p', 9, at(now))).toEqual([])
        await catalog.retry([id])
        expect(await catalog.requested('p', 9, at(6))).toHaveLength(1)
        expect(await rowOf('a')).toMatchObject({ held: false, failures: 0, failingSince: null })
      })

      test('is not released from what waits for a person by another failure', async () => {
        await seen(sighting('a'))
        const { id } = await rowOf('a')
        await catalog.setBack(id, { held: true, problems: [refused], at: at(5), notBefore: null, bundle: null })
        await catalog.setBack(id, { held: false, problems: [refused], at: at(6), notBefore: at(7), bundle: null })
        expect(await rowOf('a')).toMatchObject({ held: true, notBefore: null, failures: 1 })
        expect(await catalog.requested('p', 9, at(9999))).toEqual([])
      })

      test('looks at once at a request that changed', async () => {
        await seen(sighting('a'))
        const { id } = await rowOf('a')
        await catalog.setBack(id, { held: true, problems: [refused], at: at(5), notBefore: at(200), bundle: null })
        await seen(sighting('a', { length: 3 }))
        expect(await catalog.requested('p', 9, at(6))).toHaveLength(1)
      })

      test('shows what came of the generations before', async () => {
        const id = await confirmed('a')
        await catalog.acknowledge([id], at(6))
        await seen(sighting('a'))
        const [request] = await catalog.requested('p', 9, at(7))
        expect(request).toMatchObject({
          row: { generation: 2 },
          earlier: [{ row: { state: 'acknowledged', fingerprint: 'f1' }, bundles: [{ state: 'confirmed' }] }],
        })
      })
    })

    describe('claim()', () => {
      test('gives each bundle to one worker, as a new attempt each time', async () => {
        await assigned('a')
        const claim = await catalog.claim('p', 'assigned', at(4))
        expect(claim).toMatchObject({
          attempt: 1,
          location: 'raw/a/1.zip',
          bytes: 1000,
          manifest: bundle('a').manifest,
        })
        expect(claim!.entries.map((e) => e.did.name)).toEqual(['a.1a', 'a.1b'])
        expect(await catalog.claim('p', 'assigned', at(4))).toBeNull()
        await catalog.release(claim!)
        expect(await catalog.claim('p', 'assigned', at(4))).toMatchObject({ attempt: 2 })
      })

      test('gives nothing of a target that is ended, or set back', async () => {
        const id = await assigned('a')
        await catalog.setBack(id, { held: false, problems: [refused], at: at(4), notBefore: at(9), bundle: null })
        expect(await catalog.claim('p', 'assigned', at(5))).toBeNull()
        await catalog.withdraw([{ id, why: 'the tag is gone' }], at(10))
        expect(await catalog.claim('p', 'assigned', at(99))).toBeNull()
      })

      test('proves the attempt that was written', async () => {
        await assigned('a')
        const claim = (await catalog.claim('p', 'assigned', at(4)))!
        await catalog.written(claim, 'bbbbbbbb', 77, at(4))
        expect(await catalog.claim('p', 'written', at(5))).toMatchObject({
          attempt: 1,
          adler32: 'bbbbbbbb',
          packer: 77,
        })
      })

      test('refuses a commit that is not of the claim: a late worker changes nothing', async () => {
        await assigned('a')
        const late = (await catalog.claim('p', 'assigned', at(4)))!
        await catalog.voidClaims()
        const second = (await catalog.claim('p', 'assigned', at(4)))!
        await expect(catalog.written(late, 'bbbbbbbb', 1, at(5))).rejects.toMatchObject({ code: 'CATALOG_FAILED' })
        await catalog.release(late)
        await catalog.written(second, 'aaaaaaaa', 2, at(5))
        expect((await catalog.find(did('a')))[0]!.bundles).toMatchObject([{ state: 'written', attempts: 2 }])
      })
    })

    describe('a bundle', () => {
      test('goes back to be written when its object is lost or does not match', async () => {
        await assigned('a')
        await catalog.written((await catalog.claim('p', 'assigned', at(4)))!, 'aaaaaaaa', 1, at(4))
        const bad = (await catalog.claim('p', 'written', at(5)))!
        expect(await catalog.unwritten(bad, true)).toBe(1)
        expect(await catalog.claim('p', 'assigned', at(6))).toBeNull()
        await catalog.release(bad)
        const again = (await catalog.claim('p', 'assigned', at(6)))!
        expect(again).toMatchObject({ attempt: 2, mismatches: 1, adler32: null })
        await catalog.written(again, 'aaaaaaaa', 1, at(6))
        expect(await catalog.unwritten((await catalog.claim('p', 'written', at(7)))!, false)).toBe(1)
      })

      test('clears what it had put in its target’s way, and nothing else', async () => {
        const id = await assigned('a', 2)
        const one = (await catalog.claim('p', 'assigned', at(4)))!
        const two = (await catalog.claim('p', 'assigned', at(4)))!
        await catalog.release(one)
        await catalog.setBack(id, { held: true, problems: [refused], at: at(4), notBefore: at(5), bundle: one.id })
        await catalog.written(two, 'aaaaaaaa', 1, at(5))
        expect(await rowOf('a')).toMatchObject({ held: true })
        await catalog.written((await catalog.claim('p', 'assigned', at(6)))!, 'aaaaaaaa', 1, at(6))
        expect(await rowOf('a')).toMatchObject({ held: false, failures: 0, problems: [] })
      })

      test('that may have left a part in the vault is known once its target ended, until it is cleaned', async () => {
        const id = await assigned('a')
        const claim = (await catalog.claim('p', 'assigned', at(4)))!
        await catalog.written(claim, 'aaaaaaaa', 1, at(4))
        expect(await catalog.debris('p', 9)).toEqual([])
        await catalog.withdraw([{ id, why: 'the tag is gone' }], at(5))
        const [debris] = await catalog.debris('p', 9)
        expect(debris).toMatchObject({ location: 'raw/a/1.zip', attempts: 1 })
        await catalog.cleaned(debris!.id)
        expect(await catalog.debris('p', 9)).toEqual([])
        expect((await catalog.find(did('a')))[0]!.bundles).toMatchObject([{ state: 'assigned' }])
      })

      test('has a location of its own: other objects at, above or below it are found', async () => {
        const a = await assigned('a')
        const clashes = (target: number, ...locations: string[]) => catalog.clashes('p', target as typeof a, locations)
        expect(await clashes(a, 'raw/a/1.zip')).toEqual([])
        for (const location of ['raw/a/1.zip', 'raw/a/1.zip/b/c.zip', 'raw/a']) {
          expect(await clashes(-1, location)).toMatchObject([{ did: did('a'), location: 'raw/a/1.zip' }])
        }
        expect(await clashes(-1, 'raw/a/1.zip.g1.zip', 'raw/a0', 'raw/a/1.zi')).toEqual([])
      })
    })

    describe('ready()', () => {
      test('shows a target when all of its bundles are confirmed, and no longer when it is acknowledged', async () => {
        const id = await assigned('a', 2)
        for (const expected of [0, 1]) {
          await catalog.written((await catalog.claim('p', 'assigned', at(4)))!, 'aaaaaaaa', 1, at(4))
          await catalog.confirmed((await catalog.claim('p', 'written', at(5)))!, proof, at(5))
          expect(await catalog.ready('p', 9, at(6))).toHaveLength(expected)
        }
        await catalog.acknowledge([id], at(7))
        expect(await catalog.ready('p', 9, at(8))).toEqual([])
        expect(await rowOf('a')).toMatchObject({ state: 'acknowledged', endedAt: at(7) })
      })

      test('forgets a target whose object went missing', async () => {
        await confirmed('a')
        const [ready] = await catalog.ready('p', 9, at(6))
        await catalog.unconfirm(ready!.bundles.map((b) => b.id))
        expect(await catalog.ready('p', 9, at(6))).toEqual([])
        expect(await catalog.claim('p', 'assigned', at(6))).toMatchObject({ attempt: 2 })
      })
    })

    test('revive() drops the request and makes the earlier generation frozen again', async () => {
      const id = await confirmed('a')
      await catalog.acknowledge([id], at(6))
      await seen(sighting('a'))
      const [request] = await catalog.requested('p', 9, at(7))
      expect(await catalog.revive(request!.row.id, id, at(3), at(8))).toBe(true)
      expect(await catalog.find(did('a'))).toMatchObject([
        { row: { generation: 1, state: 'frozen', endedAt: null, closedAt: at(3) } },
      ])
      expect(await catalog.ready('p', 9, at(9))).toHaveLength(1)
    })

    test('a transition that does not leave the state it names is refused, and changes nothing', async () => {
      const id = await frozen('a')
      await expect(
        catalog.freeze([{ id, content: content('a'), bundles: [bundle('a')] }], at(3)),
      ).rejects.toMatchObject({ code: 'CATALOG_FAILED' })
      await catalog.withdraw([{ id, why: 'gone' }], at(4))
      await expect(catalog.withdraw([{ id, why: 'gone' }], at(5))).rejects.toMatchObject({ code: 'CATALOG_FAILED' })
      await expect(catalog.acknowledge([id], at(5))).rejects.toMatchObject({ code: 'CATALOG_FAILED' })
      expect(await rowOf('a')).toMatchObject({ state: 'withdrawn', endedAt: at(4) })
    })

    test('freeze() is one transaction: a target that cannot be frozen leaves none frozen', async () => {
      const first = await frozen('a')
      await seen(sighting('a'), sighting('b'))
      const second = (await rowOf('b')).id
      const both = [second, first].map((id) => ({ id, content: content('x'), bundles: [bundle('x')] }))
      await expect(catalog.freeze(both, at(3))).rejects.toThrow()
      expect(await rowOf('b')).toMatchObject({ state: 'requested' })
    })

    test('summary() counts targets and bundles, and knows polls, pauses and the oldest request', async () => {
      await confirmed('a')
      await seen(sighting('a'), sighting('b', { waiting: 'open' }))
      await catalog.missed('p', 'nope', { code: 'SCOPE_UNKNOWN', message: 'm', hint: 'h' }, at(2))
      await catalog.pause('p', { code: 'VAULT_FULL', message: 'm', hint: 'h' }, at(3))
      await catalog.pause('p', { code: 'VAULT_FULL', message: 'again', hint: 'h' }, at(4))
      const { pipelines } = await catalog.summary(at(10))
      expect(pipelines).toHaveLength(1)
      expect(pipelines[0]).toMatchObject({
        pipeline: 'p',
        oldestRequest: at(1),
        pause: { since: at(3), problem: { code: 'VAULT_FULL', message: 'again' } },
        bundles: [{ state: 'confirmed', live: true, count: 1, bytes: 1000 }],
        confirmedLately: { count: 1, bytes: 1000 },
        moving: [],
      })
      expect(pipelines[0]!.targets).toEqual(
        expect.arrayContaining([
          { state: 'frozen', waiting: null, held: false, count: 1, bytes: 30 },
          { state: 'requested', waiting: 'open', held: false, count: 1, bytes: 30 },
        ]),
      )
      expect(pipelines[0]!.polls.map((p) => [p.scope, p.found, p.problem?.code ?? null])).toEqual([
        ['nope', 0, 'SCOPE_UNKNOWN'],
        ['raw', 2, null],
      ])
      await catalog.unpause('p')
      expect((await catalog.summary(at(10))).pipelines[0]!.pause).toBeNull()
    })

    describe('hold()', () => {
      test('keeps a DID from every step, whatever it is at, until it is released', async () => {
        await assigned('a')
        await catalog.hold([did('a'), did('unknown')], 'the disks are being moved', at(4))
        await catalog.hold([did('a')], 'again', at(5))
        expect(await catalog.claim('p', 'assigned', at(9999))).toBeNull()
        expect(await rowOf('a')).toMatchObject({
          hold: { since: at(4), why: 'the disks are being moved' },
          held: false,
        })
        expect((await catalog.list({ state: 'held' }, page)).map((row) => row.did.name)).toEqual(['a'])
        expect((await catalog.summary(at(6))).pipelines[0]).toMatchObject({ heldByPeople: 1 })
        await seen(sighting('unknown'))
        expect(await catalog.requested('p', 9, at(7))).toEqual([])
        await catalog.unhold([did('a'), did('unknown')])
        expect(await catalog.holds()).toEqual([])
        expect(await catalog.claim('p', 'assigned', at(8))).not.toBeNull()
        expect(await catalog.requested('p', 9, at(8))).toHaveLength(1)
      })

      test('outlives a change of the dataset, and what a fault held', async () => {
        await frozen('a')
        await catalog.hold([did('a')], null, at(3))
        await seen(sighting('a', { length: 3 }))
        expect(await rowOf('a')).toMatchObject({ generation: 2, hold: { why: null } })
        await catalog.retry([(await rowOf('a')).id])
        expect(await catalog.requested('p', 9, at(9999))).toEqual([])
      })
    })

    describe('list()', () => {
      beforeEach(async () => {
        await seen(
          sighting('night_1', { bytes: 5 }),
          sighting('night_2', { bytes: 9 }),
          sighting('Night_3', { bytes: 7 }),
        )
        await catalog.observe('q', 'user', [sighting('a/b', { did: did('a/b', 'user') })], at(2))
      })
      const names = async (...query: Parameters<Catalog['list']>) =>
        (await catalog.list(...query)).map((row) => row.did.name)

      test('finds by glob, to the letter, and by pipeline', async () => {
        expect(await names({ glob: 'raw:night_*' }, page)).toEqual(['night_1', 'night_2'])
        expect(await names({ glob: 'raw:?ight?3' }, page)).toEqual(['Night_3'])
        expect(await names({ glob: 'raw:night%' }, page)).toEqual([])
        expect(await names({ glob: 'user:*' }, page)).toEqual(['a/b'])
        expect(await names({ pipeline: 'q' }, page)).toEqual(['a/b'])
      })

      test('finds what failed, by reason', async () => {
        const { id } = await rowOf('night_2')
        await catalog.setBack(id, { held: true, problems: [refused], at: at(5), notBefore: at(9), bundle: null })
        expect(await names({ state: 'failed' }, page)).toEqual(['night_2'])
        expect(await names({ reason: 'SOURCE_MISSING' }, page)).toEqual(['night_2'])
        expect(await names({ reason: 'SOURCE_SIZE' }, page)).toEqual([])
      })

      test('sorts and pages, and counts all of them', async () => {
        const own = { pipeline: 'p' }
        expect(await names(own, { ...page, sort: 'size' })).toEqual(['night_1', 'Night_3', 'night_2'])
        expect(await names(own, { ...page, sort: 'size', reverse: true, limit: 2 })).toEqual(['night_2', 'Night_3'])
        expect(await names(own, { ...page, sort: 'size', offset: 2, limit: 2 })).toEqual(['night_2'])
        expect(await catalog.count(own)).toBe(3)
        expect(await catalog.count({})).toBe(4)
      })
    })

    describe('objects(), filesOf() and filesNamed()', () => {
      beforeEach(async () => {
        await frozen('night_1', 2)
        await frozen('night%1')
      })
      const names = async (glob: string) =>
        (await catalog.objects(glob)).map((object) => `${object.did.name} ${object.part}-${object.parts}`)

      test('find the objects of a dataset, in their order, by its DID or a glob of it', async () => {
        expect(await names('raw:night_1')).toEqual(['night_1 1-2', 'night_1 2-2'])
        expect(await names('raw:night?1')).toEqual(['night%1 1-1', 'night_1 1-2', 'night_1 2-2'])
        expect(await names('raw:n*')).toEqual(['night%1 1-1', 'night_1 1-2', 'night_1 2-2'])
        expect(await names('r*:night_1')).toEqual(['night_1 1-2', 'night_1 2-2'])
        expect(await names('raw:night')).toEqual([])
        expect(await names('raw:Night*')).toEqual([])
        expect(await names('other:n*')).toEqual([])
        expect((await catalog.objects('raw:night%1'))[0]).toMatchObject({
          ...{ generation: 1, target: 'frozen', state: 'planned', location: null, bytes: 1000, files: 2 },
          closedAt: at(0),
        })
      })

      test('find where a file begins, by its own DID', async () => {
        const [first] = await catalog.objects('raw:night_1')
        const files = await catalog.filesOf(first!.id)
        expect(files).toEqual([
          { object: first!.id, entry: entry('night_1.1a'), offset: 100 },
          { object: first!.id, entry: entry('night_1.1b'), offset: 500 },
        ])
        expect(await catalog.filesOf(first!.id, '*1b')).toEqual([files[1]])
        expect(await catalog.filesOf(first!.id, 'night?1.1b')).toEqual([files[1]])
        expect(await catalog.filesOf(first!.id, 'night%')).toEqual([])
        expect(await catalog.filesNamed('raw:night_1.1b')).toEqual([{ file: files[1], object: first }])
        const all = await catalog.filesNamed('raw:*a')
        expect(all.map(({ file }) => file.entry.did.name)).toEqual(['night%1.1a', 'night_1.1a', 'night_1.2a'])
        expect(await catalog.filesNamed('raw:night_1')).toEqual([])
      })

      test('of every generation, the newest first', async () => {
        await seen(sighting('night%1', { closedAt: at(5) }))
        const { id } = await rowOf('night%1')
        await catalog.freeze([{ id, content: content('night%1', 'f2'), bundles: [bundle('night%1')] }], at(6))
        const found = await catalog.objects('raw:night%1')
        expect(found.map(({ generation, target }) => [generation, target])).toEqual([
          [2, 'frozen'],
          [1, 'superseded'],
        ])
      })
    })

    describe('verified() and repair()', () => {
      const verification = {
        at: at(20),
        bytes: 1000,
        seconds: 2,
        direct: true,
        source: 'disk',
        outcome: 'good',
        what: null,
      } as const
      async function archived(dataset: string) {
        await assigned(dataset)
        const one = await catalog.claim('p', 'assigned', at(4))
        await catalog.written(one!, 'aaaaaaaa', 1, at(5))
        const two = await catalog.claim('p', 'written', at(6))
        await catalog.confirmed(two!, { direct: true, mover: 2, bytes: 1000, adler32: 'aaaaaaaa' }, at(7))
        const { id } = await rowOf(dataset)
        await catalog.acknowledge([id], at(8))
        return { target: id, bundle: two!.id }
      }
      const pending = async (before: Date | null, glob = '*') =>
        (await catalog.unverified({ glob }, before)).map((object) => object.did.name)

      test('what was proven or verified the longest ago comes first, and no longer when it was', async () => {
        const a = await archived('a')
        await archived('b')
        expect(await pending(null)).toEqual(['a', 'b'])
        expect(await pending(at(7))).toEqual([])
        expect(await pending(at(8), 'raw:b')).toEqual(['b'])
        expect(await catalog.verified(a.bundle, at(7), verification)).toBe(true)
        expect(await pending(null)).toEqual(['b', 'a'])
        expect(await pending(at(20))).toEqual(['b'])
        expect(await catalog.verifications(a.bundle)).toEqual([verification])
        expect((await catalog.summary(at(30))).pipelines[0]!.verification).toEqual({
          ...{ objects: 2, never: 1, oldest: at(7), damaged: 0, onTape: 0 },
        })
      })

      test('damage stays until the object is good again; what could not be read is no damage', async () => {
        const { bundle } = await archived('a')
        const damaged = async () => (await catalog.list({ state: 'damaged' }, page)).map((row) => row.did.name)
        await catalog.verified(bundle, at(7), { ...verification, outcome: 'unreadable', what: 'EIO' })
        expect(await damaged()).toEqual([])
        await catalog.verified(bundle, at(7), { ...verification, outcome: 'mismatch', what: 'its data' })
        expect(await damaged()).toEqual(['a'])
        await catalog.verified(bundle, at(7), { ...verification, outcome: 'unsteady', what: 'its data' })
        expect(await damaged()).toEqual(['a'])
        expect((await catalog.find(did('a')))[0]!.bundles[0]).toMatchObject({ damage: 'its data', verifiedAt: null })
        await catalog.verified(bundle, at(7), verification)
        expect(await damaged()).toEqual([])
      })

      test('says nothing of an object that was proven anew meanwhile, or removed', async () => {
        const { bundle, target } = await archived('a')
        expect(await catalog.verified(bundle, at(6), { ...verification, outcome: 'mismatch' })).toBe(false)
        await catalog.removing(target, at(9))
        expect(await catalog.verified(bundle, at(7), { ...verification, outcome: 'missing' })).toBe(false)
        expect(await catalog.confirmedObject(bundle)).toBeNull()
        expect(await catalog.verifications(bundle)).toEqual([])
      })

      test('a repair takes the archived generation up again, and drops what was requested since', async () => {
        const { bundle, target } = await archived('a')
        await catalog.verified(bundle, at(7), { ...verification, outcome: 'mismatch', what: 'its data' })
        await catalog.hold([did('a')], 'damaged', at(21))
        await seen(sighting('a'))
        await catalog.repair(target, [bundle], at(22))
        const found = await catalog.find(did('a'))
        expect(found.map(({ row }) => [row.generation, row.state, row.hold])).toEqual([[1, 'frozen', null]])
        expect(found[0]!.bundles[0]).toMatchObject({ state: 'assigned', damage: null, confirmedAt: null, attempts: 1 })
        expect(await catalog.claim('p', 'assigned', at(23))).toMatchObject({ attempt: 2, location: 'raw/a/1.zip' })
      })

      test('no repair while a later generation is being archived: nothing is changed', async () => {
        const { bundle, target } = await archived('a')
        await frozen('a')
        await expect(catalog.repair(target, [bundle], at(22))).rejects.toThrow()
        expect((await catalog.find(did('a'))).map(({ row }) => row.state)).toEqual(['frozen', 'acknowledged'])
      })
    })

    test('places() tells where the objects of each pipeline were said to be last', async () => {
      const tape: TapeAccess = { probe: { kind: 'command', command: ['hsi', '-q'] }, recall: { kind: 'none' } }
      expect([...(await catalog.places())]).toEqual([])
      await catalog.rememberPlace('p', { root: '/hpss/a', mount: '/hpss', tape })
      await catalog.rememberPlace('q', { root: '/q', mount: null, tape })
      await catalog.rememberPlace('p', { root: '/hpss/b', mount: null, tape: noTape })
      expect(Object.fromEntries(await catalog.places())).toEqual({
        p: { root: '/hpss/b', mount: null, tape: noTape },
        q: { root: '/q', mount: null, tape },
      })
    })

    describe('recall()', () => {
      const by = 'alice@login1'
      const open = async () => (await catalog.recalls()).map(({ object, askedAt }) => [object.id, askedAt])
      const bundles = async () => {
        for (const dataset of ['a', 'b']) await assigned(dataset)
        return (await catalog.objects('*')).map(({ id }) => id)
      }

      test('asks once for an object, whoever asks, until it has arrived', async () => {
        const [a, b] = (await bundles()) as [BundleId, BundleId]
        expect(await catalog.recall([a], by, at(1), at(0))).toEqual([a])
        expect(await catalog.recall([a, b], 'bob@login2', at(2), at(0))).toEqual([b])
        expect(await open()).toEqual([
          [a, at(1)],
          [b, at(2)],
        ])
        expect((await catalog.recalls())[0]).toMatchObject({ askedBy: by, object: { did: did('a') } })
        await catalog.endRecalls([a], 'arrived', at(3))
        expect(await open()).toEqual([[b, at(2)]])
        expect(await catalog.recall([a], by, at(4), at(0))).toEqual([a])
      })

      test('asks again for what was written down, and may never have been sent', async () => {
        const [a] = (await bundles()) as [BundleId]
        await catalog.recall([a], by, at(1), at(0))
        expect(await catalog.recall([a], by, at(5), at(0))).toEqual([])
        expect(await catalog.recall([a], by, at(7), at(0))).toEqual([a])
        await catalog.recallSent([a], at(7))
        expect(await catalog.recall([a], by, at(20), at(0))).toEqual([])
        expect(await catalog.recall([a], by, at(6), at(0))).toEqual([a]) // by a clock that was set back
      })

      test('asks again for what was asked for too long ago', async () => {
        const [a] = (await bundles()) as [BundleId]
        await catalog.recall([a], by, at(1), at(0))
        await catalog.recallSent([a], at(1))
        expect(await catalog.recall([a], by, at(9), at(1))).toEqual([])
        expect(await catalog.recall([a], by, at(9), at(2))).toEqual([a])
        expect(await open()).toEqual([[a, at(9)]])
      })
    })

    test('sawOnTape() keeps when an object was first seen there, until it is written anew', async () => {
      await assigned('a')
      const { id } = (await catalog.objects('*'))[0]!
      const onTapeAt = async () => (await catalog.objects('*'))[0]!.onTapeAt
      await catalog.sawOnTape([{ id, confirmedAt: at(7) }], at(3))
      expect(await onTapeAt()).toBeNull()
      await catalog.written((await catalog.claim('p', 'assigned', at(4)))!, 'aaaaaaaa', 1, at(5))
      const claim = (await catalog.claim('p', 'written', at(6)))!
      await catalog.confirmed(claim, { direct: true, mover: 2, bytes: 1000, adler32: 'aaaaaaaa' }, at(7))
      await catalog.sawOnTape([{ id, confirmedAt: at(6) }], at(8)) // of the one before
      expect(await onTapeAt()).toBeNull()
      await catalog.sawOnTape([{ id, confirmedAt: at(7) }], at(8))
      await catalog.sawOnTape([{ id, confirmedAt: at(7) }], at(9))
      expect(await onTapeAt()).toEqual(at(8))
      expect((await catalog.summary(at(10))).pipelines[0]!.verification).toMatchObject({ onTape: 1 })
      await catalog.unconfirm([id])
      expect(await onTapeAt()).toBeNull()
    })

    test('summary() tells what is being moved, and how far it is', async () => {
      await assigned('a')
      const claim = (await catalog.claim('p', 'assigned', at(4)))!
      await catalog.moved(claim, 400, at(3), at(5))
      expect((await catalog.summary(at(6))).pipelines[0]!.moving).toEqual([
        {
          did: did('a'),
          part: 1,
          parts: 1,
          doing: 'writing',
          attempt: 1,
          bytes: 1000,
          moved: 400,
          since: at(3),
          movedAt: at(5),
        },
      ])
      await catalog.written(claim, 'aaaaaaaa', 1, at(6))
      await catalog.moved(claim, 900, at(3), at(7))
      expect((await catalog.summary(at(8))).pipelines[0]!.moving).toEqual([])
      await catalog.claim('p', 'written', at(9))
      expect((await catalog.summary(at(9))).pipelines[0]!.moving).toMatchObject([
        { doing: 'reading back', moved: 0, since: at(9) },
      ])
    })

    test('summary() counts the objects of what is held apart: nobody works on them', async () => {
      const id = await assigned('a')
      const counted = async () =>
        (await catalog.summary(at(6))).pipelines[0]!.bundles.map(({ live, count }) => [live, count])
      expect(await counted()).toEqual([[true, 1]])
      await catalog.setBack(id, { held: true, problems: [refused], at: at(5), notBefore: at(20), bundle: null })
      expect(await counted()).toEqual([[false, 1]])
    })

    test('summary() groups failures by reason, since the first of them', async () => {
      await seen(sighting('a'), sighting('b'), sighting('c'))
      for (const [name, minute] of [
        ['a', 5],
        ['b', 3],
        ['a', 7],
      ] as const) {
        const { id } = await rowOf(name)
        await catalog.setBack(id, {
          held: true,
          problems: [refused],
          at: at(minute),
          notBefore: at(minute + 10),
          bundle: null,
        })
      }
      expect((await catalog.summary(at(8))).pipelines[0]).toMatchObject({
        failed: 2,
        reasons: [{ code: 'SOURCE_MISSING', held: true, count: 2, since: at(3), next: at(13) }],
      })
    })

    test('remembers a drain until it is ended, and who works on it', async () => {
      expect(await catalog.drained()).toBeNull()
      await catalog.drain('HPSS is being upgraded', at(1))
      await catalog.drain('again', at(2))
      expect(await catalog.drained()).toEqual({ since: at(1), why: 'HPSS is being upgraded' })
      await catalog.resume()
      expect((await catalog.summary(at(3))).drain).toBeNull()
      await catalog.agentStarted({ version: '1', host: 'h', pid: 7 }, at(4))
      await catalog.agentLives(at(5))
      const agent = { version: '1', host: 'h', pid: 7, startedAt: at(4), heardAt: at(5), endedAt: null }
      expect((await catalog.summary(at(6))).agent).toEqual(agent)
      await catalog.agentEnded(at(7))
      expect((await catalog.summary(at(8))).agent).toMatchObject({ endedAt: at(7) })
      await catalog.agentStarted({ version: '2', host: 'h', pid: 8 }, at(9))
      expect((await catalog.summary(at(9))).agent).toMatchObject({ version: '2', endedAt: null })
    })

    test('remembers what the agent signs in with, as it was seen last', async () => {
      expect((await catalog.summary(at(0))).credential).toBeNull()
      const proxy = {
        kind: 'proxy',
        file: '/tmp/x509up',
        from: at(1),
        until: at(9),
        issued: at(0),
        problem: null,
      } as const
      await catalog.sawCredential(proxy, at(2))
      expect((await catalog.summary(at(2))).credential).toEqual({ ...proxy, seenAt: at(2) })
      const problem = { code: 'CREDENTIAL_UNUSABLE', message: 'm', hint: 'h' } as const
      const token = { kind: 'token', file: '/run/token', from: null, until: null, issued: null, problem } as const
      await catalog.sawCredential(token, at(3))
      expect((await catalog.summary(at(3))).credential).toEqual({ ...token, seenAt: at(3) })
      await catalog.sawCredential(null, at(4))
      expect((await catalog.summary(at(4))).credential).toBeNull()
    })

    test('knows the movers that are stuck now, and forgets those that no longer are', async () => {
      const stuck = (pid: number) => ({
        ...{ pid, operation: 'sync', path: `/hpss/${pid}`, since: at(pid), freedBy: 'umount -f /hpss' },
      })
      await catalog.sawStuck([stuck(2), stuck(1)])
      expect((await catalog.summary(at(9))).stuck).toEqual([stuck(1), stuck(2)])
      await catalog.sawStuck([stuck(2)])
      expect((await catalog.summary(at(9))).stuck).toEqual([stuck(2)])
      await catalog.sawStuck([])
      expect((await catalog.summary(at(9))).stuck).toEqual([])
    })

    describe('removing()', () => {
      test('marks the objects of an ended target: nothing goes back to them', async () => {
        const id = await confirmed('a')
        expect(await catalog.removing(id, at(6))).toBe(false)
        await catalog.acknowledge([id], at(6))
        await seen(sighting('a'))
        const [request] = await catalog.requested('p', 9, at(7))
        expect(await catalog.removing(id, at(8))).toBe(true)
        expect(await catalog.revive(request!.row.id, id, at(3), at(9))).toBe(false)
        expect(await catalog.find(did('a'))).toMatchObject([
          { row: { generation: 2, state: 'requested' } },
          { row: { generation: 1, state: 'acknowledged' }, bundles: [{ removedAt: at(8), state: 'confirmed' }] },
        ])
      })
    })

    test('forgets polls of scopes that are no longer polled', async () => {
      await seen(sighting('a'))
      await catalog.missed('p', 'old', { code: 'SCOPE_UNKNOWN', message: 'm', hint: 'h' }, at(2))
      await catalog.missed('q', 'old', { code: 'SCOPE_UNKNOWN', message: 'm', hint: 'h' }, at(2))
      await catalog.forgetOtherPolls('p', ['raw'])
      const { pipelines } = await catalog.summary(at(10))
      expect(pipelines.map(({ polls }) => polls.map(({ scope }) => scope))).toEqual([['raw'], ['old']])
    })

    test('remembers the vaults it has claimed', async () => {
      expect(await catalog.knowsVault('/hpss')).toBe(false)
      await catalog.rememberVault('/hpss', at(1))
      await catalog.rememberVault('/hpss', at(2))
      expect(await catalog.knowsVault('/hpss')).toBe(true)
    })

    test('keeps sizes beyond 32 bits, and names of any kind', async () => {
      const odd = 'a/é\u{1F52D}\'"%_*'
      await seen(sighting(odd, { bytes: 2 ** 50 + 1 }))
      expect(await rowOf(odd)).toMatchObject({ did: did(odd), bytes: 2 ** 50 + 1 })
    })
  })
}
