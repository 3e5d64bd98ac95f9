import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadedConfig } from './load.ts'
import { watchConfig, type ConfigWatch } from './watch.ts'

describe('watchConfig()', () => {
  let directory: string
  let file: string
  let told: string[]
  let watch: ReturnType<typeof watchConfig>
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'watch-'))
    file = join(directory, 'tape-rse.yaml')
    told = []
  })
  afterEach(() => {
    watch.close()
    rmSync(directory, { recursive: true })
  })

  /** A config is its text here; one that begins with "bad" is invalid. */
  function start(more: () => readonly string[] = () => []): void {
    const read = (onRead: (file: string, text: string | null) => void): string => {
      const texts = [file, ...more()].map((path) => {
        onRead(path, existsSync(path) ? readFileSync(path, 'utf8') : null)
        return readFileSync(path, 'utf8')
      })
      return texts.join(' ')
    }
    const load: ConfigWatch['load'] = async (onRead) => {
      const text = await Promise.resolve(onRead).then(read)
      if (text.includes('bad')) throw new Error(text)
      return { file: text } as LoadedConfig
    }
    const inForce = new Map<string, string | null>()
    read((path, text) => inForce.set(path, text))
    watch = watchConfig(inForce, {
      everyMs: 5,
      load,
      changed: (loaded) => void told.push(loaded.file),
      invalid: (error) => void told.push(`invalid: ${(error as Error).message}`),
    })
  }
  const until = async (count: number) => {
    while (told.length < count) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const aWhile = () => new Promise((resolve) => setTimeout(resolve, 40))

  test('tells of each new text once, good or bad, and of the good one again after a bad one', async () => {
    writeFileSync(file, 'one')
    start()
    await aWhile()
    expect(told).toEqual([])
    writeFileSync(file, 'bad two')
    await until(1)
    await aWhile()
    writeFileSync(file, 'one')
    await until(2)
    await aWhile()
    expect(told).toEqual(['invalid: bad two', 'one'])
  })

  test('sees what is swapped behind a link, as Kubernetes does', async () => {
    for (const text of ['one', 'two']) writeFileSync(join(directory, text), text)
    symlinkSync('one', file)
    start()
    symlinkSync('two', join(directory, 'next'))
    renameSync(join(directory, 'next'), file)
    await until(1)
    expect(told).toEqual(['two'])
  })

  test('tells of a file that is gone', async () => {
    writeFileSync(file, 'one')
    start()
    rmSync(file)
    await until(1)
    expect(told[0]).toContain('invalid: ENOENT')
    writeFileSync(file, 'two')
    await until(2)
    expect(told[1]).toBe('two')
  })

  test('loads again when it is told to, changed or not', async () => {
    writeFileSync(file, 'one')
    start()
    watch.reload()
    await until(1)
    expect(told).toEqual(['one'])
  })

  test('looks at all files of a config, and at those that a new one has, good or bad', async () => {
    const other = join(directory, 'rucio.cfg')
    writeFileSync(file, 'one')
    writeFileSync(other, 'client')
    start(() => (readFileSync(file, 'utf8') === 'one' ? [] : [other]))
    writeFileSync(other, 'bad client')
    await aWhile()
    expect(told).toEqual([])
    writeFileSync(file, 'two')
    await until(1)
    writeFileSync(other, 'client 3')
    await until(2)
    writeFileSync(other, 'client 4')
    await until(3)
    expect(told).toEqual(['invalid: two bad client', 'two client 3', 'two client 4'])
  })

  test('tells of nothing once it is closed', async () => {
    writeFileSync(file, 'one')
    start()
    watch.reload()
    watch.close()
    await aWhile()
    expect(told).toEqual([])
  })
})
