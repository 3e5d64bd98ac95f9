import { describe, expect, test } from '@jest/globals'
import type { BundleRow, KnownTarget } from '../catalog/catalog.ts'
import type { BundleId } from '../model/bundle.ts'
import type { TargetId } from '../model/target.ts'
import type { Description } from '../source/rucio.ts'
import { explainGates, type Findings } from './explain.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute))
const did = { scope: 'raw', name: 'night' }
const problem = {
  code: 'SOURCE_MISSING' as const,
  message: 'Cannot read /data/x: there is no such file',
  hint: 'Restore it.',
}

const rucio: Description = {
  did,
  type: 'DATASET',
  waiting: null,
  closedAt: at(1),
  length: 2,
  bytes: 30,
  tag: 'TAPE:need',
  files: 2,
  replicas: new Map([['AVAILABLE', 2]]),
  problems: [],
}
const row: KnownTarget = {
  id: 1 as TargetId,
  pipeline: 'p',
  did,
  generation: 1,
  state: 'frozen',
  waiting: null,
  requestedAt: at(2),
  closedAt: at(1),
  length: 2,
  bytes: 30,
  fingerprint: 'f',
  frozenAt: at(3),
  endedAt: null,
  endedWhy: null,
  failures: 0,
  failedAt: null,
  failingSince: null,
  hold: null,
  notBefore: null,
  held: false,
  problems: [],
  rebuiltAt: null,
}
const bundle = (state: BundleRow['state'], part = 1, parts = 1): BundleRow => ({
  id: part as BundleId,
  targetId: row.id,
  part,
  parts,
  state,
  location: `raw/night/night.g1.${part}-${parts}.zip`,
  bytes: 100,
  files: 2,
  attempts: 1,
  claimed: false,
  writtenAt: state === 'written' || state === 'confirmed' ? at(4) : null,
  mismatches: 0,
  confirmedAt: state === 'confirmed' ? at(5) : null,
  proof: null,
  removedAt: null,
  verifiedAt: null,
  damage: null,
  onTapeAt: null,
})
const base: Findings = {
  did,
  now: at(10),
  pipeline: { name: 'p', tapeRse: 'TAPE', diskRse: 'DISK', scopes: ['raw'] },
  target: { row, bundles: [bundle('assigned')] },
  hold: null,
  poll: { pipeline: 'p', scope: 'raw', polledAt: at(2), succeededAt: at(2), found: 3, problem: null },
  pause: null,
  rucio,
  sources: [],
}
const gates = (findings: Partial<Findings>) =>
  explainGates({ ...base, ...findings }).gates.map(({ gate, state }) => [gate, state])
const answer = (findings: Partial<Findings>) => explainGates({ ...base, ...findings }).answer

describe('explainGates()', () => {
  test('names each gate once, in the order of the way', () => {
    expect(gates({})).toEqual([
      ['exists', 'passed'],
      ['is a dataset', 'passed'],
      ['closed', 'passed'],
      ['tagged', 'passed'],
      ['scope configured', 'passed'],
      ['replicas', 'passed'],
      ['paths readable', 'passed'],
      ['planned', 'passed'],
      ['written', 'waiting'],
      ['confirmed', 'later'],
      ['acknowledged', 'later'],
    ])
  })

  test('says that an acknowledged dataset is archived', () => {
    const target = { row: { ...row, state: 'acknowledged' as const, endedAt: at(6) }, bundles: [bundle('confirmed')] }
    expect(answer({ target, rucio: { ...rucio, tag: 'TAPE:done' } })).toBe('raw:night is archived.')
    expect(gates({ target, rucio: { ...rucio, tag: 'TAPE:done' } }).at(-1)).toEqual(['acknowledged', 'passed'])
  })

  test('says that a dataset is archived that Rucio has forgotten since', () => {
    const target = { row: { ...row, state: 'acknowledged' as const, endedAt: at(6) }, bundles: [bundle('confirmed')] }
    expect(answer({ target, rucio: null })).toBe('raw:night is archived.')
    expect(explainGates({ ...base, target, rucio: null }).gates[0]!.value).toContain('no longer knows it')
  })

  test.each<[string, Partial<Findings>, RegExp]>([
    ['an unknown DID', { rucio: null, target: null }, /exists: Rucio knows no such DID.*spelled/u],
    [
      'a container',
      { rucio: { ...rucio, type: 'CONTAINER', waiting: 'container' }, target: null },
      /is a dataset: it is a container/u,
    ],
    [
      'an open dataset',
      { rucio: { ...rucio, waiting: 'open' }, target: null },
      /closed: it is open.*--close raw:night/u,
    ],
    ['a suppressed dataset', { rucio: { ...rucio, waiting: 'suppressed' }, target: null }, /suppressed/u],
    ['no tag', { rucio: { ...rucio, tag: null }, target: null }, /tagged: arcBackup is not set.*TAPE:need raw:night/u],
    ['the tag of another RSE', { rucio: { ...rucio, tag: 'OTHER:need' }, target: null }, /arcBackup is OTHER:need/u],
    [
      'a scope that nobody looks at',
      { pipeline: { ...base.pipeline, scopes: ['x'] }, target: null },
      /scope configured: the agent does not look at scope raw.*source\.scopes/u,
    ],
    ['a scope that was never polled', { poll: null, target: null }, /has not been polled/u],
    [
      'a poll that failed',
      { poll: { ...base.poll!, problem: { code: 'SCOPE_UNKNOWN', message: 'm', hint: 'Correct it.' } }, target: null },
      /last poll failed\. Correct it/u,
    ],
    [
      'a replica that is missing',
      {
        rucio: { ...rucio, replicas: new Map([['AVAILABLE', 1]]), problems: [{ ...problem, code: 'REPLICA_MISSING' }] },
      },
      /1 of 2 files have an AVAILABLE replica at DISK/u,
    ],
    ['a source that cannot be read', { sources: [problem] }, /paths readable.*Restore it/u],
    [
      'a target that is held',
      {
        target: {
          row: { ...row, held: true, failures: 2, failedAt: at(9), problems: [problem], notBefore: at(99) },
          bundles: [bundle('assigned')],
        },
      },
      /written: 0 of 1.*held.*looked at again after 2026-01-01T01:39:00.000Z/u,
    ],
    [
      'a target that failed by a clock that was set back since',
      {
        target: {
          row: { ...row, failures: 2, failedAt: at(1440), problems: [problem], notBefore: at(1500) },
          bundles: [bundle('assigned')],
        },
      },
      /written: 0 of 1.*failed.*looked at again now/u,
    ],
    [
      'one that waits for a person',
      {
        target: {
          row: { ...row, held: true, failures: 2, failedAt: at(9), problems: [problem] },
          bundles: [bundle('assigned')],
        },
      },
      /tape-rse retry raw:night/u,
    ],
    [
      'one that was withdrawn',
      { target: { row: { ...row, state: 'withdrawn', endedAt: at(9), endedWhy: 'the tag is gone' }, bundles: [] } },
      /withdrawn: the tag is gone/u,
    ],
  ])('answers for %s', (_, findings, expected) => {
    expect(answer(findings)).toMatch(expected)
  })

  test('says what is known when Rucio cannot be asked', () => {
    const said = explainGates({
      ...base,
      rucio: { error: { code: 'RUCIO_UNREACHABLE', message: 'Cannot reach it', hint: 'Wait.' } },
      sources: null,
    })
    expect(said.gates[0]).toMatchObject({ gate: 'exists', state: 'unknown' })
    expect(said.gates.map(({ gate }) => gate)).toContain('planned')
  })

  test('says that the pipeline is paused', () => {
    const pause = {
      pipeline: 'p',
      since: at(1),
      problem: { code: 'VAULT_FULL' as const, message: 'There is no room', hint: 'Make room.' },
    }
    expect(answer({ pause })).toContain('Its pipeline is paused: There is no room')
  })

  test('never shows a gate as passed whose problems are still there', () => {
    const target = {
      row: { ...row, failures: 1, failedAt: at(9), problems: [problem] },
      bundles: [bundle('confirmed', 1, 2), bundle('written', 2, 2)],
    }
    expect(gates({ target }).slice(-4)).toEqual([
      ['planned', 'passed'],
      ['written', 'passed'],
      ['confirmed', 'failed'],
      ['acknowledged', 'later'],
    ])
  })
})
