import { isDeepStrictEqual } from 'node:util'
import type { Config, PipelineConfig } from './schema.ts'

/** How a config differs from the one in force. Keys are written as in the file, a pipeline by its name: `pipelines[raw].source.scopes`. */
export interface ConfigChanges {
  readonly keys: readonly string[]
  /** Those of them that a running agent cannot change. */
  readonly fixed: readonly string[]
}

/** What names an agent's memory, and where the objects are that it remembers. */
const fixedKeys = /^(catalog|catalogOnNetworkFilesystem|pipelines\[.*\]\.(source\.kind|vault\.(kind|root)))$/u

export function changesBetween(before: Config, after: Config): ConfigChanges {
  const keys = [...differences('', before, after)].sort()
  return { keys, fixed: keys.filter((key) => fixedKeys.test(key)) }
}

function differences(path: string, before: unknown, after: unknown): readonly string[] {
  if (isDeepStrictEqual(before, after)) return []
  const [old, now] = [partsOf(before), partsOf(after)]
  if (old === null || now === null) return [path]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key) =>
    differences(path === '' || key.startsWith('[') ? `${path}${key}` : `${path}.${key}`, old.get(key), now.get(key)),
  )
}

/** What a value is compared by; null: as a whole. A pipeline that is there only once is one difference. */
function partsOf(value: unknown): ReadonlyMap<string, unknown> | null {
  if (typeof value !== 'object' || value === null) return null
  if (!Array.isArray(value)) return new Map(Object.entries(value))
  const named = value.filter(isPipeline)
  return named.length === value.length && named.length > 0
    ? new Map(named.map((each) => [`[${each.name}]`, each]))
    : null
}

const isPipeline = (value: unknown): value is PipelineConfig =>
  typeof value === 'object' && value !== null && 'name' in value && 'vault' in value
