import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { adler32, hex32 } from '../io/adler32.ts'
import { anyMover, type ObjectPlan, type PackOrder, type VaultSettings } from '../model/order.ts'
import { zipFormat } from '../pack/zip.ts'
import { startMovers } from '../testing/movers.ts'
import type { Supervisor } from './supervisor.ts'

/** Real movers: child processes that pack real files into a real directory. */
describe('a mover', () => {
  let base: string
  let source: string
  let vault: VaultSettings
  let movers: Supervisor
  const never = new AbortController().signal
  const script = join(import.meta.dirname, 'worker.ts')

  beforeEach(async () => {
    base = mkdtempSync(join(tmpdir(), 'mover-'))
    source = join(base, 'source')
    vault = { root: join(base, 'vault'), mount: null, publish: 'rename', minFree: 0, owner: 'us' }
    mkdirSync(source)
    mkdirSync(vault.root)
    movers = startMovers({ whereabouts: join(base, 'movers') })
    await movers.run<'check'>({ kind: 'check', vault, known: false }, anyMover, never)
  })
  afterEach(async () => {
    await movers.close()
    rmSync(base, { recursive: true })
  })

  function objectOf(files: Readonly<Record<string, Buffer>>): ObjectPlan {
    const members = Object.entries(files).map(([name, content]) => {
      writeFileSync(join(source, name), content)
      return { name, path: join(source, name), bytes: content.length, adler32: hex32(adler32(content)), md5: null }
    })
    const manifest = JSON.stringify({ files: Object.keys(files) })
    const bytes =
      zipFormat().overhead(manifest.length, members) +
      manifest.length +
      members.reduce((sum, member) => sum + member.bytes, 0)
    return { manifest, time: 1_700_000_000, members, bytes }
  }
  const location = 'raw/a/a.g1.1-1.zip'
  const content = (label: string, bytes: number) =>
    createHash('shake256', { outputLength: bytes }).update(label).digest()
  const left = () =>
    readdirSync(vault.root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort()
  const pack = (object: ObjectPlan, attempt = 1) =>
    movers.run<'pack'>({ kind: 'pack', vault, location, attempt, sourceRoot: source, object }, anyMover, never)
  const prove = (object: ObjectPlan, sum: string, not: number, attempt = 1) =>
    movers.run<'prove'>({ kind: 'prove', vault, location, attempt, object, adler32: sum }, { ...anyMover, not }, never)

  test('packs, and another proves and publishes', async () => {
    const object = objectOf({ a: content('a', 3_000_000), b: content('b', 10) })
    const packed = await pack(object)
    expect(left()).toEqual(['.a.g1.1-1.zip.1.part', '.tape-rse.json'])
    const proved = await prove(object, packed.answer.adler32, packed.mover)
    expect(proved.answer).toMatchObject({ outcome: 'proven', adler32: packed.answer.adler32 })
    expect(proved.mover).not.toBe(packed.mover)
    expect(left()).toEqual(['.tape-rse.json', 'a.g1.1-1.zip'])
    expect(hex32(adler32(readFileSync(join(vault.root, location))))).toBe(packed.answer.adler32)
  })

  test('names the member whose byte has changed in the part, and sets the part aside', async () => {
    const object = objectOf({ a: content('a', 2000), b: content('b', 2000) })
    const { answer, mover } = await pack(object)
    const part = join(vault.root, 'raw/a/.a.g1.1-1.zip.1.part')
    const bytes = readFileSync(part)
    bytes[bytes.indexOf(content('b', 2000)) + 7]! ^= 4
    writeFileSync(part, bytes)
    expect((await prove(object, answer.adler32, mover)).answer).toMatchObject({
      outcome: 'mismatch',
      difference: expect.stringContaining('data of member "b"'),
    })
    expect(left()).toEqual(['.a.g1.1-1.zip.1.mismatch', '.tape-rse.json'])
    const again = await pack(object, 2)
    await prove(object, again.answer.adler32, again.mover, 2)
    expect(left()).toEqual(['.tape-rse.json', 'a.g1.1-1.zip'])
  })

  test('says that what it should prove is lost', async () => {
    const object = objectOf({ a: content('a', 10) })
    expect((await prove(object, '00000001', 0)).answer).toEqual({ outcome: 'lost' })
  })

  test('finds an object that a crash left published, proves it, and does not pack it again', async () => {
    const object = objectOf({ a: content('a', 10) })
    const first = await pack(object)
    await prove(object, first.answer.adler32, first.mover)
    unlinkSync(join(source, 'a'))
    expect((await pack(object, 2)).answer).toEqual({ ...first.answer, found: true })
    expect((await prove(object, first.answer.adler32, 0, 2)).answer).toMatchObject({ outcome: 'proven' })
  })

  test('never moves a foreign object, neither to pack nor to prove', async () => {
    const object = objectOf({ a: content('a', 10) })
    mkdirSync(join(vault.root, 'raw/a'), { recursive: true })
    writeFileSync(join(vault.root, location), 'foreign')
    await expect(pack(object)).rejects.toMatchObject({ code: 'OBJECT_FOREIGN' })
    await expect(prove(object, '00000001', 0)).rejects.toMatchObject({ code: 'OBJECT_FOREIGN' })
    expect(readFileSync(join(vault.root, location), 'utf8')).toBe('foreign')
  })

  test('leaves nothing of an object whose source is bad, and lists what is wrong with the others', async () => {
    const object = objectOf({ a: content('a', 10), b: content('b', 10), c: content('c', 10), d: content('d', 10) })
    writeFileSync(join(source, 'a'), content('x', 10))
    unlinkSync(join(source, 'b'))
    unlinkSync(join(source, 'c'))
    symlinkSync(join(source, 'd'), join(source, 'c'))
    const error = await pack(object).catch((each: unknown) => each)
    expect((error as { problems: { code: string }[] }).problems.map(({ code }) => code)).toEqual([
      'SOURCE_CHECKSUM',
      'SOURCE_MISSING',
      'SOURCE_NOT_REGULAR',
    ])
    expect(left()).toEqual(['.tape-rse.json'])
  })

  test('removes what earlier attempts left before it begins', async () => {
    const object = objectOf({ a: content('a', 10) })
    mkdirSync(join(vault.root, 'raw/a'), { recursive: true })
    for (const attempt of [1, 2, 3]) writeFileSync(join(vault.root, `raw/a/.a.g1.1-1.zip.${attempt}.part`), 'half')
    await pack(object, 4)
    expect(left()).toEqual(['.a.g1.1-1.zip.4.part', '.tape-rse.json'])
  })

  describe('with publish: direct', () => {
    beforeEach(() => {
      vault = { ...vault, publish: 'direct' }
    })

    test('is trusted only after the read-back', async () => {
      const object = objectOf({ a: content('a', 10) })
      const packed = await pack(object)
      expect(left()).toEqual(['.tape-rse.json', 'a.g1.1-1.zip'])
      expect((await prove(object, packed.answer.adler32, packed.mover)).answer).toMatchObject({ outcome: 'proven' })
    })

    test('removes what an attempt left half written under the final name, and nothing else', async () => {
      const object = objectOf({ a: content('a', 5000) })
      await pack(object)
      const path = join(vault.root, location)
      const whole = readFileSync(path)
      for (const length of [0, 20, 60, 4000]) {
        writeFileSync(path, whole.subarray(0, length))
        expect((await pack(object, 2)).answer.found).toBe(false)
        expect(readFileSync(path).equals(whole)).toBe(true)
      }
      writeFileSync(path, 'foreign')
      await expect(pack(object, 3)).rejects.toMatchObject({ code: 'OBJECT_FOREIGN' })
    })
  })

  test('removes what was proven, once, and with it its directory; never what is not ours', async () => {
    const object = objectOf({ a: content('a', 10) })
    const remove = async (of: ObjectPlan) =>
      (await movers.run<'remove'>({ kind: 'remove', vault, location, object: of }, anyMover, never)).answer
    const packed = await pack(object)
    await prove(object, packed.answer.adler32, packed.mover)
    const other = { ...object, manifest: object.manifest.replace('a', 'b') }
    expect(await remove(other)).toEqual({ outcome: 'foreign', bytes: object.bytes })
    expect(await remove({ ...object, bytes: object.bytes + 1 })).toEqual({ outcome: 'foreign', bytes: object.bytes })
    expect(left()).toEqual(['.tape-rse.json', 'a.g1.1-1.zip'])
    // Members say nothing of the beginning: who removes need not know them.
    expect(await remove({ ...object, members: [] })).toEqual({ outcome: 'removed' })
    expect(readdirSync(vault.root).sort()).toEqual(['.tape-rse.json', 'raw'])
    expect(readdirSync(join(vault.root, 'raw'))).toEqual([])
    expect(await remove(object)).toEqual({ outcome: 'absent' })
  })

  test('ends at once if the agent died that began it, before it could look who that was', async () => {
    const other = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, '1'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const order: PackOrder = {
      kind: 'pack',
      vault,
      location,
      attempt: 1,
      sourceRoot: source,
      object: objectOf({ a: content('a', 10) }),
    }
    other.send({ id: 1, order }, () => undefined)
    expect(await new Promise((resolve) => other.once('exit', resolve))).toBe(0)
    expect(left()).toEqual(['.tape-rse.json'])
  })

  test('ends when its parent is killed, in the middle of an order, and publishes nothing', async () => {
    const object = objectOf({ a: content('a', 1000) })
    // A source that never ends being read: its mover is at work until it notices.
    const endless = { ...object, members: Array.from({ length: 300_000 }, () => object.members[0]!) }
    const order = { kind: 'pack', vault, location, attempt: 1, sourceRoot: source, object: endless }
    const parent = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module',
        '-e',
        `import { startSupervisor } from ${JSON.stringify(join(import.meta.dirname, 'supervisor.ts'))}
         import { readFileSync } from 'node:fs'
         const movers = startSupervisor({ script: ${JSON.stringify(script)}, movers: 1, deadlines: { move: 60000, look: 60000 }, killMs: 1000, whereabouts: null })
         const any = { not: null, moved: () => undefined }
         const check = { kind: 'check', vault: ${JSON.stringify(vault)}, known: true }
         const { mover } = await movers.run(check, any, AbortSignal.timeout(60000))
         console.log(mover)
         await movers.run(JSON.parse(readFileSync(${JSON.stringify(join(base, 'order.json'))}, 'utf8')), any, AbortSignal.timeout(60000))`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    writeFileSync(join(base, 'order.json'), JSON.stringify(order))
    const mover = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (data: Buffer) => resolve(Number(data.toString()))),
    )
    const part = join(vault.root, 'raw/a/.a.g1.1-1.zip.1.part')
    while (!existsSync(part)) await sleep(10)
    parent.kill('SIGKILL')
    while (existsSync(`/proc/${mover}`)) await sleep(10)
    expect(left()).toEqual(['.tape-rse.json'])
  }, 30_000)
})
