import { openMovers, tapeAccess, vaultSettings, withCatalog } from '../app.ts'
import type { ArchivedObject, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../config/schema.ts'
import { parseDuration, parseSize } from '../config/units.ts'
import { isDamage, type Verification } from '../model/bundle.ts'
import { formatDid } from '../model/did.ts'
import { ERRORS, failure } from '../model/errors.ts'
import { verifyObject, type Verifying } from '../pipeline/verify.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { configOf } from './config.ts'
import { agoText, bytesText, jsonText, plural, printable } from './format.ts'
import { progressOf } from './progress.ts'
import { didOf } from './selection.ts'

interface VerifyOptions extends GlobalOptions {
  readonly dids: readonly string[]
  readonly sample?: string
  readonly maxAge?: string
  readonly rate?: string
  readonly pipeline?: string
  readonly json?: boolean
}

interface Outcome {
  readonly object: ArchivedObject
  readonly verification: Verification
}

/**
 * `verify [DID|GLOB…]`: reads back what was proven, the longest ago first. Each outcome is written down at once, so that a run which is stopped
 * goes on where it stopped when it is called again.
 */
export const verify: Run<VerifyOptions> = async (options, terminal, signal) => {
  const asked = askedFor(options)
  const config = await configOf(options, terminal)
  return withCatalog(config, terminal, async (catalog) => {
    const objects = await chosen(catalog, options, asked, terminal)
    const movers = openMovers(config, terminal)
    try {
      const verifying = { catalog, movers, ...placesOf(config), rate: asked.rate, now: terminal.now }
      const outcomes = await verifyAll(verifying, objects, config.movers, terminal, options.json === true, signal)
      return report(outcomes, objects.length, options, terminal, signal)
    } finally {
      await movers.close()
    }
  })
}

interface Asked {
  readonly share: number
  readonly maxAgeMs: number | null
  readonly rate: number | null
}

function askedFor({ dids, sample = '100%', maxAge, rate }: VerifyOptions): Asked {
  const share = Number(/^(\d+(?:\.\d+)?)%$/u.exec(sample)?.[1])
  const maxAgeMs = maxAge === undefined ? null : parseDuration(maxAge)
  const bytes = rate === undefined ? null : parseSize(rate.replace(/\/s$/u, ''))
  const wrong = (what: string) => failure('USAGE', `Cannot verify: ${what}`, 'See `tape-rse verify --help`.')
  if (!(share > 0 && share <= 100)) throw wrong(`--sample takes a share such as 1%, not ${sample}`)
  if (maxAge !== undefined && maxAgeMs === null) throw wrong(`--max-age takes a time such as 90d, not ${maxAge}`)
  if (rate !== undefined && (bytes === null || bytes === 0))
    throw wrong(`--rate takes a pace such as 100MB/s, not ${rate}`)
  for (const did of dids) didOf(did)
  return { share: share / 100, maxAgeMs, rate: bytes }
}

async function chosen(
  catalog: Catalog,
  { dids, pipeline }: VerifyOptions,
  { share, maxAgeMs }: Asked,
  { now, random }: Terminal,
): Promise<readonly ArchivedObject[]> {
  const before = maxAgeMs === null ? null : new Date(now().getTime() - maxAgeMs)
  const objects = new Map<number, ArchivedObject>()
  for (const glob of dids.length === 0 ? [undefined] : dids) {
    const filter = { ...(glob !== undefined && { glob }), ...(pipeline !== undefined && { pipeline }) }
    const some = await catalog.unverified(filter, before)
    if (some.length === 0 && glob !== undefined && (await catalog.objects(glob)).length === 0)
      throw failure(
        'UNKNOWN_DID',
        `Cannot verify ${glob}: the catalog knows no such dataset`,
        'Check how it is spelled; case counts.',
      )
    for (const object of some) objects.set(object.id, object)
  }
  if (share === 1) return [...objects.values()]
  // At least one: a small share of a small archive shall not be nothing for ever.
  const all = [...objects.values()]
  const wanted = Math.ceil(share * all.length)
  const lots = all.map((object) => ({ object, lot: random() })).sort((a, b) => a.lot - b.lot)
  const drawn = new Set(lots.slice(0, wanted).map(({ object }) => object))
  return all.filter((object) => drawn.has(object))
}

/** What the config says of a pipeline whose objects are read. */
function placesOf({ pipelines }: Config): Pick<Verifying, 'vaultOf' | 'probeOf'> {
  const find = (name: string) => {
    const pipeline = pipelines.find((each) => each.name === name)
    if (pipeline !== undefined) return pipeline
    throw failure(
      'CONFIG_INVALID',
      `Cannot read objects of pipeline ${name}: the config has no such pipeline`,
      'Put it back, or verify the others by --pipeline.',
    )
  }
  return {
    vaultOf(name) {
      const { root, mount } = vaultSettings(find(name), '')
      return { root, mount }
    },
    probeOf: (name) => tapeAccess(find(name)).probe,
  }
}

/** Several at once, as many as the agent has movers; each takes the next one when it is done. */
async function verifyAll(
  verifying: Verifying,
  objects: readonly ArchivedObject[],
  lanes: number,
  terminal: Terminal,
  json: boolean,
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  const progress = progressOf(
    objects.reduce((sum, { bytes }) => sum + bytes, 0),
    terminal,
  )
  const rate = verifying.rate === null ? null : verifying.rate / lanes
  let next = 0
  async function lane(): Promise<void> {
    while (next < objects.length && !signal.aborted) {
      const object = objects[next++]!
      const { moved } = progress.begin()
      const verification = await verifyObject({ ...verifying, rate }, object, moved, signal)
      progress.done(object.bytes)
      if (verification === null) continue
      outcomes.push({ object, verification })
      if (verification.outcome === 'good' || json) continue
      terminal.showLine?.(null)
      terminal.print(badText(object, verification, terminal))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  progress.end()
  return outcomes
}

function badText(object: ArchivedObject, verification: Verification, { emphasise }: Terminal): string {
  const did = formatDid(object.did)
  const lines = [
    emphasise(
      printable(
        `${verification.outcome.toUpperCase()}: ${did}, ${object.location!}: ${verification.what ?? 'it is not there'}`,
      ),
    ),
  ]
  if (isDamage(verification))
    lines.push(
      `  ${did} is held. ${object.target === 'acknowledged' ? 'Rucio still says done of it, which is not true any more. ' : ''}Keep all other copies of its files.`,
      `  \`tape-rse repair ${did}\` writes the object again, from the disk replicas.`,
    )
  return lines.join('\n')
}

function report(
  outcomes: readonly Outcome[],
  wanted: number,
  options: VerifyOptions,
  terminal: Terminal,
  signal: AbortSignal,
): number {
  const count = (...kinds: Verification['outcome'][]) =>
    outcomes.filter(({ verification }) => kinds.includes(verification.outcome)).length
  if (options.json === true)
    terminal.print(
      jsonText(
        outcomes.map(({ object, verification }) => ({
          did: formatDid(object.did),
          ...{ generation: object.generation, part: object.part, parts: object.parts, object: object.location },
          ...verification,
        })),
      ),
    )
  else if (wanted === 0) terminal.print('Nothing is to be verified.')
  else {
    const bytes = outcomes.reduce((sum, { verification }) => sum + verification.bytes, 0)
    const parts = [
      `${count('good')} good`,
      ...(['mismatch', 'missing', 'unsteady', 'unreadable'] as const)
        .filter((kind) => count(kind) > 0)
        .map((kind) => terminal.emphasise(`${count(kind)} ${kind}`)),
    ]
    const stopped = outcomes.length < wanted ? ` Of ${wanted}; the others are next when it is called again.` : ''
    const oldest = Math.min(...outcomes.map(({ object }) => (object.verifiedAt ?? object.confirmedAt!).getTime()))
    const since = outcomes.length === 0 ? '' : `, the longest ago ${agoText(new Date(oldest), terminal.now())}`
    terminal.print(
      `${plural(outcomes.length, 'object')} read back (${bytesText(bytes)}${since}): ${parts.join(', ')}.${stopped}`,
    )
  }
  if (count('mismatch', 'missing') > 0) return ERRORS.OBJECT_MISMATCH.exit
  if (signal.aborted && outcomes.length < wanted) return ERRORS.INTERRUPTED.exit
  return count('unsteady', 'unreadable') > 0 ? 3 : 0
}
