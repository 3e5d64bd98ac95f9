import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readMounts } from '../io/mounts.ts'
import { processAt } from '../io/processes.ts'
import { lastCallOf, strays, makeWhereabouts, noteIn } from './whereabouts.ts'

describe('whereabouts', () => {
  let directory: string
  let other: ChildProcess
  beforeEach(() => {
    directory = makeWhereabouts(join(mkdtempSync(join(tmpdir(), 'whereabouts-')), 'movers'))!
    other = spawn('sleep', ['60'])
  })
  afterEach(async () => {
    other.kill('SIGKILL')
    if (other.exitCode === null && other.signalCode === null) await once(other, 'exit')
    rmSync(join(directory, '..'), { recursive: true })
  })
  const say = (pid: number, more: object) =>
    writeFileSync(
      join(directory, String(pid)),
      `${JSON.stringify({ ...processAt(pid), operation: 'open', path: '/x', mount: null, root: null, ...more })}\nrest of a longer line`,
    )

  test('are the last call that was noted, and the mount of its path', () => {
    const note = noteIn(directory, readMounts)
    expect(lastCallOf(directory, process.pid)).toBeNull()
    note('write', '/proc/a/much/longer/path', '/proc/a')
    note('read', '/proc/b', '/proc')
    const call = {
      operation: 'read',
      path: '/proc/b',
      mount: { point: '/proc', type: 'proc' },
      root: { path: '/proc' },
    }
    expect(lastCallOf(directory, process.pid)).toMatchObject(call)
  })

  test('are nobody’s whose process is another by now, or has ended', () => {
    say(other.pid!, { started: 'before' })
    expect(lastCallOf(directory, other.pid!)).toBeNull()
    expect(strays(directory)).toEqual([])
    expect(existsSync(join(directory, String(other.pid)))).toBe(false)
  })

  test('tell who lives on without its agent', async () => {
    say(other.pid!, {})
    expect(strays(directory)).toEqual([])
    say(other.pid!, { parent: 1 })
    writeFileSync(join(directory, String(process.pid)), 'torn')
    expect(strays(directory)).toMatchObject([{ pid: other.pid, operation: 'open', path: '/x' }])
    other.kill('SIGKILL')
    await once(other, 'exit')
    expect(strays(directory)).toEqual([])
  })

  test('cannot be had everywhere, and nothing relies on them', () => {
    expect(makeWhereabouts('/proc/none')).toBeNull()
    expect(() => noteIn('/proc/none', readMounts)('read', '/x', '/x')).not.toThrow()
  })
})
