import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { adler32, hex32 } from '../src/io/adler32.ts'
import { manifestText } from '../src/model/manifest.ts'
import { anyMover, type ObjectPlan } from '../src/model/order.ts'
import { zipFormat } from '../src/pack/zip.ts'
import { startMovers } from '../src/testing/movers.ts'
import { makeSite, type Site } from '../test/site.ts'
import { has } from '../test/zips.ts'
import { command, median, timed, type Result } from './measure.ts'

const format = zipFormat()
const block = randomFillSync(Buffer.alloc(2 ** 20))
const cli = join(import.meta.dirname, '..', 'bin', 'tape-rse')

/** Getting files back, verifying and rebuilding, by the built command on tmpfs, from a catalog that `rebuild` has made. */
export async function benchRetrieve(rounds: number): Promise<readonly Result[]> {
  const vault = mkdtempSync('/dev/shm/tape-rse-bench-')
  const nobody = { account: 'nobody', username: 'nobody', password: 'secret' }
  const site = makeSite({ url: 'http://127.0.0.1:9', agent: nobody, disk: '/nonexistent' }, ['bench'], vault)
  const run = (...args: string[]) => command(cli, ['--config', site.configFile, ...args])
  writeFileSync(join(vault, '.tape-rse.json'), '{"format":"tape-rse vault","version":1,"catalog":"bench-catalog"}\n')
  try {
    for (let index = 0; index < 1000; index++) makeObject(vault, `night${index}`, 100, 1024)
    const rebuild: number[] = []
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      for (const file of readdirSync(dirname(site.catalog)).filter((name) => name.startsWith('catalog')))
        rmSync(join(dirname(site.catalog), file))
      rebuild.push(await timed(() => run('rebuild')))
    }
    const results: Result[] = [
      { what: 'rebuild of 1,000 objects of 100 files', value: median(rebuild), unit: 's', aim: 5 },
    ]
    rmSync(join(vault, 'bench'), { recursive: true })
    rmSync(site.catalog)
    makeObject(vault, 'many', 100_000, 1024)
    makeObject(vault, 'small', 20_000, 16 * 1024)
    makeObject(vault, 'medium', 500, 4 * 2 ** 20)
    const large = makeObject(vault, 'large', 4, 256 * 2 ** 20)
    run('rebuild')
    return [
      ...results,
      await benchMember(site, run, rounds),
      await benchWhole('small', '20,000 x 16 KiB', site, run, rounds),
      await benchWhole('medium', '500 x 4 MiB', site, run, rounds),
      await benchWhole('large', '4 x 256 MiB', site, run, rounds),
      await benchVerify(vault, large, rounds),
    ]
  } finally {
    site.dispose()
    rmSync(vault, { recursive: true, force: true })
  }
}

type RunCommand = (...args: string[]) => void

/** One member of 100,000, over what it takes to start Node and do nothing. */
async function benchMember(site: Site, run: RunCommand, rounds: number): Promise<Result> {
  const over: number[] = []
  for (let round = 0; round <= 3 * rounds; round++) {
    const bare = await timed(() => command(process.execPath, ['-e', '0']))
    const dest = join(site.directory, `member${round}`)
    const got = await timed(() => run('get', `bench:many/d0/f${String(500 + round).padStart(6, '0')}`, dest))
    if (round > 0) over.push(1000 * (got - bare))
  }
  return { what: 'get one member of 100,000, beyond the start of Node', value: median(over), unit: 'ms', aim: 60 }
}

async function benchWhole(name: string, what: string, site: Site, run: RunCommand, rounds: number): Promise<Result> {
  const zip = join(
    site.vault,
    site.objects().find((object) => object.startsWith(`bench/${name}/`))!,
  )
  const base = mkdtempSync('/dev/shm/tape-rse-bench-')
  const peers: Readonly<Record<string, (to: string) => void>> = {
    unzip: (to) => command('unzip', ['-q', zip, '-d', to]),
    ...(has('7z') && { '7z x': (to: string) => command('7z', ['x', '-bd', `-o${to}`, zip]) }),
    python: (to) =>
      command('python3', ['-c', 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])', zip, to]),
  }
  const ratios: number[] = []
  const times: number[] = []
  let fastest = ''
  try {
    for (let round = 0; round <= rounds; round++) {
      const measured: [string, number][] = []
      for (const [peer, unpack] of Object.entries(peers)) {
        const to = join(base, 'peer')
        measured.push([peer, await timed(() => unpack(to))])
        rmSync(to, { recursive: true })
      }
      const own = await timed(() => run('get', `bench:${name}`, join(base, 'own')))
      rmSync(join(base, 'own'), { recursive: true })
      if (round === 0) continue
      const [peer, best] = measured.sort((a, b) => a[1] - b[1])[0]!
      fastest = peer
      times.push(best)
      ratios.push(own / best)
    }
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
  return {
    what: `get ${what} / ${fastest} (${median(times).toFixed(2)} s)`,
    value: median(ratios),
    unit: 'x',
    aim: 1.3,
  }
}

/** Reading an object back by a warm mover, as `verify` does. */
async function benchVerify(vault: string, object: Made, rounds: number): Promise<Result> {
  const script = join(import.meta.dirname, '..', 'dist', 'mover', 'worker.cjs')
  const whereabouts = mkdtempSync('/dev/shm/tape-rse-bench-')
  const movers = startMovers({ script, deadlines: { move: 600_000, look: 600_000 }, whereabouts })
  const order = { vault: { root: vault, mount: null }, location: object.location, object: object.plan, rate: null }
  const ratios: number[] = []
  const bares: number[] = []
  try {
    for (let round = 0; round <= rounds; round++) {
      const bare = await timed(() => bareRead(join(vault, object.location)))
      const own = await timed(async () => {
        const { answer } = await movers.run<'verify'>(
          { kind: 'verify', ...order, adler32: object.adler32 },
          anyMover,
          new AbortController().signal,
        )
        if (answer.outcome !== 'good') throw new Error(`It is ${answer.outcome}`)
      })
      if (round === 0) continue
      bares.push(bare)
      ratios.push(own / bare)
    }
  } finally {
    await movers.close()
    rmSync(whereabouts, { recursive: true, force: true })
  }
  return { what: `verify / bare read (${median(bares).toFixed(2)} s)`, value: median(ratios), unit: 'x', aim: 3 }
}

function bareRead(path: string): void {
  const fd = openSync(path, 'r')
  while (readSync(fd, block) > 0);
  closeSync(fd)
}

interface Made {
  readonly location: string
  readonly plan: ObjectPlan
  readonly adler32: string
}

/** Packs an object as an agent does, under the name that an agent gives it. */
function makeObject(vault: string, name: string, files: number, bytes: number): Made {
  const member = block.subarray(0, Math.min(bytes, block.length))
  let sum = 1
  for (let done = 0; done < bytes; done += member.length) sum = adler32(member, sum)
  const entries = Array.from({ length: files }, (_, index) => {
    const file = `${name}/d${Math.floor(index / 1000)}/f${String(index).padStart(6, '0')}`
    return {
      ...{ did: { scope: 'bench', name: file }, bytes, adler32: hex32(sum), md5: null },
      ...{ pfn: `file://${vault}/${file}`, path: '' },
    }
  })
  const manifest = manifestText({
    ...{ catalog: 'bench-catalog', did: { scope: 'bench', name }, generation: 1, part: 1, parts: 1, entries },
    ...{ closedAt: new Date(1_700_000_000_000), source: 'DISK', metadata: {} },
  })
  const members = entries.map(({ did, ...entry }) => ({ ...entry, name: did.name, path: did.name }))
  const location = `bench/${name}/${name}.g1.1-1.zip`
  mkdirSync(dirname(join(vault, location)), { recursive: true })
  const fd = openSync(join(vault, location), 'w')
  const size = format.overhead(Buffer.byteLength(manifest), members) + Buffer.byteLength(manifest) + files * bytes
  const plan = { manifest, time: 1_700_000_000, members, bytes: size }
  const { adler32: whole } = format.pack(
    plan,
    () => {
      let at = 0
      return {
        bytes,
        read(buffer) {
          const from = at % member.length
          const got = member.copy(buffer, 0, from, from + Math.min(bytes - at, buffer.length))
          at += got
          return got
        },
        close: () => undefined,
      }
    },
    { write: (part) => void writeSync(fd, part) },
    () => undefined,
  )
  closeSync(fd)
  return { location, plan, adler32: whole }
}
