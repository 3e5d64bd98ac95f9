import { rebuildCatalog } from '../rebuild.ts'
import type { Rebuilt } from '../pipeline/rebuild.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { configOf } from './config.ts'
import { bytesText, jsonText, plural, printable } from './format.ts'

interface RebuildOptions extends GlobalOptions {
  readonly deep?: boolean
  readonly json?: boolean
}

/** `rebuild`: makes a catalog that was lost again, from what the objects in the vaults say of themselves. */
export const rebuild: Run<RebuildOptions> = async (options, terminal, signal) => {
  const config = await configOf(options, terminal)
  const moved = (pipeline: string, objects: number, of: number) =>
    terminal.showLine?.(`${pipeline}: ${objects} of ${plural(of, 'object')}`)
  const rebuilt = await rebuildCatalog(config, terminal, options.deep === true, moved, signal)
  terminal.showLine?.(null)
  if (options.json === true) terminal.print(jsonText(rebuilt))
  else for (const each of rebuilt) terminal.print(rebuiltText(each, terminal))
  return rebuilt.some(({ left }) => left.length > 0) ? 3 : 0
}

function rebuiltText({ pipeline, ...r }: Rebuilt, { emphasise }: Pick<Terminal, 'emphasise'>): string {
  const lines = [
    `Pipeline ${pipeline}: ${plural(r.datasets, 'dataset')} in ${plural(r.objects, 'object')}, ${plural(r.files, 'file')}, ${bytesText(r.bytes)}.`,
    ...(r.datasets > 0 ? ['  The agent reads all of it back before it tells Rucio anything of it.'] : []),
    ...shown(
      r.superseded.map(({ did, generation, why }) => `${did}, generation ${generation}: ${why}`),
      'written down, and not gone on with',
      (text) => text,
    ),
    ...shown(
      r.left.map(({ path, why }) => `${path}: ${why}`),
      'left alone',
      emphasise,
    ),
  ]
  return lines.join('\n')
}

const maxShown = 50

function shown(items: readonly string[], what: string, emphasise: (text: string) => string): readonly string[] {
  if (items.length === 0) return []
  const more = items.length > maxShown ? [`    … and ${items.length - maxShown} more (--json shows all)`] : []
  return [
    emphasise(`  ${items.length} ${what}:`),
    ...items.slice(0, maxShown).map((item) => `    ${printable(item)}`),
    ...more,
  ]
}
