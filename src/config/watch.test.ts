import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadedConfig } from './load.ts'
import { watchConfig } from './watch.ts'

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
  function start(): void {
    const read = () => ({ file, texts: new Map([[file, readFileSync(file, 'utf8')]]) }) as unknown as LoadedConfig
    const textIn = ({ texts }: LoadedConfig) => texts.get(file)!
    const load = (): Promise<LoadedConfig> => {
      const loaded = read()
      return textIn(loaded).startsWith('bad') ? Promise.reject(new Error(textIn(loaded))) : Promise.resolve(loaded)
    }
    const changed = (loaded: LoadedConfig) => void told.push(textIn(loaded))
    const invalid = (error: unknown) => void told.push(`invalid: ${(error as Error).message}`)
    watch = watchConfig(read(), {
      everyMs: 5,
      load,
      changed,
      invalid,
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
  })

  test('loads again when it is told to, changed or not', async () => {
    writeFileSync(file, 'one')
    start()
    watch.reload()
    await until(1)
    expect(told).toEqual(['one'])
  })

  test('looks at all files of a config, and at those that a new one has', async () => {
    const other = join(directory, 'rucio.cfg')
    for (const [path, text] of [
      [file, 'one'],
      [other, 'client'],
    ] as const)
      writeFileSync(path, text)
    const files = [file]
    const load = (): Promise<LoadedConfig> =>
      Promise.resolve({
        texts: new Map(files.map((path) => [path, readFileSync(path, 'utf8')])),
      } as unknown as LoadedConfig)
    const changed = ({ texts }: LoadedConfig) => void told.push([...texts.values()].join(' '))
    watch = watchConfig(await load(), { everyMs: 5, load, changed, invalid: () => undefined })
    writeFileSync(other, 'client 2')
    await aWhile()
    expect(told).toEqual([])
    files.push(other)
    writeFileSync(file, 'two')
    await until(1)
    writeFileSync(other, 'client 3')
    await until(2)
    expect(told).toEqual(['two client 2', 'two client 3'])
  })
})
