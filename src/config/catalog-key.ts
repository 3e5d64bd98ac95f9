import { findConfig, readConfigText } from './find.ts'
import { isMapping } from './mapping.ts'
import { isPath } from './path.ts'

/**
 * The catalog file that a config names, whatever else is wrong in it: `status` has to answer soon, and also while a mistake is in the
 * config. null: none is rightly named, and `loadConfig` says why.
 * @param named what `--config` says
 * @throws TapeRseError CONFIG_INVALID: there is no config
 */
export async function catalogNamed(
  named: string | undefined,
  world: Parameters<typeof findConfig>[1],
): Promise<string | null> {
  const file = await findConfig(named, world)
  const text = await readConfigText(file).catch(() => '')
  const plain = plainly(text)
  if (plain !== null) return plain
  const { readYaml } = await import('./yaml.ts')
  const yaml = readYaml(text)
  const catalog = 'value' in yaml && isMapping(yaml.value) ? yaml.value['catalog'] : null
  return typeof catalog === 'string' && isPath(catalog) ? catalog : null
}

/**
 * The key as nearly every config has it: once, on a line of its own, at the left margin, with a plain path. To load what reads all of YAML
 * takes longer than to look into the catalog.
 */
function plainly(text: string): string | null {
  const keys = text.match(/^["']?catalog\b/gmu) ?? []
  if (keys.length !== 1 || !/^\s*(#|[\w-]+:)/u.test(text)) return null
  // A line that is indented would go on with the value.
  const path = /^catalog: +(\/[\w./-]+) *(?: #.*)?$(?!\r?\n[ \t]+[^\s#])/mu.exec(text)?.[1]
  return path !== undefined && isPath(path) ? path : null
}
