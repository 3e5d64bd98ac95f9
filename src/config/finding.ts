/** Where a value stands in the config: `['pipelines', 0, 'vault', 'root']`. */
export type KeyPath = readonly (string | number)[]

/** One thing that is wrong with a config, and where. */
export interface Finding {
  readonly path: KeyPath
  /** What is so: it follows the key. */
  readonly what: string
  /** What to do. */
  readonly hint: string
}

/** `pipelines[0].vault.root` */
export const keyText = (path: KeyPath): string =>
  path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${key}`)).join('')
