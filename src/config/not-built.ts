import type { Finding, KeyPath } from './finding.ts'

interface NotBuilt {
  /** `[]` stands for each item of a list. */
  readonly key: string
  /** The values that are refused; one that ends in "…" stands for all that begin so. null: the key itself. */
  readonly values: readonly (string | boolean)[] | null
  readonly hint: string
  /** What is so. Default: "is not built yet". */
  readonly what?: string
}

/**
 * What the config may say one day and does not mean anything yet, and what it never will: refused by name, never ignored. Who builds
 * a feature takes its row away.
 */
export const NOT_BUILT: readonly NotBuilt[] = [
  { key: 'catalog', values: ['postgres://…'], hint: 'Name a file on a local disk.' },
  {
    key: 'rucio.auth.type',
    values: ['gss', 'ssh', 'oidc', 'saml'],
    what: 'is not for a service: it needs a Kerberos ticket, an ssh-agent or a person with a browser',
    hint: 'Use x509_proxy or x509, token (a JWT or OIDC access token that somebody renews in a file), or userpass.',
  },
  { key: 'pipelines[].source.kind', values: ['directory', 'cache'], hint: 'Use rucio.' },
  { key: 'pipelines[].format.kind', values: ['tar', 'file'], hint: 'Use zip.' },
  { key: 'pipelines[].format.layout', values: ['ossarc'], hint: 'Use rucio.' },
  { key: 'pipelines[].vault.kind', values: ['volume', 'xrootd'], hint: 'Use hpssfs.' },
  { key: 'pipelines[].confirm.readBack', values: [false], hint: 'Remove it: every object is read back.' },
  { key: 'pipelines[].reopened', values: ['addendum', 'replace'], hint: 'Use hold.' },
  { key: 'server', values: null, hint: 'Remove it; see `tape-rse status`.' },
]

/**
 * What a config asks for that is not built.
 * @param given what the file says. Only words of the table are repeated: the URL of a database may hold a password
 */
export function notBuilt(given: unknown): readonly Finding[] {
  return NOT_BUILT.flatMap(({ key, values, hint, what = 'is not built yet' }) =>
    valuesAt(given, key.split('.')).flatMap(({ path, value }): Finding[] => {
      if (values === null) return [{ path, what, hint }]
      const refused = values.find((each) => means(each, value))
      return refused === undefined ? [] : [{ path, what: `${JSON.stringify(refused)} ${what}`, hint }]
    }),
  )
}

const means = (refused: string | boolean, value: unknown): boolean =>
  typeof refused === 'string' && refused.endsWith('…')
    ? typeof value === 'string' && value.startsWith(refused.slice(0, -1))
    : value === refused

/** What the file says under a key of the table. */
function valuesAt(
  given: unknown,
  keys: readonly string[],
  path: KeyPath = [],
): readonly { readonly path: KeyPath; readonly value: unknown }[] {
  const [key, ...rest] = keys
  if (key === undefined) return [{ path, value: given }]
  const name = key.replace('[]', '')
  if (typeof given !== 'object' || given === null || !Object.hasOwn(given, name)) return []
  const value = (given as Readonly<Record<string, unknown>>)[name]
  if (name === key) return valuesAt(value, rest, [...path, name])
  const items: readonly unknown[] = Array.isArray(value) ? value : []
  return items.flatMap((item, index) => valuesAt(item, rest, [...path, name, index]))
}
