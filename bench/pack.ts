import { randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { adler32, hex32 } from '../src/io/adler32.ts'
import { anyMover, type ObjectPlan, type OrderMember, type VaultSettings } from '../src/model/order.ts'
import { startMovers } from '../src/testing/movers.ts'
import { zipFormat } from '../src/pack/zip.ts'
import { peakMiB } from '../test/processes.ts'
import { command, median, timed, type Result } from './measure.ts'

interface Workload {
  readonly name: string
  readonly files: number
  readonly bytes: number
  /** At most so many times the time of `cp -r`, of `zip -0 -r`. */
  readonly aims: { readonly cp: number; readonly zip: number }
}

const workloads: readonly Workload[] = [
  { name: '8 x 256 MiB', files: 8, bytes: 256 * 2 ** 20, aims: { cp: 1.6, zip: 0.25 } },
  { name: '500 x 4 MiB', files: 500, bytes: 4 * 2 ** 20, aims: { cp: 1.8, zip: 0.28 } },
  { name: '20000 x 16 KiB', files: 20_000, bytes: 16 * 2 ** 10, aims: { cp: 1.3, zip: 0.55 } },
]

/** Packing and confirming on tmpfs by a warm mover, as ratios to `cp -r`, `zip -0 -r` and a bare read in the same rounds. */
export async function benchPack(rounds: number): Promise<readonly Result[]> {
  const results: Result[] = []
  for (const workload of workloads) results.push(...(await benchWorkload(workload, rounds)))
  return results
}

async function benchWorkload({ name, files, bytes, aims }: Workload, rounds: number): Promise<readonly Result[]> {
  const base = mkdtempSync('/dev/shm/tape-rse-bench-')
  const source = join(base, 'source')
  const vault: VaultSettings = { root: join(base, 'vault'), mount: null, publish: 'rename', minFree: 0, owner: 'bench' }
  mkdirSync(source)
  mkdirSync(vault.root)
  const script = join(import.meta.dirname, '..', 'dist', 'mover', 'worker.cjs')
  const movers = startMovers({
    ...{ script, deadlines: { move: 600_000, look: 600_000 } },
    whereabouts: join(base, 'movers'),
  })
  const signal = new AbortController().signal
  try {
    const object = makeSources(source, files, bytes)
    await movers.run<'check'>({ kind: 'check', vault, known: false }, anyMover, signal)
    const times: Record<'cp' | 'zip' | 'pack' | 'prove' | 'read', number[]> = {
      cp: [],
      zip: [],
      pack: [],
      prove: [],
      read: [],
    }
    let memory = 0
    for (let round = 0; round <= rounds; round++) {
      const location = `bench/${round}/${round}.zip`
      const measured: Partial<Record<keyof typeof times, number>> = {}
      measured.cp = await timed(() => command('cp', ['-r', source, join(base, 'copy')]))
      rmSync(join(base, 'copy'), { recursive: true })
      const order = { vault, location, attempt: 1, object }
      const began = performance.now()
      const packed = await movers.run<'pack'>({ ...order, kind: 'pack', sourceRoot: source }, anyMover, signal)
      measured.pack = (performance.now() - began) / 1000
      const part = join(vault.root, `bench/${round}/.${round}.zip.1.part`)
      measured.read = await timed(() => bareRead(part))
      measured.prove = await timed(() =>
        movers.run<'prove'>({ ...order, kind: 'prove', adler32: packed.answer.adler32 }, anyMover, signal),
      )
      memory = Math.max(memory, peakMiB(packed.mover))
      rmSync(join(vault.root, 'bench'), { recursive: true })
      measured.zip = await timed(() => command('zip', ['-0', '-r', '-q', join(base, 'peer.zip'), '.'], source))
      rmSync(join(base, 'peer.zip'))
      if (round === 0) continue // everything is warm from here on
      for (const key of Object.keys(times) as (keyof typeof times)[]) times[key].push(measured[key]!)
    }
    const ratio = (a: keyof typeof times, b: keyof typeof times) =>
      median(times[a].map((time, round) => time / times[b][round]!))
    return [
      {
        what: `pack ${name} / cp -r (${median(times.cp).toFixed(2)} s)`,
        value: ratio('pack', 'cp'),
        unit: 'x',
        aim: aims.cp,
      },
      {
        what: `pack ${name} / zip -0 -r (${median(times.zip).toFixed(2)} s)`,
        value: ratio('pack', 'zip'),
        unit: 'x',
        aim: aims.zip,
      },
      {
        what: `confirm ${name} / bare read (${median(times.read).toFixed(2)} s)`,
        value: ratio('prove', 'read'),
        unit: 'x',
        aim: 3,
      },
      {
        what: `memory of the mover, ${name}`,
        value: memory,
        unit: 'MiB',
        aim: Math.round(100 + (files * 500) / 2 ** 20),
      },
    ]
  } finally {
    await movers.close()
    rmSync(base, { recursive: true, force: true })
  }
}

function makeSources(source: string, files: number, bytes: number): ObjectPlan {
  const content = Buffer.alloc(Math.min(bytes, 2 ** 20))
  const members: OrderMember[] = []
  for (let index = 0; index < files; index++) {
    const name = `d${Math.floor(index / 1000)}/f${String(index).padStart(6, '0')}`
    const path = join(source, name)
    if (index % 1000 === 0) mkdirSync(join(source, `d${index / 1000}`))
    if (bytes <= content.length) {
      writeFileSync(path, randomFillSync(content.subarray(0, bytes)))
    } else {
      const fd = openSync(path, 'w')
      for (let written = 0; written < bytes; written += content.length) writeSync(fd, randomFillSync(content))
      closeSync(fd)
    }
    members.push({ name, path, bytes, adler32: hex32(adlerOf(path)), md5: null })
  }
  const manifest = '{"files":[]}\n'
  return {
    manifest,
    time: 1_700_000_000,
    members,
    bytes: zipFormat().overhead(manifest.length, members) + manifest.length + files * bytes,
  }
}

function adlerOf(path: string): number {
  const block = Buffer.alloc(2 ** 20)
  const fd = openSync(path, 'r')
  let sum = 1
  for (let got = readSync(fd, block); got > 0; got = readSync(fd, block)) sum = adler32(block.subarray(0, got), sum)
  closeSync(fd)
  return sum
}

function bareRead(path: string): void {
  const block = Buffer.alloc(2 ** 20)
  const fd = openSync(path, 'r')
  while (readSync(fd, block) > 0);
  closeSync(fd)
}
