import type { Catalog, Claim } from '../src/catalog/catalog.ts'
import { openCatalog, type CatalogOptions } from '../src/catalog/sqlite.ts'
import type { Did } from '../src/model/did.ts'
import { noTape } from '../src/model/residency.ts'
import type { Entry, Sighting, TargetId } from '../src/model/target.ts'

/** All that ever happens to a catalog, in a few steps, of which each writes once; what a catalog does that is killed in it. */

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute))
const due = at(30)
const did = (name: string): Did => ({ scope: 'raw', name })
const sighting = (name: string): Sighting => ({ did: did(name), waiting: null, closedAt: at(0), length: 1, bytes: 15 })
const entry = (name: string): Entry => {
  const path = `/data/raw/${name}`
  return { did: did(name), bytes: 15, adler32: '0cc737eb', md5: null, pfn: `file://localhost${path}`, path }
}
const problem = { code: 'SOURCE_MISSING', message: 'Cannot read x: it is gone', hint: 'Put it back.' } as const
const proof = { direct: true, mover: 2, bytes: 1000, adler32: 'aaaaaaaa' }
const datasets = ['a', 'b', 'c'] as const

const idOf = async (catalog: Catalog, name: string): Promise<TargetId> => (await catalog.find(did(name)))[0]!.row.id

const firstOf = async (catalog: Catalog, name: string) => (await catalog.find(did(name)))[0]!.bundles[0]!

const frozenAs = (id: TargetId, name: string, parts: number) => ({
  id,
  content: { entries: [entry(name)], bytes: 15, closedAt: at(0), fingerprint: name, metadata: {} },
  bundles: Array.from({ length: parts }, (_, index) => ({
    part: index + 1,
    parts,
    manifest: '{"closed_at":"2026-01-01T00:00:00.000Z"}',
    bytes: 1000,
    entries: [entry(`${name}.${index + 1}`)],
    offsets: [100],
  })),
})

async function assignNext(catalog: Catalog): Promise<void> {
  const { target, bundles } = (await catalog.planned('p', due))!
  await catalog.assign(
    bundles.map(({ id, part }) => ({ id, location: `raw/${target.did.name}/g${target.generation}.${part}` })),
  )
}

/** The steps of one life. `claims` goes from a step to the next. */
function life(): readonly (readonly [name: string, step: (catalog: Catalog) => Promise<unknown>])[] {
  let claim: Claim
  const take = (state: 'assigned' | 'written') =>
    [`claim ${state}`, async (c: Catalog) => (claim = (await c.claim('p', state, due))!)] as const
  const written = ['written', (c: Catalog) => c.written(claim, 'aaaaaaaa', 1, at(5))] as const
  const confirmed = ['confirmed', (c: Catalog) => c.confirmed(claim, proof, at(6))] as const
  const release = ['release', (c: Catalog) => c.release(claim)] as const
  const whole = [take('assigned'), written, take('written'), confirmed]
  return [
    ['agentStarted', (c) => c.agentStarted({ version: '1', host: 'h', pid: 7 }, at(1))],
    ['voidClaims', (c) => c.voidClaims()],
    ['rememberVault', (c) => c.rememberVault('/hpss', at(1))],
    ['rememberPlace', (c) => c.rememberPlace('p', { root: '/hpss', mount: null, tape: noTape })],
    [
      'recover',
      (c) => {
        const { content, bundles } = frozenAs(0 as TargetId, 'lost', 2)
        const there = bundles.map((bundle) => ({ ...bundle, location: `x/${bundle.part}`, adler32: 'aaaaaaaa', attempts: 1 }))
        return c.recover('q', { did: did('lost'), generation: 3, content, bundles: there, superseded: 'it is old' }, at(1))
      },
    ],
    ['sawStuck', (c) => c.sawStuck([{ pid: 1, operation: 'sync', path: '/x', since: at(1), freedBy: 'y' }])],
    ['endBackOffs', (c) => c.endBackOffs('p')],
    ['sawCredential', (c) => c.sawCredential({ kind: 'token', file: '/t', from: null, until: null, issued: null, problem: null }, at(1))],
    ['observe', (c) => c.observe('p', 'raw', datasets.map(sighting), at(1))],
    ['missed', (c) => c.missed('p', 'old', { ...problem, code: 'SCOPE_UNKNOWN' }, at(1))],
    ['forgetOtherPolls', (c) => c.forgetOtherPolls('p', ['raw'])],
    ['setBack', async (c) => c.setBack(await idOf(c, 'a'), { held: true, problems: [problem], at: at(2), notBefore: at(9), bundle: null })],
    ['retry', async (c) => c.retry([await idOf(c, 'a')])],
    ['hold', (c) => c.hold([did('a'), did('b')], 'why', at(2))],
    ['unhold', (c) => c.unhold([did('a'), did('b')])],
    ['freeze', async (c) => c.freeze([frozenAs(await idOf(c, 'a'), 'a', 2), frozenAs(await idOf(c, 'b'), 'b', 1), frozenAs(await idOf(c, 'c'), 'c', 1)], at(3))],
    ['assign a', assignNext],
    take('assigned'),
    ['moved', (c) => c.moved(claim, 400, at(3), at(4))],
    release,
    take('assigned'),
    written,
    take('written'),
    ['unwritten', (c) => c.unwritten(claim, true)],
    release,
    ...whole,
    ...whole,
    ['acknowledge', async (c) => c.acknowledge([await idOf(c, 'a')], at(7))],
    ['assign b', assignNext],
    ...whole,
    ['unconfirm', async (c) => c.unconfirm((await c.find(did('b')))[0]!.bundles.map(({ id }) => id))],
    take('assigned'),
    written,
    ['withdraw', async (c) => c.withdraw([{ id: await idOf(c, 'b'), why: 'gone' }], at(8))],
    ['cleaned', async (c) => c.cleaned((await c.debris('p', 9))[0]!.id)],
    ['supersede', async (c) => c.supersede([{ id: await idOf(c, 'c'), why: 'changed' }], at(8))],
    ['observe again', (c) => c.observe('p', 'raw', [sighting('a')], at(9))],
    ['revive', async (c) => {
      const [request] = await c.requested('p', 1, due)
      await c.revive(request!.row.id, request!.earlier[0]!.row.id, at(0), at(9))
    }],
    ['acknowledge again', async (c) => c.acknowledge([await idOf(c, 'a')], at(10))],
    ['verified', async (c) => c.verified((await firstOf(c, 'a')).id, at(6), { at: at(10), bytes: 1000, seconds: 1, direct: true, source: null, outcome: 'mismatch', what: 'x' })],
    ['hold', async (c) => c.hold([did('a')], 'damaged', at(10))],
    ['observe what is damaged', (c) => c.observe('p', 'raw', [sighting('a')], at(10))],
    ['repair', async (c) => {
      const [, archived] = await c.find(did('a'))
      await c.repair(archived!.row.id, [archived!.bundles[0]!.id], at(10))
    }],
    ...whole,
    ['acknowledge what was repaired', async (c) => c.acknowledge([await idOf(c, 'a')], at(10))],
    ['sawOnTape', async (c) => c.sawOnTape([{ id: (await firstOf(c, 'a')).id, confirmedAt: (await firstOf(c, 'a')).confirmedAt! }], at(10))],
    ['recall', async (c) => c.recall([(await firstOf(c, 'a')).id], 'alice@login1', at(10), at(9))],
    ['recallSent', async (c) => c.recallSent([(await firstOf(c, 'a')).id], at(10))],
    ['recall again', async (c) => c.recall([(await firstOf(c, 'a')).id], 'alice@login1', at(12), at(11))],
    ['endRecalls', async (c) => c.endRecalls([(await firstOf(c, 'a')).id], 'arrived', at(13))],
    ['removing', async (c) => c.removing(await idOf(c, 'a'), at(11))],
    ['backedUp', (c) => c.backedUp({ at: at(12), problem })],
    ['backedUp again', (c) => c.backedUp({ at: at(12), path: '/b', bytes: 7 })],
    ['pause', (c) => c.pause('p', problem, at(12))],
    ['unpause', (c) => c.unpause('p')],
    ['drain', (c) => c.drain('why', at(12))],
    ['resume', (c) => c.resume()],
    ['agentLives', (c) => c.agentLives(at(13))],
    ['agentEnded', (c) => c.agentEnded(at(14))],
  ] // prettier-ignore
}

export interface Watcher {
  /** Before each statement, from the first one of opening on. */
  readonly statement: () => void
  /** After opening, and after each step. */
  readonly after: (step: string, catalog: Catalog) => void
}

const options = (file: string, guard: () => void): CatalogOptions => ({
  ...{ file, guard, newId: () => 'the-id', now: () => at(0), onNetworkFilesystem: false },
})

export async function live(file: string, { statement, after }: Watcher): Promise<void> {
  const catalog = await openCatalog(options(file, statement))
  try {
    after('open', catalog)
    for (const [name, step] of life()) {
      await step(catalog)
      after(name, catalog)
    }
  } finally {
    await catalog.close()
  }
}

/** Goes on as an agent does, from wherever a life was ended, until everything has ended; says what has not. */
export async function finish(file: string): Promise<readonly string[]> {
  const catalog = await openCatalog(options(file, () => undefined))
  try {
    const late = at(9999)
    await catalog.voidClaims()
    await catalog.resume()
    await catalog.unpause('p')
    await catalog.unhold((await catalog.holds()).map((hold) => hold.did))
    const known = await Promise.all(datasets.map((name) => catalog.find(did(name))))
    const wanted = datasets.filter((_, index) => (known[index]![0]?.row.endedAt ?? null) === null)
    await catalog.observe('p', 'raw', wanted.map(sighting), at(40))
    for (const { row } of await catalog.requested('p', 9, late))
      await catalog.freeze([frozenAs(row.id, row.did.name, 1)], at(41))
    while ((await catalog.planned('p', late)) !== null) await assignNext(catalog)
    for (let claim; (claim = await catalog.claim('p', 'assigned', late)) !== null;)
      await catalog.written(claim, 'aaaaaaaa', 1, at(42))
    for (let claim; (claim = await catalog.claim('p', 'written', late)) !== null;)
      await catalog.confirmed(claim, proof, at(43))
    await catalog.acknowledge((await catalog.ready('p', 9, late)).map(({ row }) => row.id), at(44)) // prettier-ignore
    for (const { id } of await catalog.debris('p', 9)) await catalog.cleaned(id)
    const all = (await Promise.all(datasets.map((name) => catalog.find(did(name))))).map((found) => found[0]!)
    return all
      .filter(({ row, bundles }) => row.endedAt === null || (row.state === 'acknowledged' && bundles.some(({ state }) => state !== 'confirmed')))
      .map(({ row }) => `${row.did.name} is ${row.state}`) // prettier-ignore
  } finally {
    await catalog.close()
  }
}

// As a program: lives in the file it is given, and kills itself before the statement whose number it is given.
if (process.argv[1] === import.meta.filename) {
  const [file, last] = process.argv.slice(2)
  let statements = 0
  const statement = () => {
    if (++statements === Number(last)) process.kill(process.pid, 'SIGKILL')
  }
  await live(file!, { statement, after: () => undefined })
}
