import type { ConfigFile } from './schema.ts'

export type KeyPath = readonly (string | number)[]

interface NotBuilt {
  readonly path: KeyPath
  readonly what: string
  readonly instead: string
}

/**
 * What the config may say one day, and does not mean anything yet: refused by name, never ignored. A feature that is built
 * takes its row away.
 */
export function notBuilt(config: ConfigFile): readonly NotBuilt[] {
  const found: NotBuilt[] = []
  const refuse = (condition: boolean, path: KeyPath, what: string, instead: string) => {
    if (condition) found.push({ path, what, instead })
  }
  refuse(
    config.catalog.startsWith('postgres://'),
    ['catalog'],
    'a catalog in PostgreSQL',
    'Name a file on a local disk.',
  )
  refuse(
    config.rucio.config !== undefined,
    ['rucio', 'config'],
    'reading a rucio.cfg',
    'Write host, account and auth here.',
  )
  const { type } = config.rucio.auth
  refuse(type !== 'userpass', ['rucio', 'auth', 'type'], `signing in by ${type}`, 'Use userpass.')
  refuse(
    config.schedule !== undefined,
    ['schedule'],
    'running as a service',
    'Remove it; call `tape-rse run --once` from cron or a systemd timer.',
  )
  refuse(config.grace !== undefined, ['grace'], 'running as a service', 'Remove it.')
  refuse(config.server !== undefined, ['server'], 'the status page', 'Remove it; see `tape-rse status`.')
  for (const [index, { source, format, vault, confirm, reopened }] of config.pipelines.entries()) {
    const at = (...keys: string[]): KeyPath => ['pipelines', index, ...keys]
    refuse(source.kind !== 'rucio', at('source', 'kind'), `source "${source.kind}"`, 'Use rucio.')
    refuse(format.kind !== 'zip', at('format', 'kind'), `format "${format.kind}"`, 'Use zip.')
    refuse(format.layout !== 'rucio', at('format', 'layout'), `layout "${format.layout}"`, 'Use rucio.')
    refuse(vault.kind !== 'hpssfs', at('vault', 'kind'), `vault "${vault.kind}"`, 'Use hpssfs.')
    refuse(!confirm.readBack, at('confirm', 'readBack'), 'archiving without reading back', 'Leave it true.')
    refuse(confirm.onTape === 'required', at('confirm', 'onTape'), 'waiting for tape', 'Use when-known or ignore.')
    refuse(reopened !== 'hold', at('reopened'), `"${reopened}" of reopened datasets`, 'Use hold.')
  }
  return found
}
