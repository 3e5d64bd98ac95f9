import type { KeyPath } from './not-built.ts'
import { notBuilt } from './not-built.ts'
import type { ConfigFile } from './schema.ts'

/** One thing that is wrong with a config, and where. */
export interface Finding {
  readonly path: KeyPath
  /** What is so: follows the key. */
  readonly what: string
  readonly hint: string
}

/** Whether a path is another or lies below it. */
const within = (path: string, root: string): boolean =>
  path === root || path.startsWith(root === '/' ? root : `${root}/`)

/**
 * What is wrong with a config whose every value is right by itself.
 * @param passwordFault says what is wrong with a password file, or null
 */
export function checkConfig(config: ConfigFile, passwordFault: (path: string) => string | null): readonly Finding[] {
  const findings: Finding[] = notBuilt(config).map(({ path, what, instead }) => ({
    path,
    what: `${what} is not built yet`,
    hint: instead,
  }))
  const find = (path: KeyPath, what: string, hint: string) => findings.push({ path, what, hint })

  const { auth } = config.rucio
  if (auth.type === 'userpass') {
    const fault = passwordFault(auth.passwordFile)
    if (fault !== null)
      find(
        ['rucio', 'auth', 'passwordFile'],
        fault,
        'Write the password into that file, readable for the agent’s user alone (mode 0400).',
      )
  }
  for (const [index, { name, source, format, vault }] of config.pipelines.entries()) {
    const at = (...keys: (string | number)[]): KeyPath => ['pipelines', index, ...keys]
    const before = config.pipelines.slice(0, index)
    if (before.some((other) => other.name === name))
      find(at('name'), `"${name}" names another pipeline as well`, 'Give each its own name.')
    for (const other of before) {
      if (within(vault.root, other.vault.root) || within(other.vault.root, vault.root)) {
        find(
          at('vault', 'root'),
          `${vault.root} is in the vault of pipeline "${other.name}", or that one in it`,
          'Give each pipeline a root of its own.',
        )
      }
      if (
        other.source.tapeRse === source.tapeRse &&
        other.source.scopes.some((scope) => source.scopes.includes(scope))
      ) {
        find(
          at('source', 'scopes'),
          `pipeline "${other.name}" takes datasets of the same scopes for ${source.tapeRse}`,
          'Let one pipeline alone look for a tape RSE in a scope.',
        )
      }
    }
    for (const [position, scope] of source.scopes.entries()) {
      if (source.scopes.indexOf(scope) < position)
        find(at('source', 'scopes', position), `"${scope}" is named twice`, 'Remove one of them.')
    }
    for (const [position, { local }] of source.paths.entries()) {
      if (!within(local.replace(/\/$/u, ''), source.root))
        find(
          at('source', 'paths', position, 'local'),
          `${local} is not below source.root (${source.root})`,
          'Correct one of them.',
        )
    }
    if (format.targetSize === 0)
      find(at('format', 'targetSize'), 'has to be more than nothing', 'Write a size, such as 100GB.')
    if (format.maxSize < format.targetSize)
      find(at('format', 'maxSize'), 'is smaller than targetSize', 'Make it as large, or larger.')
    if (within(config.catalog, vault.root))
      find(['catalog'], `it is in the vault of pipeline "${name}"`, 'Put it on a local disk.')
    if (within(config.catalog, source.root))
      find(['catalog'], `it is in the source of pipeline "${name}"`, 'Put it on a local disk.')
    if (within(vault.root, source.root) || within(source.root, vault.root))
      find(at('vault', 'root'), `it is in the source (${source.root}), or that in it`, 'Keep them apart.')
    if (vault.mount !== undefined && !within(vault.root, vault.mount))
      find(
        at('vault', 'mount'),
        `the root (${vault.root}) is not below it`,
        'Name the mount point at or above the root.',
      )
  }
  return findings
}
