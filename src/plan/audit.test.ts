import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import type { Did } from '../model/did.ts'
import { audit, breaksDone, findingKinds, type Audited, type AuditedObject, type FindingKind } from './audit.ts'

const location = (did: Did, generation: number, part: number) =>
  `${did.scope}/${did.name}/${did.name}.g${generation}.${part}-9.zip`

/** A world in which all agree: datasets that are done, each in some objects, some with older generations that were removed. */
const worlds = fc
  .array(
    fc.record({
      name: fc.stringMatching(/^[a-z]{1,4}$/u),
      objects: fc.integer({ min: 1, max: 4 }),
      generation: fc.integer({ min: 1, max: 3 }),
      bytes: fc.integer({ min: 1, max: 1e12 }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((datasets): Audited => {
    const unique = [...new Map(datasets.map((each) => [each.name, each])).values()]
    const objects = unique.flatMap(({ name, objects: count, generation, bytes }) =>
      Array.from({ length: generation }, (_, index) => index + 1).flatMap((each) =>
        Array.from({ length: count }, (_, part): AuditedObject => {
          const did = { scope: 'raw', name }
          return {
            ...{ did, generation: each, target: 'acknowledged', state: 'confirmed', damage: null, bytes },
            location: location(did, each, part + 1),
            removedAt: each === generation ? null : new Date(0),
          }
        }),
      ),
    )
    return {
      done: unique.map(({ name }) => ({ scope: 'raw', name })),
      ...{ need: [], live: [], before: objects, after: objects, polled: (scope: string) => scope === 'raw' },
      vault: [
        { path: '.tape-rse.json', bytes: 90 },
        ...objects.filter(({ removedAt }) => removedAt === null).map((o) => ({ path: o.location!, bytes: o.bytes })),
      ],
    }
  })

test('finds nothing where all agree', () => {
  fc.assert(fc.property(worlds, (world) => expect(audit(world)).toEqual([])))
})

/** One thing that is wrong, and all that is to be said of it. */
const faults: readonly (readonly [FindingKind, (world: Audited, object: AuditedObject) => Audited])[] = [
  ['DONE_MISSING', (w, o) => ({ ...w, vault: w.vault.filter(({ path }) => path !== o.location) })],
  [
    'DONE_OTHER_SIZE',
    (w, o) => ({ ...w, vault: w.vault.map((v) => (v.path === o.location ? { ...v, bytes: v.bytes + 1 } : v)) }),
  ],
  ['DAMAGED', (w, o) => change(w, o, { damage: 'its data' })],
  ['DONE_UNKNOWN', (w) => ({ ...w, done: [...w.done, { scope: 'raw', name: 'unknown' }] })],
  ['NEED_ARCHIVED', (w, o) => ({ ...untold(w, o), need: [o.did] })],
  ['NOT_TOLD', (w, o) => untold(w, o)],
  ['OBJECT_UNKNOWN', (w) => ({ ...w, vault: [...w.vault, { path: 'raw/x/y.zip', bytes: 1 }] })],
  ['LEFTOVER', (w, o) => ({ ...w, vault: [...w.vault, { path: hidden(o, 'part'), bytes: 1 }] })],
  ['LEFTOVER', (w, o) => ({ ...w, vault: [...w.vault, { path: hidden(o, 'damaged'), bytes: 1 }] })],
]
const untold = (w: Audited, o: AuditedObject): Audited => ({
  ...w,
  done: w.done.filter(({ name }) => name !== o.did.name),
})
const hidden = (o: AuditedObject, kind: string) => o.location!.replace(/([^/]+)$/u, `.$1.3.${kind}`)
function change(w: Audited, o: AuditedObject, values: Partial<AuditedObject>): Audited {
  const changed = (objects: readonly AuditedObject[]) =>
    objects.map((each) => (each === o ? { ...each, ...values } : each))
  return { ...w, before: changed(w.before), after: changed(w.after) }
}

test.each(faults)('finds %s, and nothing else', (kind, spoil) => {
  fc.assert(
    fc.property(worlds, fc.nat(), (world, which) => {
      const there = world.after.filter(({ removedAt }) => removedAt === null)
      const object = there[which % there.length]!
      const findings = audit(spoil(world, object))
      expect(findings.map((finding) => finding.kind)).toEqual([kind])
      expect(findings.some(breaksDone)).toBe(['DONE_MISSING', 'DONE_OTHER_SIZE', 'DAMAGED'].includes(kind))
    }),
  )
})

test('an older generation that is still there is superseded; one that is gone, by hand, is said to be missing', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const old = world.after.filter(({ removedAt }) => removedAt !== null)
      fc.pre(old.length > 0)
      const kept = change(world, old[0]!, { removedAt: null })
      expect(audit(kept).map(({ kind }) => kind)).toEqual(['OBJECT_MISSING'])
      const there = { ...kept, vault: [...kept.vault, { path: old[0]!.location!, bytes: old[0]!.bytes }] }
      expect(audit(there).map(({ kind }) => kind)).toEqual(['SUPERSEDED'])
    }),
  )
})

test('what is at work, or changed while it was looked at, is no finding', () => {
  fc.assert(
    fc.property(worlds, fc.nat(), (world, which) => {
      const there = world.after.filter(({ removedAt }) => removedAt === null)
      const { did, generation } = there[which % there.length]!
      const own = (o: AuditedObject) => o.did === did || (o.did.name === did.name && o.generation === generation)
      const working = (state: AuditedObject['state']) => (o: AuditedObject) =>
        own(o) ? { ...o, target: 'frozen' as const, state } : o
      const elsewhere = world.vault.filter(({ path }) => !path.startsWith(`raw/${did.name}/`))
      // Seen before it was written, and after it was done; the vault and Rucio somewhere between.
      const meanwhile = { ...world, before: world.before.map(working('assigned')), vault: elsewhere, need: [did] }
      expect(audit(meanwhile)).toEqual([])
      const part = { path: hidden(there[which % there.length]!, 'part'), bytes: 1 }
      const still = { ...meanwhile, after: world.after.map(working('written')), vault: [...world.vault, part] }
      expect(audit({ ...still, live: [did] })).toEqual([])
    }),
  )
})

test('says nothing of the tags of scopes that it did not ask about', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      expect(audit({ ...world, done: [], polled: () => false })).toEqual([])
    }),
  )
})

test('docs/operations.md has a row for each finding, the worst first', () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const section = page.slice(page.indexOf('\n## The audit\n')).replace(/\n## (?!The audit\n)[^]*/u, '')
  expect([...section.matchAll(/^\| ([A-Z_]+) /gmu)].map((match) => match[1])).toEqual(findingKinds)
})
