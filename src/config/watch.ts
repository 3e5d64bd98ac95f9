import { readFile } from 'node:fs/promises'
import type { LoadedConfig } from './load.ts'

export interface ConfigWatch {
  /** How often the file is looked at, in milliseconds. */
  readonly everyMs: number
  /** Loads the config; throws what is wrong with it. */
  readonly load: () => LoadedConfig
  readonly changed: (loaded: LoadedConfig) => void
  readonly invalid: (error: unknown) => void
}

/**
 * Looks at the text of a config file now and then: what a person saves, and what Kubernetes swaps behind a link. A text that was
 * told of, good or bad, is not told of again.
 */
export function watchConfig({ file, text }: LoadedConfig, { everyMs, load, changed, invalid }: ConfigWatch) {
  let known = text
  let last = text
  let closed = false
  let timer = setTimeout(() => void loop(), everyMs)

  async function look(): Promise<void> {
    const now = await readFile(file, 'utf8').catch((error: unknown) => `unreadable: ${String(error)}`)
    const settled = now === last
    last = now
    // A text that still changes is one that somebody is writing.
    if (now === known || !settled || closed) return
    known = now
    reload()
  }
  function reload(): void {
    try {
      changed(load())
    } catch (error) {
      invalid(error)
    }
  }
  async function loop(): Promise<void> {
    await look()
    if (!closed) timer = setTimeout(() => void loop(), everyMs)
  }

  return {
    /** Loads the file now, changed or not. */
    reload,
    close(): void {
      closed = true
      clearTimeout(timer)
    },
  }
}
