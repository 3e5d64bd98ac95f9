import type { CatalogLookup } from '../catalog/catalog.ts'
import { formatDid } from '../model/did.ts'
import { failure, TapeRseError, type Problem } from '../model/errors.ts'
import type { Fetched } from '../model/order.ts'
import { fetchOrder } from './batch.ts'
import { readingMovers } from './reading-movers.ts'
import { isPublished, openNamed, pick, placeOf, whyNotPublished, type Picked } from './archived.ts'
import type { GlobalOptions, QuietTerminal, Run } from './command.ts'
import { bytesText, jsonText } from './format.ts'
import { generationOf } from './selection.ts'

const formats = ['text', 'json', 'adler32', 'md5sum', 'sha256sum'] as const
type Format = (typeof formats)[number]

interface ManifestOptions extends GlobalOptions {
  readonly did: string
  readonly format?: string
  readonly generation?: string
  readonly patience?: string
  readonly json?: boolean
}

/**
 * `manifest DID`: what was archived, with its checksums. `md5sum` and `sha256sum` are what those programs check; a checksum that Rucio
 * did not give is made by reading the files, each of which is checked by what Rucio gave.
 */
export const manifest: Run<ManifestOptions, QuietTerminal> = async (options, terminal, signal) => {
  const format = formatOf(options)
  const catalog = await openNamed(options, terminal)
  try {
    const picked = await pick(catalog, { did: options.did, files: [], generation: generationOf(options) })
    switch (format) {
      case 'json':
        terminal.print(jsonText(await manifestsOf(catalog, picked)))
        return 0
      case 'text':
        terminal.print(await manifestText(catalog, picked))
        return 0
      case 'adler32':
        terminal.print(lines(adler32sOf(picked)))
        return 0
      case 'md5sum': {
        const known = picked.flatMap(({ files }) =>
          files.map(({ entry }) => ({ name: entry.did.name, sum: entry.md5 })),
        )
        if (known.every(({ sum }) => sum !== null)) terminal.print(lines(known))
        else terminal.print(lines(await digestsOf('md5', picked, catalog, options, terminal, signal)))
        return 0
      }
      case 'sha256sum':
        terminal.print(lines(await digestsOf('sha256', picked, catalog, options, terminal, signal)))
        return 0
    }
  } finally {
    catalog.close()
  }
}

function formatOf({ format = 'text', json }: ManifestOptions): Format {
  const found = formats.find((known) => known === format)
  if (json === true && (found === 'text' || found === 'json')) return 'json'
  if (found !== undefined && json !== true) return found
  throw failure(
    'USAGE',
    json === true ? `Cannot write ${format} as JSON` : `Cannot write a manifest as ${format}`,
    `Choose one of ${formats.join(', ')}.`,
  )
}

/** The manifests as they are in the objects. */
async function manifestsOf(catalog: CatalogLookup, picked: readonly Picked[]): Promise<readonly unknown[]> {
  const manifests: unknown[] = []
  for (const { object } of picked) manifests.push(JSON.parse(await catalog.manifest(object.id)))
  return manifests
}

async function manifestText(catalog: CatalogLookup, picked: readonly Picked[]): Promise<string> {
  const { object } = picked[0]!
  const [head] = (await manifestsOf(catalog, picked.slice(0, 1))) as [{ source_rse?: string; metadata?: object }]
  const files = picked.flatMap((each) => each.files)
  const bytes = files.reduce((sum, { entry }) => sum + entry.bytes, 0)
  const facts = [
    `${formatDid(object.did)}, generation ${object.generation}`,
    `closed at ${object.closedAt.toISOString()}, read at ${head.source_rse ?? 'an unknown RSE'}`,
    `${files.length} files, ${bytesText(bytes)}, in ${object.parts} objects`,
    ...Object.entries(head.metadata ?? {}).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
  ]
  return [
    ...facts.map((fact) => `# ${fact}`),
    ...files.map(({ entry }) => `${entry.adler32 ?? entry.md5 ?? ''}  ${entry.bytes}  ${entry.did.name}`),
  ].join('\n')
}

interface Sum {
  readonly name: string
  readonly sum: string | null
}

/** As md5sum and its kin read them. No name of ours has a newline or a backslash, which they would write in another way. */
const lines = (sums: readonly Sum[]): string => sums.map(({ name, sum }) => `${sum!}  ${name}`).join('\n')

function adler32sOf(picked: readonly Picked[]): readonly Sum[] {
  const sums = picked.flatMap(({ files }) => files.map(({ entry }) => ({ name: entry.did.name, sum: entry.adler32 })))
  const without = sums.filter(({ sum }) => sum === null)
  if (without.length === 0) return sums
  throw failure(
    'CHECKSUM_MISSING',
    `Cannot list the adler32 of ${without.length} files: Rucio gave only their md5, the first is ${without[0]!.name}`,
    'Use --format md5sum.',
  )
}

async function digestsOf(
  algorithm: 'md5' | 'sha256',
  picked: readonly Picked[],
  catalog: CatalogLookup,
  options: ManifestOptions,
  terminal: QuietTerminal,
  signal: AbortSignal,
): Promise<readonly Sum[]> {
  const places = await catalog.places()
  const movers = readingMovers(options, terminal)
  const sums: Sum[] = []
  try {
    for (const each of picked) {
      const { object } = each
      if (!isPublished(object))
        throw failure(
          'OBJECT_MISSING',
          `Cannot read object ${object.part} of ${options.did}: ${whyNotPublished(object)}`,
          '',
        )
      const order = fetchOrder(each, placeOf(places, object.pipeline), { kind: 'digest', algorithm })
      const { answer } = await movers.run<'fetch'>(order, { not: null, moved: () => undefined }, signal)
      refuseFailed(answer)
      sums.push(...answer.digests.map(({ name, digest }) => ({ name, sum: digest })))
    }
    return sums
  } finally {
    await movers.close()
  }
}

/** A list with holes would be taken for a whole one. */
function refuseFailed({ failed }: Fetched): void {
  if (failed.length === 0) return
  const problems = failed.map(({ name, outcome, what }): Problem => ({
    code: outcome === 'mismatch' ? 'OBJECT_MISMATCH' : 'VAULT_IO',
    message: `Cannot read ${name}: ${what}`,
    hint: outcome === 'mismatch' ? 'Keep other copies of it, and tell the operators.' : 'Call it again.',
  }))
  throw new TapeRseError(problems as [Problem, ...Problem[]])
}
