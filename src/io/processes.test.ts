import { expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { processAt } from './processes.ts'

test('processAt() sees who lives, whose child it is, and that one is another than the one before', async () => {
  const child = spawn('sleep', ['60'], { argv0: 'a) Z (b' })
  const seen = processAt(child.pid!)
  expect(seen).toMatchObject({ parent: process.pid, started: expect.stringMatching(/^\d+ [\da-f-]{36}$/u) })
  expect(processAt(child.pid!)).toEqual(seen)
  expect(processAt(process.pid)!.started).not.toBe(seen!.started)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(processAt(child.pid!)).toBeNull()
})
