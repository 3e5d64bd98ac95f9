import { existsSync } from 'node:fs'
import type { CatalogReader } from '../catalog/catalog.ts'
import { openReader, withSite, type Site } from '../app.ts'
import type { Config, PipelineConfig } from '../config/schema.ts'
import { didKey, type Did } from '../model/did.ts'
import { problemsOf, type Problem } from '../model/errors.ts'
import { anyMover } from '../model/order.ts'
import type { Description } from '../source/rucio.ts'
import { explainGates, type Explanation, type Findings } from './explain.ts'
import { agoText, jsonText } from './format.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { didOf } from './selection.ts'

/** Asking takes no longer: a person waits. What has not answered by then is said to be unknown. */
const patienceMs = 20_000

/** `explain DID`: why is my dataset not archived? Works for a DID that the agent never saw, by asking Rucio. */
export const explain: Run<GlobalOptions & { readonly did: string; readonly json?: boolean }> = async (
  options,
  terminal,
  signal,
) => {
  const did = didOf(options.did)
  const config = await configOf(options, terminal)
  const catalog = existsSync(config.catalog) ? await openReader(config) : null
  const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
  try {
    const explanations = await withSite(config, terminal, async (site) => {
      const all: Explanation[] = []
      for (const pipeline of candidates(config, did))
        all.push(explainGates(await findingsOf(did, pipeline, catalog, site, terminal.now(), limited)))
      return all
    })
    terminal.print(
      options.json === true
        ? jsonText(explanations)
        : explanations.map((each) => explanationText(each, terminal.now())).join('\n\n'),
    )
    return 0
  } finally {
    await catalog?.close()
  }
}

/** The pipelines that look at the DID's scope; all of them if none does. */
function candidates({ pipelines }: Config, did: Did): readonly PipelineConfig[] {
  const looking = pipelines.filter(({ source }) => source.scopes.includes(did.scope))
  return looking.length > 0 ? looking : pipelines
}

async function findingsOf(
  did: Did,
  pipeline: PipelineConfig,
  catalog: CatalogReader | null,
  site: Site,
  now: Date,
  signal: AbortSignal,
): Promise<Findings> {
  const summary =
    catalog === null
      ? null
      : ((await catalog.summary(now)).pipelines.find((each) => each.pipeline === pipeline.name) ?? null)
  const target =
    catalog === null ? null : ((await catalog.find(did)).find(({ row }) => row.pipeline === pipeline.name) ?? null)
  const rucio = await site
    .source(pipeline)
    .describe(did, signal)
    .catch((error: unknown): Findings['rucio'] => ({ error: problemsOf(error)[0]! }))
  return {
    did,
    now,
    pipeline: {
      name: pipeline.name,
      tapeRse: pipeline.source.tapeRse,
      diskRse: pipeline.source.diskRse,
      scopes: pipeline.source.scopes,
    },
    target,
    hold: (await catalog?.holds())?.find((each) => didKey(each.did) === didKey(did)) ?? null,
    poll: summary?.polls.find(({ scope }) => scope === did.scope) ?? null,
    pause: summary?.pause ?? null,
    rucio,
    sources: rucio !== null && 'type' in rucio ? await sourceProblems(did, rucio, pipeline, site, signal) : null,
  }
}

/** Has a mover look at the source files; null where that is not known, or not to be known now. */
async function sourceProblems(
  did: Did,
  rucio: Description,
  pipeline: PipelineConfig,
  site: Site,
  signal: AbortSignal,
): Promise<readonly Problem[] | null> {
  if (rucio.type !== 'DATASET' || rucio.waiting !== null || rucio.problems.length > 0) return null
  try {
    const [freezing] = await site.source(pipeline).freeze([rucio], signal)
    if (freezing === undefined || 'problems' in freezing) return null
    const files = freezing.content.entries.map(({ path, bytes }) => ({ path, bytes }))
    const { answer } = await site.movers.run<'inspect'>(
      { kind: 'inspect', sourceRoot: pipeline.source.root, files },
      anyMover,
      signal,
    )
    return answer.problems
  } catch (error) {
    return [
      {
        ...problemsOf(error)[0]!,
        message: `The files of ${didKey(did).replace('\0', ':')} could not be looked at: ${problemsOf(error)[0]!.message}`,
      },
    ]
  }
}

const marks = { passed: 'ok  ', waiting: '... ', failed: 'FAIL', unknown: '?   ', later: '    ' } as const

function explanationText({ pipeline, answer, gates }: Explanation, now: Date): string {
  const width = Math.max(...gates.map(({ gate }) => gate.length))
  const lines = gates.flatMap(({ gate, state, value, at, problems }) => [
    `${marks[state]}  ${gate.padEnd(width)}  ${value}${at === null ? '' : ` (${agoText(at, now)})`}`,
    ...problems
      .slice(0, maxShown)
      .flatMap(({ code, message, hint }) => [`        ${code}: ${message}`, `          ${hint}`]),
    ...(problems.length > maxShown ? [`        … and ${problems.length - maxShown} more (--json shows all)`] : []),
  ])
  return [answer, '', `Pipeline ${pipeline}`, ...lines].join('\n')
}

const maxShown = 20
