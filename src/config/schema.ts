import { z } from 'zod'
import { misreadBySearch } from '../model/rse.ts'
import { isCron } from './cron.ts'
import { isPath } from './path.ts'
import { parseDuration, parseSize } from './units.ts'

/** One schema is the type, the defaults, the documentation and the refusal. Sizes become bytes, durations milliseconds. */

const path = z
  .string()
  .refine(isPath, 'has to be an absolute path without "//", "." or ".." and without a "/" at its end')
  .meta({ title: 'path' })

const aSize = 'has to be a size such as 100GB, 64MiB or a number of bytes'
const size = z
  .union([z.string(), z.number()], aSize)
  .refine((given) => parseSize(given) !== null, aSize)
  .transform((given) => parseSize(given)!)
  .meta({ title: 'size' })

const aDuration = 'has to be a duration with its unit, such as 30s, 15m, 6h or 1d'
const aSchedule = 'has to be a time from 1s to 20d'
const duration = z
  .union([z.string(), z.number()], aDuration)
  .refine((given) => parseDuration(given) !== null, aDuration)
  .transform((given) => parseDuration(given)!)
  .meta({ title: 'duration' })

const isBaseUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/u.test(protocol) && username + password + search + hash === ''
}
const url = z
  .string()
  .refine(isBaseUrl, 'has to be a URL such as https://rucio.example.org:8443, without a user, a password or a query')
  .meta({ title: 'URL' })

const isProxyUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, pathname, search, hash } = new URL(text)
  return protocol === 'http:' && username + password + search + hash === '' && pathname === '/'
}
const proxyUrl = z
  .string()
  .refine(isProxyUrl, 'has to be a URL such as http://proxy.example.org:3128, without a user or a password')
  .meta({ title: 'URL' })

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const rse = z.string().min(1, 'is empty').meta({ title: 'name' })
const tapeRse = rse.superRefine((name, context) => {
  const why = misreadBySearch(name)
  if (name !== '' && why !== null)
    context.addIssue({ code: 'custom', message: `"${name}" is a name that Rucio’s search would misread: ${why}` })
})
const diskRse = rse.regex(/^[\w.-]*$/u, 'has to be the name of one RSE, not an expression')
const scope = z
  .string()
  .regex(
    /^(?!\.{1,2}$)[\w.-]{1,255}$/u,
    'has to be the name of a scope that can be a directory: letters, digits, "_", "-", "."',
  )
  .meta({ title: 'name' })
const text = z.string().min(1, 'is empty').meta({ title: 'text' })
/** What goes into a header of HTTP. */
const headerText = text.regex(/^[\x20-\x7e\xa0-\xff]*$/u, 'has characters that a header of HTTP cannot carry')

const auth = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('userpass').describe('How to sign in.'),
      username: headerText.optional().describe('The identity that signs in.'),
      passwordFile: path
        .optional()
        .describe(
          'File that holds the password and nothing else (white space at its end is dropped). Read at each sign-in. Default: `password` of the client file.',
        ),
    }),
    z.strictObject({
      type: z.literal('x509').describe('How to sign in.'),
      cert: path
        .optional()
        .describe('PEM file with the certificate, and its chain if it has one. Read at each sign-in.'),
      key: path.optional().describe('PEM file with its key, without a pass phrase. Read at each sign-in.'),
    }),
    z.strictObject({
      type: z.literal('x509_proxy').describe('How to sign in.'),
      proxy: path
        .optional()
        .describe(
          'PEM file with proxy certificate, key and chain (RFC 3820), renewed by others. Read at each sign-in.',
        ),
    }),
    z.strictObject({
      type: z.literal('token').describe('How to sign in.'),
      tokenFile: path
        .optional()
        .describe(
          'File that holds a JWT, an OIDC access token or a token of Rucio, renewed by others. Read when it changes.',
        ),
    }),
  ])
  .describe('How to sign in.')

const rucio = z
  .strictObject({
    config: path
      .optional()
      .describe(
        'The site’s own `rucio.cfg`: its section `[client]` says what this file does not. Default: `$RUCIO_CONFIG`.',
      ),
    host: url.optional().describe('Base URL of Rucio’s REST server. It has to be said, here or elsewhere.'),
    authHost: url.optional().describe('Base URL of the server that signs in. Default: `host`.'),
    account: headerText
      .optional()
      .describe(
        'Account to act as. It has to be allowed to set metadata in the scopes. Default: the one that Rucio has for the identity.',
      ),
    vo: headerText.optional().describe('Virtual organisation, where the server has several.'),
    auth: auth.optional().describe('How to sign in. Its type has to be said, here or elsewhere.'),
    ca: path
      .optional()
      .describe(
        'The certificate authorities to trust: a PEM file, or a directory of them (`*.pem`, `*.crt`, `<hash>.0`). Read again when they change. Default: those that Node.js brings.',
      ),
    httpProxy: proxyUrl
      .optional()
      .describe('HTTP proxy through which Rucio is asked. Default: none, whatever the environment says.'),
    secretsReadableByGroup: z
      .boolean()
      .prefault(false)
      .describe(
        'Allow password, key, proxy and token files that their group may read, as Kubernetes makes them with `fsGroup`. Files that others may read are always refused.',
      ),
    insecureLocalhost: z
      .boolean()
      .prefault(false)
      .describe(
        'Do not verify the TLS certificate of a server on this machine (`localhost`, `127.0.0.1`, `[::1]`). Refused for any other.',
      ),
  })
  .prefault({})
  .describe('The Rucio server, and who the agent is there.')

const source = z
  .strictObject({
    kind: z.enum(['rucio', 'directory', 'cache']).describe('Where requests come from.'),
    tapeRse: tapeRse.describe('The tape RSE: datasets are taken that are tagged `arcBackup=<tapeRse>:need`.'),
    diskRse: diskRse.describe('The disk RSE, whose replicas are read.'),
    scopes: z.array(scope).min(1, 'names no scope').describe('The scopes that are polled.'),
    root: path.describe('The one shared file system. A replica whose path leads out of it is refused.'),
    paths: z
      .array(
        z.strictObject({
          pfn: text.describe('How PFNs begin, such as `root://host:1094//xrd/`.'),
          local: z
            .string()
            .refine(
              (given) => isPath(given.replace(/(?<=.)\/$/u, '')),
              'has to be an absolute path without "//", "." or ".."',
            )
            .meta({ title: 'path' })
            .describe(
              'What stands there instead on this machine. A "/" at the end belongs to it, as it does to `pfn`.',
            ),
        }),
      )
      .prefault([])
      .describe('How PFNs become paths, where Rucio gives no `file://` PFN. The longest beginning that fits counts.'),
  })
  .describe('What is asked for, and where its files are.')

const format = z
  .strictObject({
    kind: z.enum(['zip', 'tar', 'file']).prefault('zip').describe('How bundles are packed.'),
    layout: z
      .enum(['rucio', 'ossarc'])
      .prefault('rucio')
      .describe('How members are named. `rucio`: as the files are named in Rucio.'),
    targetSize: size.prefault('100GB').describe('Bytes of an object to aim at when a dataset is split.'),
    maxSize: size
      .prefault('500GB')
      .describe('Bytes that no object exceeds, but for one with a single file that is larger.'),
  })
  .prefault({})
  .describe('How files become objects.')

const command = z
  .tuple([text], text)
  .describe('Program and first arguments; absolute paths of objects follow, at most 64 a call.')

const residency = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none').describe('It cannot be known.') }),
    z.strictObject({
      kind: z.literal('xattr').describe('By an extended attribute; needs `getfattr`.'),
      attribute: text
        .prefault('system.hpss.level')
        .describe('Its name. It has the levels of the file: `0:disk:<bytes>:;1:tape:<bytes>:<volume>`.'),
    }),
    z.strictObject({
      kind: z
        .literal('command')
        .describe('By a command. It answers with a line for each path: `disk`, `tape`, `both` or `unknown`.'),
      command,
    }),
  ])
  .prefault({ kind: 'none' })
  .describe('How to find out whether the bytes of an object are on disk, on tape, or both.')

const recall = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('none').describe('The mount brings an object from tape when it is read: who reads waits.'),
    }),
    z.strictObject({
      kind: z.literal('command').describe('By a command that asks for objects, and does not wait for them.'),
      command,
      cancel: command.optional().describe('The same, to ask for them no longer.'),
    }),
  ])
  .prefault({ kind: 'none' })
  .describe('How to ask for objects that are on tape only, before they are read.')

const vault = z
  .strictObject({
    kind: z.enum(['hpssfs', 'volume', 'xrootd']).prefault('hpssfs').describe('Where objects are kept.'),
    root: path.describe('Objects go to `<root>/<scope>/<dataset name>/`. No two pipelines share a root.'),
    mustBeMount: z
      .boolean()
      .prefault(true)
      .describe('Refuse to write while nothing is mounted: the bytes would go to the local disk.'),
    mount: path.optional().describe('The mount point, where it is above the root. Default: `root`.'),
    publish: z
      .enum(['rename', 'direct'])
      .prefault('rename')
      .describe(
        '`rename`: an object gets its name when it is proven. `direct`: for mounts that cannot rename; it has its name from the start.',
      ),
    minFree: size.prefault(0).describe('Bytes that have to stay free.'),
    residency,
    recall,
  })
  .describe('Where objects go.')

const confirm = z
  .strictObject({
    readBack: z.boolean().prefault(true).describe('Read every byte of an object back before the object counts.'),
    onTape: z
      .enum(['required', 'when-known', 'ignore'])
      .prefault('when-known')
      .describe(
        'Whether objects have to be on tape before their dataset is done, by `vault.residency`. `required`: they have to; `when-known`: it is written down where they are; `ignore`: nobody asks.',
      ),
  })
  .prefault({})
  .describe('What proves an object.')

const pipeline = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/u, 'has to be made of letters, digits, "_", "-" and "."')
    .meta({ title: 'name' })
    .describe('Names it in the catalog and in the log: never rename it.'),
  source,
  format,
  vault,
  confirm,
  reopened: z
    .enum(['hold', 'addendum', 'replace'])
    .prefault('hold')
    .describe('What becomes of a dataset that changed after it was archived. `hold`: a person decides.'),
})

const deadline = duration.refine((ms) => ms >= 1000 && ms <= 20 * 86_400_000, 'has to be a time from 1s to 20d')

export const configSchema = z.strictObject({
  catalog: z
    .string()
    .refine((given) => given.startsWith('postgres://') || isPath(given), 'has to be the absolute path of a file')
    .meta({ title: 'path' })
    .describe('SQLite file with the agent’s memory. On a local disk, outside every vault and source.'),
  catalogOnNetworkFilesystem: z
    .boolean()
    .prefault(false)
    .describe('Allow the catalog on a network file system, where SQLite’s locks are seldom right.'),
  backup: z
    .strictObject({
      directory: path.describe(
        'Directory for the backups, on another disk than the catalog, outside every vault and source.',
      ),
      every: duration
        .refine((ms) => ms >= 60_000 && ms <= 20 * 86_400_000, 'has to be a time from 1m to 20d')
        .prefault('1d')
        .describe('Time from one backup to the next.'),
      keep: z
        .int('has to be a whole number')
        .min(1, 'has to be 1 or more')
        .max(10_000, 'has to be 10000 or less')
        .prefault(7)
        .describe('How many stay: the oldest goes when there is one more.'),
    })
    .optional()
    .describe('Backups of the catalog, made while the agent works. Without it none is made.'),
  rucio,
  movers: z
    .int('has to be a whole number')
    .min(1, 'has to be 1 or more')
    .max(64, 'has to be 64 or less')
    .prefault(2)
    .describe(
      'Objects that are written or read back at once, each by a process of its own. None is read back by the process that wrote it.',
    ),
  deadlines: z
    .strictObject({
      move: deadline
        .prefault('30m')
        .describe('While it writes or reads back: longer than HPSS takes to bring a file from tape to disk.'),
      look: deadline.prefault('2m').describe('While it only looks at names, or removes parts.'),
    })
    .prefault({})
    .describe('How long a mover may show no progress, in one call to a file system, until it is killed.'),
  schedule: z
    .union(
      [
        z.strictObject({
          every: duration
            .refine((ms) => ms >= 1000 && ms <= 20 * 86_400_000, aSchedule)
            .describe('Time from one poll to the next; up to a tenth is added by chance.'),
        }),
        z.strictObject({
          cron: text
            .refine(isCron, 'has to be a cron expression such as "*/15 * * * *"')
            .describe('When to poll, as cron writes it; up to 20 s are added by chance.'),
          timezone: text
            .refine(isTimeZone, 'has to be the IANA name of a time zone, such as America/Los_Angeles')
            .optional()
            .describe('IANA name of the time zone of `cron`. Default: that of the machine.'),
        }),
      ],
      'has to be { every: 15m } or { cron: "*/15 * * * *", timezone: America/Los_Angeles }',
    )
    .prefault({ every: '15m' })
    .describe(
      'When to poll, as a service. What is found is worked on at once; a poll that takes longer delays the next.',
    ),
  grace: duration
    .refine((ms) => ms <= 20 * 86_400_000, 'has to be 20d or less')
    .prefault('10m')
    .describe('How long a stop waits for what is in flight; it is interrupted then.'),
  log: z
    .strictObject({
      format: z
        .enum(['text', 'json'])
        .prefault('text')
        .describe('`text`: lines of Rucio’s daemons, with tabs. `json`: Rucio’s ECS form.'),
      level: z
        .enum(['error', 'warn', 'info', 'debug'])
        .prefault('info')
        .describe('The least that is logged. `$LOG_LEVEL` wins over it.'),
    })
    .prefault({})
    .describe('The log, on standard error.'),
  pipelines: z
    .array(pipeline)
    .min(1, 'names no pipeline')
    .describe('A pipeline takes datasets of one source to one vault.'),
  server: z
    .strictObject({ listen: text.describe('Address and port, such as `127.0.0.1:8080`.') })
    .optional()
    .describe('Status page and metrics.'),
})

export type ConfigFile = z.infer<typeof configSchema>
type RucioFile = ConfigFile['rucio']
type Whole<A> = A extends { type: 'userpass' } ? A & { username: string } : { [Key in keyof A]-?: NonNullable<A[Key]> }

/** A config that was checked, with what the site says elsewhere. Everything in it is built. Sizes are bytes, durations milliseconds. */
export type Config = Omit<ConfigFile, 'rucio'> & { readonly rucio: RucioConfig }
export type RucioConfig = Omit<RucioFile, 'host' | 'auth'> & { readonly host: string; readonly auth: AuthConfig }
/** userpass without `passwordFile`: the password is in the client file, or overlays it. */
export type AuthConfig = Whole<NonNullable<RucioFile['auth']>>
export type PipelineConfig = Config['pipelines'][number]
