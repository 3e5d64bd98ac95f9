import { readConfigText } from './find.ts'
import type { LoadedConfig, Loading } from './load.ts'

export interface ConfigWatch {
  /** How often the files are looked at, in milliseconds. */
  readonly everyMs: number
  /** Loads the config; rejects with what is wrong with it. */
  readonly load: (onRead: NonNullable<Loading['onRead']>) => Promise<LoadedConfig>
  readonly changed: (loaded: LoadedConfig) => void
  readonly invalid: (error: unknown) => void
}

/** What the files of a config say, by file. null: it cannot be read. */
export type ConfigTexts = ReadonlyMap<string, string | null>

/**
 * Looks at the texts that make a config now and then: what a person saves, and what Kubernetes swaps behind a link. Texts that were
 * told of, good or bad, are not told of again.
 * @param read what the config in force was made of
 */
export function watchConfig(read: ConfigTexts, { everyMs, load, changed, invalid }: ConfigWatch) {
  let files = [...read.keys()]
  let known = together(read)
  let last = known
  let closed = false
  let timer = setTimeout(() => void loop(), everyMs)

  async function look(): Promise<void> {
    const now = together(new Map(await Promise.all(files.map(async (file) => [file, await textOf(file)] as const))))
    const settled = now === last
    last = now
    // A text that still changes is one that somebody is writing.
    if (now !== known && settled && !closed) await reload()
  }
  async function reload(): Promise<void> {
    const texts = new Map<string, string | null>()
    const loading = load((file, text) => texts.set(file, text))
    const outcome = await loading.then(
      (loaded) => () => changed(loaded),
      (error: unknown) => () => invalid(error),
    )
    files = [...texts.keys()]
    known = last = together(texts)
    if (!closed) outcome()
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

const together = (texts: ConfigTexts): string => JSON.stringify([...texts])
const textOf = (file: string): Promise<string | null> => readConfigText(file).catch(() => null)
