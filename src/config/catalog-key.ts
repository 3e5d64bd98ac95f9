import { findConfig, readConfigText } from './find.ts'
import { isMapping } from './mapping.ts'
import { isPath } from './path.ts'
import { readYaml } from './yaml.ts'

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
  const yaml = readYaml(await readConfigText(file).catch(() => ''))
  const catalog = 'value' in yaml && isMapping(yaml.value) ? yaml.value['catalog'] : null
  return typeof catalog === 'string' && isPath(catalog) ? catalog : null
}
