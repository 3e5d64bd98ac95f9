import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { adler32, hex32 } from '../src/io/adler32.ts'
import type { ObjectPlan, VaultSettings } from '../src/model/order.ts'
import { execute, type MoverAdapters } from '../src/mover/execute.ts'
import { zipFormat } from '../src/pack/zip.ts'
import { inspectSources, openSource } from '../src/source/files.ts'
import { hpssfsVault } from '../src/vault/hpssfs.ts'
import { hpssfsReading, zipsAt } from '../src/vault/hpssfs-reading.ts'

export interface Made {
  /** Path of the zip. */
  readonly zip: string
  readonly plan: ObjectPlan
  readonly directory: string
  dispose(): void
}

const format = zipFormat()

/** Packs files as a mover does, and proves and publishes what it packed. `sources` may be given where content is too large to hold; `text`: a manifest. */
export function makeZip(
  files: ReadonlyMap<string, Buffer>,
  sources: readonly { name: string; path: string; bytes: number; adler32: string }[] = [],
  base = tmpdir(),
  text?: string,
): Made {
  const directory = mkdtempSync(join(base, 'zips-'))
  const root = join(directory, 'vault')
  const from = join(directory, 'source')
  mkdirSync(root)
  mkdirSync(from)
  const made = [...files].map(([name, content]) => {
    const path = join(from, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    return { name, path, bytes: content.length, adler32: hex32(adler32(content)) }
  })
  const members = [...made, ...sources].map((member) => ({ ...member, md5: null }))
  const manifest = text ?? `{"files":${members.length}}\n`
  const bytes =
    format.overhead(Buffer.byteLength(manifest), members) +
    Buffer.byteLength(manifest) +
    members.reduce((sum, member) => sum + member.bytes, 0)
  const object: ObjectPlan = { manifest, time: Date.UTC(2026, 0, 2, 3, 4, 6) / 1000, members, bytes }
  const vault: VaultSettings = { root, mount: null, publish: 'rename', minFree: 0, owner: 'test' }
  const store = hpssfsVault(vault)
  store.check(false)
  const adapters: MoverAdapters = {
    ...{ format, vault: () => store, readingVault: hpssfsReading, zipsAt, openSource, inspectSources },
  }
  const order = { vault, location: 'a/a.zip', attempt: 1, object }
  const packed = execute({ ...order, kind: 'pack', sourceRoot: '/' }, adapters, () => undefined) as { adler32: string }
  const proved = execute({ ...order, kind: 'prove', adler32: packed.adler32 }, adapters, () => undefined)
  if (!('outcome' in proved) || proved.outcome !== 'proven') throw new Error(`not proven: ${JSON.stringify(proved)}`)
  return {
    zip: join(root, order.location),
    plan: object,
    directory,
    dispose: () => rmSync(directory, { recursive: true }),
  }
}

/** Whether a command is there. */
export const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
