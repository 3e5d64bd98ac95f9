import { normalize } from 'node:path'
import { z } from 'zod'
import { misreadBySearch } from '../model/rse.ts'
import { parseDuration, parseSize } from './units.ts'

/** One schema is the type, the defaults, the documentation and the refusal. Sizes become bytes, durations milliseconds. */

const path = z
  .string()
  .refine(
    (text) => text.startsWith('/') && normalize(text).replace(/(?<=.)\/$/u, '') === text,
    'has to be an absolute path without "//", "." or ".." and without a "/" at its end',
  )
const size = z
  .union([z.string(), z.number()])
  .refine((text) => parseSize(text) !== null, 'has to be a size such as 100GB, 64MiB or a number of bytes')
  .transform((text) => parseSize(text)!)
const duration = z
  .union([z.string(), z.number()])
  .refine((text) => parseDuration(text) !== null, 'has to be a duration with its unit, such as 30s, 15m, 6h or 1d')
  .transform((text) => parseDuration(text)!)
const rse = z
  .string()
  .min(1)
  .superRefine((name, context) => {
    const why = misreadBySearch(name)
    if (why !== null)
      context.addIssue({ code: 'custom', message: `"${name}" is a name that Rucio’s search would misread: ${why}` })
  })
const scope = z.string().regex(/^[\w.-]+$/u, 'has to be the name of a scope: letters, digits, "_", "-" and "."')
const url = z.url({ protocol: /^https?$/u, error: 'has to be a URL that begins with https:// (or http://)' })

const auth = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('userpass'),
      username: z.string().min(1).describe('The identity that signs in.'),
      passwordFile: path.describe('File with the password in its first line. It is read at each sign-in.'),
    }),
    z.strictObject({ type: z.literal('x509'), cert: path.describe('PEM file.'), key: path.describe('PEM file.') }),
    z.strictObject({
      type: z.literal('x509_proxy'),
      proxy: path.describe('PEM file with certificate, key and chain.'),
    }),
    z.strictObject({ type: z.literal('token'), tokenFile: path.describe('File with the token.') }),
  ])
  .describe('How to sign in.')

const source = z.strictObject({
  kind: z.enum(['rucio', 'directory', 'cache']).describe('Where requests come from.'),
  tapeRse: rse.describe('Datasets are taken that are tagged `arcBackup=<tapeRse>:need`.'),
  diskRse: z.string().min(1).describe('The RSE whose replicas are read.'),
  scopes: z.array(scope).min(1).describe('Scopes that are polled.'),
  root: path.describe('The one shared file system: a replica whose path leads out of it is refused.'),
  paths: z
    .array(
      z.strictObject({
        pfn: z.string().min(1).describe('How PFNs begin.'),
        local: z.string().startsWith('/').describe('What stands there instead, on this machine.'),
      }),
    )
    .default([])
    .describe('Where Rucio gives no file:// PFN: the longest matching beginning counts.'),
})

const format = z.strictObject({
  kind: z.enum(['zip', 'tar', 'file']).default('zip').describe('How bundles are packed.'),
  layout: z
    .enum(['rucio', 'ossarc'])
    .default('rucio')
    .describe('How members are named: `rucio` as the files are in Rucio.'),
  targetSize: size.default(100e9).describe('Size of an object to aim at.'),
  maxSize: size.default(500e9).describe('No object is larger, but for one with a single file that is.'),
})

const vault = z.strictObject({
  kind: z.enum(['hpssfs', 'volume', 'xrootd']).default('hpssfs').describe('Where objects are kept.'),
  root: path.describe('Objects go to `<root>/<scope>/<dataset name>/`.'),
  mustBeMount: z.boolean().default(true).describe('Refuse a root that is not mounted: bytes would go to a local disk.'),
  mount: path.optional().describe('The mount point, where it is above the root. Default: the root itself.'),
  publish: z.enum(['rename', 'direct']).default('rename').describe('`direct` for mounts that cannot rename.'),
  minFree: size.default(0).describe('Bytes that have to stay free.'),
})

const confirm = z
  .strictObject({
    readBack: z.boolean().default(true).describe('Read every object back before it counts.'),
    onTape: z
      .enum(['required', 'when-known', 'ignore'])
      .default('when-known')
      .describe('Whether an object has to be on tape before it counts.'),
  })
  .prefault({})

const pipeline = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/u, 'has to be made of letters, digits, "_", "-" and "."')
    .describe('Names it in the catalog and in the log: never rename it.'),
  source,
  format: format.prefault({}),
  vault,
  confirm,
  reopened: z
    .enum(['hold', 'addendum', 'replace'])
    .default('hold')
    .describe('What becomes of a dataset that changed after it was archived.'),
})

export const configSchema = z.strictObject({
  catalog: z
    .string()
    .refine(
      (text) => text.startsWith('postgres://') || path.safeParse(text).success,
      'has to be the absolute path of a file',
    )
    .describe('SQLite file with the agent’s memory, on a local disk.'),
  catalogOnNetworkFilesystem: z
    .boolean()
    .default(false)
    .describe('Allow the catalog on a network file system. SQLite’s locks are seldom right there.'),
  rucio: z.strictObject({
    config: path.optional().describe('The site’s own rucio.cfg.'),
    host: url.describe('Base URL of Rucio’s REST server.'),
    authHost: url.optional().describe('Base URL of the server that signs in. Default: host.'),
    account: z.string().min(1).describe('Account to act as: it has to be allowed to set metadata in the scopes.'),
    auth,
    ca: path.optional().describe('PEM file with the authorities to trust. Default: those that Node.js brings.'),
  }),
  movers: z
    .int()
    .min(1)
    .max(64)
    .default(2)
    .describe(
      'Objects that are written or read at once. A bundle is always read back by another process than the one that wrote it.',
    ),
  schedule: z
    .union([z.strictObject({ every: duration }), z.strictObject({ cron: z.string(), timezone: z.string().optional() })])
    .optional()
    .describe('When to poll, as a service.'),
  grace: duration.optional().describe('How long a stop waits for work in flight.'),
  pipelines: z.array(pipeline).min(1).describe('Pairs of a source and a vault.'),
  server: z.strictObject({ listen: z.string() }).optional().describe('Status page and metrics.'),
})

export type ConfigFile = z.infer<typeof configSchema>
type Userpass = Extract<ConfigFile['rucio']['auth'], { type: 'userpass' }>

/** A config that was checked: everything in it is built. */
export type Config = Omit<ConfigFile, 'rucio'> & {
  readonly rucio: Omit<ConfigFile['rucio'], 'auth'> & { readonly auth: Userpass }
}
export type PipelineConfig = Config['pipelines'][number]
