import type { CatalogReader } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { bytesText, table } from './format.ts'
import { everything } from './selection.ts'

/** What would be done, and what stands in the way. */
export interface Plan {
  readonly bundles: readonly {
    readonly pipeline: string
    readonly did: string
    readonly location: string
    readonly files: number
    readonly bytes: number
  }[]
  readonly waiting: readonly { readonly pipeline: string; readonly did: string; readonly reason: string }[]
  readonly problems: readonly {
    readonly pipeline: string
    readonly did: string
    readonly code: string
    readonly message: string
    readonly hint: string
  }[]
}

export async function planOf(catalog: CatalogReader, now: Date): Promise<Plan> {
  const bundles: Plan['bundles'][number][] = []
  const waiting: Plan['waiting'][number][] = []
  const problems: Plan['problems'][number][] = []
  for (const row of await catalog.list({ state: 'live' }, everything)) {
    const { pipeline } = row
    const did = formatDid(row.did)
    if (row.waiting !== null) waiting.push({ pipeline, did, reason: row.waiting })
    for (const { code, message, hint } of row.problems) problems.push({ pipeline, did, code, message, hint })
    if (row.state !== 'frozen') continue
    const found = (await catalog.find(row.did)).find((each) => each.row.id === row.id)
    for (const { location, files, bytes, state } of found?.bundles ?? []) {
      if (state === 'planned' || state === 'assigned')
        bundles.push({ pipeline, did, location: location ?? '(held)', files, bytes })
    }
  }
  for (const { pipeline, polls } of (await catalog.summary(now)).pipelines) {
    for (const { scope, problem } of polls)
      if (problem !== null) problems.push({ pipeline, did: `${scope}:*`, ...problem })
  }
  return { bundles, waiting, problems }
}

export function planText({ bundles, waiting, problems }: Plan): string {
  const total = bundles.reduce((sum, bundle) => sum + bundle.bytes, 0)
  const parts = [`Would write ${bundles.length} objects, ${bytesText(total)}. Nothing was written.`]
  if (bundles.length > 0) {
    const rows = bundles.map(({ did, files, bytes, location }) => [did, String(files), bytesText(bytes), location])
    parts.push(
      table(
        [
          { title: 'DATASET' },
          { title: 'FILES', align: 'right' },
          { title: 'SIZE', align: 'right' },
          { title: 'OBJECT' },
        ],
        rows,
      ),
    )
  }
  if (waiting.length > 0) {
    parts.push(
      `Not taken:`,
      table(
        [{ title: 'DID' }, { title: 'WHY' }],
        waiting.map(({ did, reason }) => [did, reason]),
      ),
    )
  }
  if (problems.length > 0) {
    parts.push(
      'Would be held:',
      ...problems.map(({ did, code, message, hint }) => `  ${did}\n    ${code}: ${message}\n    ${hint}`),
    )
  }
  return parts.join('\n')
}
