import { resolve } from 'node:path'
import type { Finding } from './finding.ts'
import { readIniSection, type IniFault, type IniValue } from './ini.ts'
import type { Origin } from './origin.ts'
import { expandPath, type PathWorld } from './python-path.ts'

/** The site's own `rucio.cfg`: what it says to Rucio's clients. */
export interface ClientFile {
  readonly file: string
  /** Of its section `[client]`. */
  readonly options: ReadonlyMap<string, IniValue | IniFault>
}

/** What finding and reading it needs of the world. */
export interface ClientFileWorld extends PathWorld {
  /** @throws {Error} whose message is a clause: "/etc/rucio.cfg does not exist" */
  readonly readText: (file: string) => Promise<string>
  readonly exists: (file: string) => Promise<boolean>
}

const section = 'client'

/** Rucio's containers write an option of the client file from a variable of this name, and so it overlays it. */
export const overlayOf = (option: string): string => `RUCIO_CFG_CLIENT_${option.toUpperCase()}`

/** What is empty says nothing. */
export const saying = (value: string | undefined): string | null =>
  value === undefined || value.trim() === '' ? null : value.trim()

/**
 * Which client file is named, and by what (null: by the config). None is looked for where nothing names it, so that a config says all
 * that it depends on.
 * @param given `rucio.config`
 */
export async function nameOfClientFile(
  given: unknown,
  world: ClientFileWorld,
): Promise<{ readonly file: string; readonly origin: Origin | null } | null> {
  if (given !== undefined) return typeof given === 'string' ? { file: given, origin: null } : null
  const named = saying(world.env['RUCIO_CONFIG'])
  if (named !== null) return { file: expandPath(named, world), origin: { kind: 'variable', name: 'RUCIO_CONFIG' } }
  const home = saying(world.env['RUCIO_HOME'])
  const file = home === null ? null : resolve(world.cwd, home, 'etc/rucio.cfg')
  if (file === null || !(await world.exists(file))) return null
  return { file, origin: { kind: 'variable', name: 'RUCIO_HOME' } }
}

/** Reads it, or says what is wrong with it. */
export async function readClientFile(
  file: string,
  { readText }: ClientFileWorld,
): Promise<{ readonly client: ClientFile } | { readonly findings: readonly Finding[] }> {
  const path = ['rucio', 'config']
  try {
    const read = readIniSection(await readText(file), section)
    if ('options' in read) return { client: { file, options: read.options } }
    const hint = 'Correct the line.'
    return { findings: read.faults.map(({ line, what }) => ({ path, what: `${file}:${line}: ${what}`, hint })) }
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    return { findings: [{ path, what, hint: 'Correct rucio.config, or remove it.' }] }
  }
}

/** Where the password is that a client file has, or what overlays it, and why it cannot be read. null: there is none. */
export function findPassword(
  client: ClientFile | null,
  env: ClientFileWorld['env'],
): { readonly origin: Origin; readonly fault: string | null } | null {
  if (passwordInEnvironment(env) !== null)
    return { origin: { kind: 'variable', name: overlayOf('password') }, fault: null }
  const found = client?.options.get('password')
  if (client === null || found === undefined || ('value' in found && found.value === '')) return null
  const origin: Origin = { kind: 'option', file: client.file, line: found.line, option: 'password' }
  return { origin, fault: 'what' in found ? found.what : null }
}

/** The password that overlays the client file. null: there is none. */
export const passwordInEnvironment = (env: ClientFileWorld['env']): string | null => saying(env[overlayOf('password')])

/** The password in the text of a client file. null: there is none. */
export function passwordIn(text: string): string | null {
  const read = readIniSection(text, section)
  const found = 'options' in read ? read.options.get('password') : undefined
  return found !== undefined && 'value' in found && found.value !== '' ? found.value : null
}
