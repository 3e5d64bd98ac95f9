import { openReader, vaultSettings, withSite, type Site } from '../app.ts'
import type { CatalogReader } from '../catalog/catalog.ts'
import type { PipelineConfig } from '../config/schema.ts'
import { ERRORS, failure } from '../model/errors.ts'
import { everything } from '../pipeline/vault-tree.ts'
import { audit as compare, breaksDone, type AuditFinding } from '../plan/audit.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { configOf } from './config.ts'
import { everything as everyTarget } from './selection.ts'
import { bytesText, jsonText, plural, table } from './format.ts'

interface AuditOptions extends GlobalOptions {
  readonly pipeline?: string
  readonly json?: boolean
}

interface Audit {
  readonly pipeline: string
  readonly findings: readonly AuditFinding[]
}

/** `audit`: compares what Rucio says, what the catalog knows and what the vault holds, and writes nothing anywhere. */
export const audit: Run<AuditOptions> = async (options, terminal, signal) => {
  const config = await configOf(options, terminal)
  const pipelines = config.pipelines.filter(({ name }) => options.pipeline === undefined || name === options.pipeline)
  if (pipelines.length === 0)
    throw failure(
      'USAGE',
      `Cannot audit pipeline ${options.pipeline!}: the config has none of that name`,
      `Choose one of ${config.pipelines.map(({ name }) => name).join(', ')}.`,
    )
  const catalog = await openReader(config)
  try {
    const audits = await withSite(config, terminal, async (site) => {
      const all: Audit[] = []
      for (const pipeline of pipelines) all.push(await auditOne(pipeline, catalog, site, signal))
      return all
    })
    terminal.print(
      options.json === true ? jsonText(audits) : audits.map((each) => auditText(each, terminal)).join('\n\n'),
    )
    const findings = audits.flatMap((each) => each.findings)
    if (findings.some(breaksDone)) return ERRORS.OBJECT_MISMATCH.exit
    return findings.length > 0 ? 3 : 0
  } finally {
    await catalog.close()
  }
}

async function auditOne(
  pipeline: PipelineConfig,
  catalog: CatalogReader,
  site: Site,
  signal: AbortSignal,
): Promise<Audit> {
  const { name } = pipeline
  const own = async () => (await catalog.objects('*')).filter((object) => object.pipeline === name)
  const { root, mount } = vaultSettings(pipeline, catalog.id)
  const live = async () => (await catalog.list({ pipeline: name, state: 'live' }, everyTarget)).map(({ did }) => did)
  const [before, liveBefore] = [await own(), await live()]
  const vault = await everything({ root, mount }, site.movers, signal)
  const tagged = await site.source(pipeline).tagged(signal)
  const scopes = new Set(pipeline.source.scopes)
  const after = await own()
  const atWork = [...liveBefore, ...(await live())]
  const findings = compare({ ...tagged, live: atWork, before, after, vault, polled: (scope) => scopes.has(scope) })
  return { pipeline: name, findings }
}

const maxShown = 200

function auditText({ pipeline, findings }: Audit, { emphasise }: Pick<Terminal, 'emphasise'>): string {
  if (findings.length === 0) return `Pipeline ${pipeline}: Rucio, catalog and vault agree.`
  const rows = findings
    .slice(0, maxShown)
    .map(({ kind, did, path, bytes, what }) => [
      kind,
      did ?? '',
      path ?? '',
      bytes === null ? '' : bytesText(bytes),
      what,
    ])
  const hints = new Map(findings.map(({ kind, hint }) => [kind, hint]))
  return [
    `Pipeline ${pipeline}: ${plural(findings.length, 'finding')}.`,
    ...(findings.some(breaksDone)
      ? [emphasise('Rucio says done of what is not whole in the vault: keep all other copies.')]
      : []),
    table(
      [
        { title: 'FINDING' },
        { title: 'DATASET' },
        { title: 'OBJECT' },
        { title: 'SIZE', align: 'right' },
        { title: 'WHAT IS SO' },
      ],
      rows,
    ),
    ...(findings.length > maxShown ? [`… and ${findings.length - maxShown} more (--json shows all)`] : []),
    ...[...hints].map(([kind, hint]) => `${kind}: ${hint}`),
  ].join('\n')
}
