import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Login } from '../../src/testing/rucio-rest.ts'

/** What audit.py compares: it says itself what each is. */
export interface AuditedWorld extends Login {
  readonly url: string
  readonly root: string
  readonly disk: string
  readonly scopes: readonly string[]
  readonly done: string
  readonly kept: Readonly<Record<string, string>>
}

/** Size and adler32. */
export type Sum = readonly [bytes: number, adler32: string]
export type Members = Readonly<Record<string, Sum>>

const program = join(import.meta.dirname, 'audit.py')

/** Every deviation of a vault from what Rucio says, in a line. */
export async function audit(world: AuditedWorld): Promise<readonly string[]> {
  const { code, out, err } = await python([], JSON.stringify(world))
  const lines = out.split('\n').filter((line) => line !== '')
  if (code !== (lines.length === 0 ? 0 : 1)) throw new Error(`Cannot audit: audit.py ended with ${code}\n${out}${err}`)
  return lines
}

/** What is in objects, as Python's zipfile reads them; a text says why one cannot be read. */
export async function membersOf(paths: readonly string[]): Promise<ReadonlyMap<string, Members | string>> {
  if (paths.length === 0) return new Map()
  const { code, out, err } = await python(['--members', ...paths], '')
  if (code !== 0) throw new Error(`Cannot read objects: audit.py ended with ${code}\n${err}`)
  return new Map(Object.entries(JSON.parse(out) as Record<string, Members | string>))
}

async function python(args: readonly string[], input: string) {
  const child = spawn('python3', [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number]
  return { code, out, err }
}
