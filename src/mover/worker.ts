import { failure, problemsOf, type Problem } from '../model/errors.ts'
import { readMounts, type Mount } from '../io/mounts.ts'
import { zipFormat } from '../pack/zip.ts'
import { inspectSources, openSource } from '../source/files.ts'
import { hpssfsVault } from '../vault/hpssfs.ts'
import { hpssfsReading, zipsAt } from '../vault/hpssfs-reading.ts'
import type { VaultSettings } from '../model/order.ts'
import type { Vault } from '../vault/vault.ts'
import { execute, type MoverAdapters } from './execute.ts'
import type { Reply, Request } from './protocol.ts'
import { watched } from './watched.ts'
import { noteIn, type Note } from './whereabouts.ts'

/**
 * A mover's process, started by the process whose id is its first argument; the second is the directory for its whereabouts. It reads one
 * order at a time from its channel and carries it out with synchronous calls. It installs no signal handler, and ends by itself when its
 * parent is gone: at the next block, because a synchronous loop never sees the channel close, or at once when it is idle.
 */
const [parent, directory] = [Number(process.argv[2]), process.argv[3]]
if (process.ppid !== parent) process.exit() // it died while this process began: whoever looks later finds another parent
const progressMs = 500

/** As they are when an order begins: one that is made anew meanwhile is another. */
let mounts: readonly Mount[] = []
const note: Note = directory === undefined ? () => undefined : noteIn(directory, () => mounts)

const vaults = new Map<string, Vault>()
const plain: MoverAdapters = {
  format: zipFormat(),
  vault: (settings: VaultSettings) => {
    const key = JSON.stringify(settings)
    const vault = vaults.get(key) ?? hpssfsVault(settings)
    vaults.set(key, vault)
    return vault
  },
  readingVault: hpssfsReading,
  zipsAt,
  openSource,
  inspectSources,
}
const adapters = watched(plain, note)

const reply = (message: Reply): void => void process.send?.(message)

function beatFor(id: number): (bytes: number) => void {
  let moved = 0
  let told = performance.now()
  return (bytes) => {
    moved += bytes
    if (process.ppid !== parent)
      throw failure('INTERRUPTED', 'Cannot go on: the agent that gave the order is gone', 'Nothing to do.')
    const now = performance.now()
    if (now - told < progressMs) return
    told = now
    reply({ id, moved })
  }
}

process.on('message', (request) => void answer(request as Request))

async function answer({ id, order }: Request): Promise<void> {
  try {
    mounts = readMounts()
    reply({ id, answer: await execute(order, adapters, beatFor(id)) })
  } catch (error) {
    reply({ id, problems: problemsOf(error) as [Problem, ...Problem[]] })
  }
}
