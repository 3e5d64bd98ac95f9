import type { Draft } from './draft.ts'
import type { Finding, KeyPath } from './finding.ts'
import type { ConfigFile } from './schema.ts'

type Pipelines = NonNullable<Draft<ConfigFile['pipelines']>>
type Pipeline = NonNullable<Pipelines[number]>

/** What is wrong with a config though each of its values is right by itself. */
export function checkConfig(config: Draft<ConfigFile>): readonly Finding[] {
  const pipelines = config.pipelines ?? []
  return [
    ...checkRucio(config.rucio ?? {}),
    ...pipelines.flatMap((pipeline, index) => [
      ...checkPipeline(pipeline ?? {}, ['pipelines', index]),
      ...pipelines.slice(0, index).flatMap((other) => checkPair(pipeline ?? {}, other ?? {}, ['pipelines', index])),
    ]),
    ...checkOutside(['catalog'], config.catalog, pipelines),
    ...checkOutside(['backup', 'directory'], config.backup?.directory, pipelines),
    ...checkVaultsAndSources(pipelines),
  ]
}

function checkRucio({
  host,
  authHost,
  auth,
  insecureLocalhost,
  httpProxy,
}: Draft<ConfigFile['rucio']>): readonly Finding[] {
  const findings: Finding[] = []
  const urls = { host, authHost }
  const [signsIn, signInUrl] = authHost === undefined ? (['host', host] as const) : (['authHost', authHost] as const)
  const certified = auth?.type === 'x509' || auth?.type === 'x509_proxy'
  if (certified && signInUrl !== undefined && !signInUrl.startsWith('https:'))
    findings.push({
      path: ['rucio', signsIn],
      what: `has to begin with https: to sign in by ${auth.type}`,
      hint: 'Write https://…: the certificate is shown while TLS connects.',
    })
  if (insecureLocalhost === true && httpProxy !== undefined)
    findings.push({
      path: ['rucio', 'insecureLocalhost'],
      what: 'is not possible with httpProxy: “localhost” is what the proxy takes for it',
      hint: 'Remove one of them.',
    })
  for (const key of ['host', 'authHost'] as const) {
    const url = urls[key]
    if (insecureLocalhost === true && url !== undefined && !isLocal(url))
      findings.push({
        path: ['rucio', key],
        what: 'is not this machine, so rucio.insecureLocalhost is not possible',
        hint: 'Remove insecureLocalhost, and name the authority of the server in rucio.ca.',
      })
  }
  return findings
}

const isLocal = (url: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname)

function checkPipeline(
  { source = {}, format = {}, vault = {}, confirm = {} }: Pipeline,
  at: KeyPath,
): readonly Finding[] {
  const findings: Finding[] = []
  const find = (path: KeyPath, what: string, hint: string) => findings.push({ path: [...at, ...path], what, hint })

  for (const index of repeated(source.scopes ?? []))
    find(['source', 'scopes', index], `"${source.scopes![index]!}" is named twice`, 'Remove one of them.')
  const paths = source.paths ?? []
  for (const index of repeated(paths.map((rule) => rule?.pfn)))
    find(['source', 'paths', index, 'pfn'], 'is named twice', 'Remove one of them.')
  for (const [index, rule] of paths.entries()) {
    if (rule?.local !== undefined && source.root !== undefined && !within(rule.local, source.root))
      find(
        ['source', 'paths', index, 'local'],
        `${rule.local} is not below source.root (${source.root})`,
        'Correct one of them.',
      )
  }
  const { targetSize, maxSize } = format
  if (targetSize === 0) find(['format', 'targetSize'], 'has to be more than nothing', 'Write a size, such as 100GB.')
  if (targetSize !== undefined && maxSize !== undefined && maxSize < targetSize)
    find(['format', 'maxSize'], 'is smaller than targetSize', 'Make it as large, or larger.')
  if (vault.mount !== undefined && vault.root !== undefined && !within(vault.root, vault.mount))
    find(
      ['vault', 'mount'],
      `${vault.mount} is not at or above vault.root (${vault.root})`,
      'Name the mount point in which the root is.',
    )
  const unknown = (vault.residency?.kind ?? 'none') === 'none'
  if (unknown && confirm.onTape === 'required')
    find(
      ['confirm', 'onTape'],
      'cannot be required: vault.residency says that nobody can know',
      'Say in vault.residency how to find out.',
    )
  if (unknown && vault.recall?.kind === 'command')
    find(
      ['vault', 'recall'],
      'asks for what is on tape only, and vault.residency says that nobody can know what is',
      'Say in vault.residency how to find out.',
    )
  return findings
}

/** What a pipeline must not share with one before it. */
function checkPair(pipeline: Pipeline, other: Pipeline, at: KeyPath): readonly Finding[] {
  const findings: Finding[] = []
  const find = (path: KeyPath, what: string, hint: string) => findings.push({ path: [...at, ...path], what, hint })
  const otherName = `pipeline "${other.name ?? '?'}"`

  if (pipeline.name !== undefined && pipeline.name === other.name)
    find(['name'], `"${pipeline.name}" names another pipeline as well`, 'Give each its own name.')
  const [root, otherRoot] = [pipeline.vault?.root, other.vault?.root]
  if (root !== undefined && otherRoot !== undefined && overlap(root, otherRoot))
    find(
      ['vault', 'root'],
      `${root} and the root of ${otherName} (${otherRoot}) are one, or one in the other`,
      'Give each pipeline a root of its own.',
    )
  const [source, otherSource] = [pipeline.source ?? {}, other.source ?? {}]
  if (source.tapeRse !== undefined && source.tapeRse === otherSource.tapeRse) {
    for (const [index, scope] of (source.scopes ?? []).entries()) {
      if (scope !== undefined && otherSource.scopes?.includes(scope) === true)
        find(
          ['source', 'scopes', index],
          `${otherName} takes what is tagged for ${source.tapeRse} in "${scope}" as well`,
          'Let one pipeline alone look for a tape RSE in a scope.',
        )
    }
  }
  return findings
}

/** The agent itself touches no vault and no source: they may hang. */
function checkOutside(key: KeyPath, path: string | undefined, pipelines: Pipelines): readonly Finding[] {
  if (path === undefined) return []
  return pipelines.flatMap((pipeline) =>
    (['vault', 'source'] as const).flatMap((place): Finding[] => {
      const root = pipeline?.[place]?.root
      if (root === undefined || !within(path, root)) return []
      const what = `${path} is in the ${place} of pipeline "${pipeline?.name ?? '?'}" (${root})`
      return [{ path: key, what, hint: 'Put it on a local disk.' }]
    }),
  )
}

function checkVaultsAndSources(pipelines: Pipelines): readonly Finding[] {
  return pipelines.flatMap((one, index) =>
    pipelines.flatMap((other): Finding[] => {
      const [vault, source] = [one?.vault?.root, other?.source?.root]
      if (vault === undefined || source === undefined || !overlap(vault, source)) return []
      const what = `${vault} and the source of pipeline "${other?.name ?? '?'}" (${source}) are one, or one in the other`
      return [{ path: ['pipelines', index, 'vault', 'root'], what, hint: 'Keep them apart.' }]
    }),
  )
}

/** Whether a path is another, or lies below it. */
const within = (path: string, root: string): boolean => `${path}/`.startsWith(root === '/' ? '/' : `${root}/`)
const overlap = (a: string, b: string): boolean => within(a, b) || within(b, a)

/** Where in a list something stands that stood there before. */
const repeated = (list: readonly (string | undefined)[]): readonly number[] =>
  list.flatMap((item, index) => (item !== undefined && list.indexOf(item) < index ? [index] : []))
