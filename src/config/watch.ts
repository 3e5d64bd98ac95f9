import { readFile } from 'node:fs/promises'
import type { LoadedConfig } from './load.ts'

export interface ConfigWatch {
  /** How often the file is looked at, in milliseconds. */
  readonly everyMs: number
  /** Loads the config; rejects with what is wrong with it. */
  readonly load: () => Promise<LoadedConfig>
  readonly changed: (loaded: LoadedConfig) => void
  readonly invalid: (error: unknown) => void
}

/**
 * Looks at the texts that make a config now and then: what a person saves, and what Kubernetes swaps behind a link. Texts that were
 * told of, good or bad, are not told of again.
 */
export function watchConfig({ texts }: LoadedConfig, { everyMs, load, changed, invalid }: ConfigWatch) {
  let files = [...texts.keys()]
  let known = together(texts)
  let last = known
  let closed = false
  let timer = setTimeout(() => void loop(), everyMs)

  async function look(): Promise<void> {
    const now = together(new Map(await Promise.all(files.map(async (file) => [file, await textOf(file)] as const))))
    const settled = now === last
    last = now
    // A text that still changes is one that somebody is writing.
    if (now === known || !settled || closed) return
    known = now
    await reload()
  }
  async function reload(): Promise<void> {
    try {
      const loaded = await load()
      if (closed) return
      if (files.join() !== [...loaded.texts.keys()].join()) {
        files = [...loaded.texts.keys()]
        known = last = together(loaded.texts)
      }
      changed(loaded)
    } catch (error) {
      invalid(error)
    }
  }
  async function loop(): Promise<void> {
    await look()
    if (!closed) timer = setTimeout(() => void loop(), everyMs)
  }

  return {
    /** Loads the config now, changed or not. */
    reload: (): void => void reload(),
    close(): void {
      closed = true
      clearTimeout(timer)
    },
  }
}

const together = (texts: ReadonlyMap<string, string>): string => JSON.stringify([...texts])
const textOf = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => `unreadable: ${String(error)}`)
