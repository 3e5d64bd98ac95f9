import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { stringify } from 'yaml'

/** What a test needs to know of the Rucio that its site uses. */
export interface SiteRucio {
  readonly url: string
  readonly agent: { readonly account: string; readonly username: string; readonly password: string }
  /** Where the files of DISK lie. */
  readonly disk: string
}

export interface Ran {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

/** A directory with config, catalog, vault and password, and the built command that uses them. */
export interface Site {
  readonly directory: string
  readonly vault: string
  readonly catalog: string
  readonly configFile: string
  readonly passwordFile: string
  /** Variables of the environment of what is started, beside those of the test. */
  readonly env: Record<string, string>
  /** Changes the config: `change` gets the parsed object. */
  configure(change: (config: SiteConfig) => void): void
  run(...args: string[]): Promise<Ran>
  /** The same, started by another program: `prlimit --nofile=16`. */
  runUnder(launcher: readonly [string, ...string[]], ...args: string[]): Promise<Ran>
  /** Starts the command without waiting, in a process group of its own. */
  start(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ran> }
  /** Every file in the vault but the marker; sorted. */
  objects(): readonly string[]
  dispose(): void
}

export interface SiteConfig {
  [key: string]: unknown
  rucio: Record<string, unknown>
  pipelines: {
    name: string
    source: Record<string, unknown>
    format?: Record<string, unknown>
    vault: Record<string, unknown>
  }[]
}

const command = join(import.meta.dirname, '..', 'bin', 'tape-rse')

export function makeSite(rucio: SiteRucio, scopes: readonly string[], vault?: string): Site {
  const directory = mkdtempSync(join(tmpdir(), 'site-'))
  const root = vault ?? join(directory, 'vault')
  if (vault === undefined) mkdirSync(root)
  const passwordFile = join(directory, 'password')
  writeFileSync(passwordFile, `${rucio.agent.password}\n`, { mode: 0o600 })
  const configFile = join(directory, 'tape-rse.yaml')
  const config: SiteConfig = {
    catalog: join(directory, 'catalog.db'),
    rucio: {
      host: rucio.url,
      account: rucio.agent.account,
      auth: { type: 'userpass', username: rucio.agent.username, passwordFile },
    },
    pipelines: [
      {
        name: 'main',
        source: { kind: 'rucio', tapeRse: 'TAPE', diskRse: 'DISK', scopes: [...scopes], root: rucio.disk },
        vault: { kind: 'hpssfs', root, mustBeMount: false },
      },
    ],
  }
  const save = () => writeFileSync(configFile, stringify(config))
  save()

  const env: Record<string, string> = {}
  const start = (...args: string[]) => startUnder([], args)
  const startUnder = (launcher: readonly string[], args: readonly string[]) => {
    const [program, ...rest] = [...launcher, command, '--config', configFile, ...args]
    return startProgram(program!, rest, env)
  }
  return {
    directory,
    vault: root,
    catalog: config['catalog'] as string,
    configFile,
    passwordFile,
    env,
    configure(change) {
      change(config)
      save()
    },
    start,
    run: (...args) => start(...args).ended,
    runUnder: (launcher, ...args) => startUnder(launcher, args).ended,
    objects: () =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory() && entry.name !== '.tape-rse.json')
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
        .sort(),
    // Movers of an agent that was killed write for a moment more.
    dispose: () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }),
  }
}

/** Runs the built command without a site. */
export const runCommand = (args: readonly string[]): Promise<Ran> => startProgram(command, args, {}).ended

function startProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { readonly child: ChildProcess; readonly ended: Promise<Ran> } {
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, out, err }))
  })
  return { child, ended }
}
