import { planDid, planOnce, type Planned } from '../app.ts'
import type { CatalogReader, TargetFilter } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { bytesText, jsonText, plural, table } from './format.ts'
import { didOf, everything } from './selection.ts'

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

/** `plan`: what the next run would do. `plan DID`: what would become of a dataset if it were closed and tagged. */
export const plan: Run<GlobalOptions & { readonly did?: string; readonly json?: boolean }> = async (
  options,
  terminal,
  signal,
) => {
  const config = await configOf(options, terminal)
  if (options.did === undefined) {
    const all = await planOnce(config, terminal, (catalog) => planOf(catalog, terminal.now()), signal)
    terminal.print(options.json === true ? jsonText(all) : planText(all))
    return all.problems.length > 0 ? 3 : 0
  }
  const did = didOf(options.did)
  const plans = await planDid(config, terminal, did, (planned) => planOfDid(planned, formatDid(did)), signal)
  terminal.print(options.json === true ? jsonText(plans) : plans.map(didPlanText).join('\n\n'))
  return plans.some(({ problems }) => problems.length > 0) ? 3 : 0
}

interface DidPlan extends Plan {
  readonly pipeline: string
  readonly did: string
  /** It still changes. */
  readonly open: boolean
  /** Its content is archived already, unchanged. */
  readonly archived: boolean
}

async function planOfDid({ catalog, pipeline, open, problems }: Planned, did: string): Promise<DidPlan> {
  const plan = await plannedIn(catalog, { pipeline, glob: did })
  const more = problems.map((problem) => ({ pipeline, did, ...problem }))
  const frozen = await catalog.count({ pipeline, glob: did, state: 'frozen' })
  const archived = frozen > 0 && plan.bundles.length === 0
  return { pipeline, did, open, archived, ...plan, problems: [...plan.problems, ...more] }
}

function didPlanText({ pipeline, did, open, archived, bundles, waiting, problems }: DidPlan): string {
  if (archived)
    return `${did} is archived already by pipeline ${pipeline}, and has not changed: tagging it sets it to done again.`
  const still = open ? ' It is open: this is what is in it now.' : ''
  return `Pipeline ${pipeline}, ${did}:${still}\n${planText({ bundles, waiting, problems })}`
}

export async function planOf(catalog: CatalogReader, now: Date): Promise<Plan> {
  const { bundles, waiting, problems } = await plannedIn(catalog, {})
  const ofScopes = (await catalog.summary(now)).pipelines.flatMap(({ pipeline, polls }) =>
    polls.flatMap(({ scope, problem }) => (problem === null ? [] : [{ pipeline, did: `${scope}:*`, ...problem }])),
  )
  return { bundles, waiting, problems: [...problems, ...ofScopes] }
}

async function plannedIn(catalog: CatalogReader, filter: TargetFilter): Promise<Plan> {
  const bundles: Plan['bundles'][number][] = []
  const waiting: Plan['waiting'][number][] = []
  const problems: Plan['problems'][number][] = []
  for (const row of await catalog.list({ ...filter, state: 'live' }, everything)) {
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
  return { bundles, waiting, problems }
}

export function planText({ bundles, waiting, problems }: Plan): string {
  const total = bundles.reduce((sum, bundle) => sum + bundle.bytes, 0)
  const parts = [`Would write ${plural(bundles.length, 'object')}, ${bytesText(total)}. Nothing was written.`]
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
