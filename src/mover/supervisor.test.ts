import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { anyMover, type OrderOf } from '../model/order.ts'
import { startMovers } from '../testing/movers.ts'
import type { Supervisor } from './supervisor.ts'

/** A mover that does what the file name of its order says. */
const worker = `
const reply = (message) => process.send(message)
process.on('message', ({ id, order }) => {
  const path = order.files?.[0]?.path ?? order.location
  if (path === 'die') process.kill(process.pid, 'SIGKILL')
  if (path === 'exit') { process.stderr.write('no more memory', () => process.exit(3)); return }
  if (path === 'hang') { const end = Date.now() + 60000; while (Date.now() < end); }
  if (path === 'refuse') return reply({ id, problems: [{ code: 'SOURCE_MISSING', message: 'Cannot read x', hint: 'Put it back.' }] })
  if (path === 'slow') {
    let beats = 0
    const timer = setInterval(() => {
      if (++beats < 8) return reply({ id, moved: beats })
      clearInterval(timer)
      reply({ id, answer: { problems: [] } })
    }, 100)
    return
  }
  if (path === 'env') return reply({ id, answer: { problems: [JSON.stringify(process.env), process.pid] } })
  reply({ id, answer: { problems: [] } })
})`

const order = (path: string): OrderOf<'inspect'> => ({
  kind: 'inspect',
  sourceRoot: '/data',
  files: [{ path, bytes: 0 }],
})
const never = new AbortController().signal
const lives = (pid: number) => existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')

describe('startSupervisor()', () => {
  let directory: string
  let script: string
  let movers: Supervisor
  const start = (ms = 20_000) => (movers = startMovers({ script, deadlines: { move: ms, look: ms }, killMs: 2000 }))
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'movers-'))
    script = join(directory, 'worker.mjs')
    writeFileSync(script, worker)
  })
  afterAll(() => rmSync(directory, { recursive: true }))
  afterEach(() => movers.close())

  test('keeps movers warm: the next order goes to the same process', async () => {
    start()
    const first = await movers.run(order('x'), anyMover, never)
    const second = await movers.run(order('y'), anyMover, never)
    expect(second.mover).toBe(first.mover)
    expect(lives(first.mover)).toBe(true)
  })

  test('takes an order that cannot be sent for the end of its mover, not for a bug', async () => {
    start()
    const order: OrderOf<'inspect'> = { kind: 'inspect', sourceRoot: '/data', files: [] }
    const endless = { ...order, toJSON: () => { throw new RangeError('Invalid string length') } } // prettier-ignore
    for (let again = 0; again < 5; again++)
      await expect(movers.run(endless, anyMover, never)).rejects.toMatchObject({
        code: 'MOVER_DIED',
        message: expect.stringContaining('Invalid string length'),
      })
    await expect(movers.run(order, anyMover, never)).resolves.toMatchObject({ answer: { problems: [] } })
  })

  test('gives an order to another mover than the one that must not have it', async () => {
    start()
    const first = await movers.run(order('x'), anyMover, never)
    const second = await movers.run(order('x'), { ...anyMover, not: first.mover }, never)
    expect(second.mover).not.toBe(first.mover)
    expect((await movers.run(order('x'), { ...anyMover, not: second.mover }, never)).mover).toBe(first.mover)
  })

  test('passes a mover’s refusal on, and goes on using the mover', async () => {
    start()
    const { mover } = await movers.run(order('x'), anyMover, never)
    await expect(movers.run(order('refuse'), anyMover, never)).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      hint: 'Put it back.',
    })
    expect((await movers.run(order('x'), anyMover, never)).mover).toBe(mover)
  })

  test.each([
    ['die', /SIGKILL/u],
    ['exit', /exit code 3.*no more memory/su],
  ])('says how a mover ended that did not answer (%s), and hires another', async (how, message) => {
    start()
    await expect(movers.run(order(how), anyMover, never)).rejects.toMatchObject({
      code: 'MOVER_DIED',
      message: expect.stringMatching(message),
    })
    await expect(movers.run(order('x'), anyMover, never)).resolves.toMatchObject({ answer: { problems: [] } })
  })

  test('kills a mover that shows no progress, but not one that is slow', async () => {
    start()
    await movers.run(order('x'), anyMover, never) // one that has begun: how long that takes is not the question
    movers.adjust(1, { move: 1000, look: 1000 })
    const moved: number[] = []
    const heard = { not: null, moved: (bytes: number) => void moved.push(bytes) }
    await expect(movers.run(order('slow'), heard, never)).resolves.toMatchObject({ answer: { problems: [] } })
    expect(moved).toEqual([1, 2, 3, 4, 5, 6, 7])
    await expect(movers.run(order('hang'), anyMover, never)).rejects.toMatchObject({
      code: 'MOVER_STALLED',
      message: expect.stringContaining('took longer than 1 s'),
    })
    expect((await movers.run(order('x'), anyMover, never)).answer).toEqual({ problems: [] })
  })

  test('ends the mover of an order that is no longer wanted', async () => {
    start()
    const { mover } = await movers.run(order('x'), anyMover, never)
    const stop = new AbortController()
    const hanging = movers.run(order('hang'), anyMover, stop.signal)
    setTimeout(() => stop.abort(), 50)
    await expect(hanging).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(lives(mover)).toBe(false)
    await expect(movers.run(order('x'), anyMover, stop.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })

  test('shares its movers among more orders than it has', async () => {
    start()
    const answers = await Promise.all(Array.from({ length: 20 }, () => movers.run(order('x'), anyMover, never)))
    expect(new Set(answers.map(({ mover }) => mover)).size).toBeLessThanOrEqual(3)
  })

  test('moves no more objects at once than it may, and keeps quick orders out of their queue', async () => {
    start()
    const vault = { root: '/vault', mount: null, publish: 'rename', minFree: 0, owner: 'us' } as const
    const object = { manifest: '', time: 0, members: [], bytes: 0 }
    const pack: OrderOf<'pack'> = { kind: 'pack', vault, location: 'slow', attempt: 1, sourceRoot: '/', object }
    const packs = [movers.run<'pack'>(pack, anyMover, never), movers.run<'pack'>(pack, anyMover, never)]
    const order1 = await Promise.race([...packs, movers.run(order('x'), anyMover, never)])
    const [first, second] = await Promise.all(packs)
    expect(second!.mover).toBe(first!.mover)
    expect(order1.mover).not.toBe(first!.mover)
  })

  test('gives movers a process group of their own and nothing of its environment', async () => {
    start()
    process.env['CANARY_SECRET'] = 'canary'
    const { answer, mover } = await movers.run(order('env'), anyMover, never)
    expect(JSON.stringify(answer)).not.toContain('canary')
    const [, , group] = readFileSync(`/proc/${mover}/stat`, 'utf8').split(') ')[1]!.split(' ')
    expect(group).toBe(String(mover))
  })

  test('close() ends all of them', async () => {
    start()
    const { mover } = await movers.run(order('x'), anyMover, never)
    const other = await movers.run(order('x'), { ...anyMover, not: mover }, never)
    await movers.close()
    expect([lives(mover), lives(other.mover)]).toEqual([false, false])
  })
})
