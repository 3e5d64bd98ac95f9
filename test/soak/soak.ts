import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatDid } from '../../src/model/did.ts'
import { badLine, type BadLine } from '../../src/testing/bad-line.ts'
import { numbers } from '../../src/testing/numbers.ts'
import { signIn } from '../../src/testing/rucio-rest.ts'
import { mountHpssfs, type Fault, type Hpssfs } from '../hpssfs/mount.ts'
import { childrenOf } from '../processes.ts'
import type { RucioBed } from '../rucio/testbed.ts'
import { makeSite, type Ran, type Site } from '../site.ts'
import { audit } from './audit.ts'
import { people, type Dataset, type People } from './people.ts'
import { planner, type Act, type Day } from './plan.ts'
import { newestObjects, watcher, type Watcher } from './watcher.ts'

/** Acts of a day: with the pauses between them, about ten seconds. */
const actsOfADay = 40
/** Runs after a day, on a site that is well, until nothing is left to do. */
const eveningRuns = 8
/** A run takes a few seconds. One that takes so long is never going to end. */
const patienceMs = 120_000
/** What `run` may end with when its world fails: in part, for now, not let in (by a line that answers for Rucio). */
const allowed: readonly (number | null)[] = [0, 3, 5, 6]

export interface SoakOptions {
  readonly bed: RucioBed
  readonly seed: number
  /** Whether another day may begin. */
  readonly another: (daysSoFar: number) => boolean
  /** Whether the vault is a FUSE mount that fails; else it is a directory, and nothing ails it. */
  readonly fuse: boolean
  readonly say: (line: string) => void
}

export interface Soaked {
  /** Whatever was not as it has to be, in a line each. It ends at the end of the first day that has any. */
  readonly failures: readonly string[]
  readonly days: number
  /** How often what happened. */
  readonly happened: ReadonlyMap<string, number>
  /** How often a dataset was seen done, and looked at. */
  readonly looks: number
}

/** Where one soak takes place. */
interface Place {
  readonly site: Site
  readonly scopes: readonly string[]
  readonly world: People
  readonly line: BadLine
  readonly mount: Hpssfs | null
  readonly watch: Watcher
  /** Where the files of the vault lie, whatever ails the mount. */
  readonly store: string
  readonly held: Set<string>
  /** Those of the day so far, in the order in which the mount has them. */
  readonly faults: Fault[]
  readonly failures: string[]
  readonly happened: Map<string, number>
}

/** Lives through days of a site at which everything fails now and then, and looks after each whether all is as it has to be. */
export async function soak({ bed, seed, another, fuse, say }: SoakOptions): Promise<Soaked> {
  const random = numbers(seed)
  const plan = planner(random)
  const root = await signIn(bed.url, bed.root)
  const scopes = [1, 2].map(() => `k${randomBytes(5).toString('hex')}`)
  for (const scope of scopes) await root.ok('POST', `/accounts/root/scopes/${scope}`)
  const mount = fuse ? await mountHpssfs({ names: 'fsyncdir' }) : null
  const line = await badLine(bed.url, seed, 0)
  const site = makeSite({ url: line.url, agent: bed.agent, disk: bed.disk }, scopes, mount?.root)
  site.configure((config) => {
    config['schedule'] = { every: '1s' }
    config['grace'] = '5s'
    config.pipelines[0]!.vault['mustBeMount'] = mount !== null
    config.pipelines[0]!.format = { targetSize: '60kB', maxSize: '90kB' }
  })
  const world = people(bed, root)
  const store = mount?.tree ?? site.vault
  const watch = watcher(store, scopes, world, root)
  const place: Place = {
    ...{ site, scopes, world, line, mount, watch, store },
    ...{ held: new Set(), faults: [], failures: [], happened: new Map() },
  }
  let days = 0
  const watching = watch.watch()
  try {
    while (place.failures.length === 0 && another(days)) {
      const day = plan.day(actsOfADay)
      const before = watch.looks
      await live(place, day, say)
      await settle(place)
      place.failures.push(...watch.lies)
      const deviations = await audit({
        ...bed.root,
        url: bed.url,
        root: site.vault,
        disk: bed.disk,
        scopes,
        done: 'TAPE:done',
        kept: Object.fromEntries(watch.kept),
      })
      place.failures.push(...deviations.map((deviation) => `audit: ${deviation}`))
      days++
      say(
        `day ${days} (${day.agent}): ${world.datasets.length} datasets, ${watch.kept.size} objects, ${watch.looks - before} looks, ${place.failures.length} failures`,
      )
    }
  } finally {
    await watching.stop()
    await line.close()
    await mount?.clearFaults()
    await mount?.unmount()
    site.dispose()
    for (const scope of scopes) rmSync(join(bed.disk, scope), { recursive: true, force: true })
  }
  for (const [what, count] of Object.entries(line.counts)) happen(place, `line: ${what}`, count)
  happen(place, 'done came too late, and was taken back', watch.tooLate.size)
  return { failures: place.failures, days, happened: place.happened, looks: watch.looks }
}

function happen({ happened }: Place, what: string, count = 1): void {
  if (count > 0) happened.set(what, (happened.get(what) ?? 0) + count)
}

/** An agent that is started again whenever it has ended. */
interface Kept {
  kill(who: 'agent' | 'movers' | 'both'): void
  /** Ends the one that runs; another begins. */
  stop(): void
  /** Ends it for good. */
  end(): Promise<void>
}

function keepAgent(place: Place, { agent }: Day): Kept {
  const { site, failures } = place
  const over = new AbortController()
  /** The one that runs now, and the signals that it got from us. */
  let now: { readonly started: ReturnType<Site['start']>; readonly sent: Set<NodeJS.Signals> } | null = null
  const send = (signal: NodeJS.Signals) => {
    if (now?.sent.has(signal) === true) return // a second SIGTERM means: at once
    now?.sent.add(signal)
    now?.started.child.kill(signal)
  }
  const ended = (async () => {
    while (!over.signal.aborted) {
      const started = agent === 'service' ? site.start('run') : site.start('run', '--once')
      const sent = new Set<NodeJS.Signals>()
      now = { started, sent }
      const ran = await withPatience(place, started)
      // One that is stopped as soon as it is started does not know yet how to stop. Who loses a mover while it looks at the vault, fails.
      const ours = ran.signal === null ? ran.code === 1 && ran.err.endsWith('code=MOVER_DIED\n') : sent.has(ran.signal)
      if (!ours) failures.push(...wrongWith(ran, 'run'))
      await sleep(100)
    }
  })()
  return {
    kill(who) {
      const pid = now?.started.child.pid
      const movers = pid === undefined ? [] : childrenOf(pid)
      if (who !== 'agent') movers.forEach(kill)
      if (who !== 'movers') send('SIGKILL')
    },
    stop: () => send('SIGTERM'),
    async end() {
      over.abort()
      send('SIGTERM')
      await ended
    },
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It had ended by itself.
  }
}

/** A service has no end; whoever was told to stop has one, and so has `run --once`. */
async function withPatience({ failures }: Place, { child, ended }: ReturnType<Site['start']>): Promise<Ran> {
  const over = new AbortController()
  const late = sleep(patienceMs, undefined, { signal: over.signal }).then(
    () => {
      failures.push(`an agent has not ended after ${patienceMs / 1000} s`)
      for (const pid of [...childrenOf(child.pid!), child.pid!]) kill(pid)
    },
    () => undefined,
  )
  const ran = await ended
  over.abort()
  await late
  return ran
}

function wrongWith({ code, signal, err }: Ran, what: string): readonly string[] {
  const last = err.trimEnd().split('\n').slice(-5).join(' | ')
  if (!allowed.includes(code)) return [`${what} ended with ${code ?? signal}: ${last}`]
  return /^\s+at .*:\d+:\d+\)?$/mu.test(err) ? [`${what} shows a stack: ${last}`] : []
}

const kindOf = ({ error, defer, hang, flip }: Fault): string =>
  error !== undefined
    ? `${error}${defer === true ? ', late' : ''}`
    : hang !== undefined
      ? 'hang'
      : flip
        ? 'flip'
        : 'short'

/** One day: what the plan says, one act after the other, while the agent runs. */
async function live(place: Place, day: Day, say: (line: string) => void): Promise<void> {
  const agent = keepAgent(place, day)
  try {
    for (const { afterMs, act } of day.acts) {
      await sleep(afterMs)
      say(`  ${JSON.stringify(act)}`)
      if (await perform(place, act, agent)) happen(place, act.kind)
    }
  } finally {
    await agent.end()
  }
}

/** false: there was nothing to do it to. */
async function perform(place: Place, act: Act, agent: Kept): Promise<boolean> {
  const { world, line, mount, scopes, held, faults } = place
  const dataset = 'whom' in act ? world.datasets.at(-1 - (act.whom % world.datasets.length))! : null
  switch (act.kind) {
    case 'make':
      await world.make(scopes[act.scope]!, act.making)
      return true
    case 'change':
    case 'leave open':
      await world.change(dataset!, act.sizes, act.kind === 'leave open')
      return true
    case 'reopen at the last moment':
      return reopenAtTheLastMoment(place, act.sizes)
    case 'finish':
    case 'ask again':
      await world.finish(dataset!)
      return true
    case 'detach':
      await world.detach(dataset!, act.which)
      return true
    case 'untag':
      await world.untag(dataset!)
      return true
    case 'delete objects':
      return deleteObjects(place, dataset!, act.which)
    case 'hold': {
      const did = formatDid(dataset!.did)
      held.add(did)
      await command(place, 'hold', did, '--why', 'soaking')
      return true
    }
    case 'release': {
      const [did] = held
      if (did === undefined) return false
      await command(place, 'release', did)
      held.delete(did)
      return true
    }
    case 'retry':
      await command(place, 'retry', `${scopes[0]!}:*`)
      return true
    case 'remove':
      await removeObjects(place, dataset!)
      return true
    case 'kill agent':
      agent.kill('agent')
      return true
    case 'kill movers':
      agent.kill('movers')
      return true
    case 'kill both':
      agent.kill('both')
      return true
    case 'stop agent':
      agent.stop()
      return true
    case 'line':
      line.bad(act.bad)
      return true
    case 'fault':
      if (mount === null) return false
      await mount.ctl('faults.add', { faults: [act.fault] })
      faults.push(act.fault)
      return true
    case 'crash':
      if (mount === null) return false
      await mount.ctl('crash', { mount: 'kept', tail: 'drop' })
      return true
    case 'remount':
      if (mount === null) return false
      await mount.ctl('unmount', { leave: 'gone' })
      await sleep(500)
      await mount.ctl('mount')
      return true
  }
}

/** Somebody reopens a dataset whose objects have just got their names, before it is done: the agent gathers for a second, or three. */
async function reopenAtTheLastMoment({ world, store, watch }: Place, sizes: readonly number[]): Promise<boolean> {
  for (let tries = 0; tries < 60; tries++) {
    for (const dataset of world.datasets) {
      if (dataset.open || !dataset.asked || dataset.busy) continue
      const objects = newestObjects(store, dataset)
      if (objects === null || objects.some((path) => watch.kept.has(path))) continue
      if ((await world.tagOf(dataset)) !== 'TAPE:need') continue
      await world.change(dataset, sizes, true)
      return true
    }
    await sleep(50)
  }
  return false
}

const objectsOf = (store: string, { did }: Dataset): readonly string[] => {
  const directory = `${did.scope}/${did.name}`
  if (!existsSync(join(store, directory))) return []
  return readdirSync(join(store, directory))
    .filter((name) => /^[^.].*\.zip$/u.test(name))
    .map((name) => `${directory}/${name}`)
}

/** A person deletes objects of what is done, some or all, and asks for it anew. */
async function deleteObjects({ site, store, watch, world }: Place, dataset: Dataset, which: number): Promise<boolean> {
  let deleted = false
  await world.forgetObjects(dataset, () => {
    const objects = objectsOf(store, dataset)
    const doomed = which % 2 === 0 ? objects : objects.slice(which % Math.max(1, objects.length))
    watch.forget(doomed)
    for (const path of doomed) {
      try {
        rmSync(join(site.vault, path))
        deleted = true
      } catch {
        // A fault of the mount. Whoever deletes only some of it has it archived anew as well.
      }
    }
  })
  return deleted
}

/** An operator has the objects of a dataset removed, which the agent refuses while it is done. */
async function removeObjects(place: Place, dataset: Dataset): Promise<void> {
  place.watch.forget(objectsOf(place.store, dataset))
  await command(place, 'remove', formatDid(dataset.did), '--yes')
}

/** A command may fail of what fails around it. What it must not do is break down. */
async function command(place: Place, ...args: readonly string[]): Promise<Ran> {
  const ran = await withPatience(place, place.site.start(...args))
  if (ran.code === null || /^\s+at .*:\d+:\d+\)?$/mu.test(ran.err)) place.failures.push(`${args.join(' ')}: ${ran.err}`)
  return ran
}

interface Row {
  readonly did: string
  readonly problems: readonly { readonly code: string; readonly message: string }[]
}

/** The evening of a day: everything is well again. First the agent comes to rest, then people finish what they began. */
async function settle(place: Place): Promise<void> {
  const { world, line, mount, held, faults, failures } = place
  line.bad(0)
  if (mount !== null) {
    const hits = await mount.hits()
    for (const [index, fault] of faults.splice(0).entries()) happen(place, `fault met: ${kindOf(fault)}`, hits[index])
    await mount.clearFaults()
  }
  for (const did of held) await command(place, 'release', did)
  held.clear()
  await rest(place)
  for (const dataset of world.datasets) if (dataset.open || !dataset.asked) await world.finish(dataset)
  const done = new Set(await rest(place))
  for (const dataset of world.datasets)
    if (!done.has(dataset))
      failures.push(`${formatDid(dataset.did)} is not done in the evening: ${String(await world.tagOf(dataset))}`)
}

/** The agent runs until nothing is left to do. What is done then is done of what it is now; returns that. */
async function rest(place: Place): Promise<readonly Dataset[]> {
  const { world, scopes, watch, failures } = place
  let said: Ran | null = null
  for (let run = 0; run < eveningRuns && said?.code !== 0; run++) {
    for (const scope of scopes) await command(place, 'retry', `${scope}:*`)
    said = await command(place, 'run', '--once')
    failures.push(...wrongWith(said, 'run --once in the evening'))
    for (const { did, problems } of await problemRows(place))
      if (problems.some(({ code }) => code === 'REOPENED'))
        await removeObjects(
          place,
          world.datasets.find((dataset) => formatDid(dataset.did) === did)!,
        )
  }
  if (said?.code !== 0) {
    failures.push(`it does not come to rest: the last run ended with ${said?.code}`)
    for (const { did, problems } of await problemRows(place))
      failures.push(
        `${did} does not come to rest: ${problems.map(({ code, message }) => `${code} ${message}`).join('; ')}`,
      )
  }
  const before = [...watch.tooLate]
  watch.tooLate.clear()
  const done = await watch.look()
  for (const did of watch.tooLate) failures.push(`${did} is done of what it was before, and that was not taken back`)
  for (const did of before) watch.tooLate.add(did)
  return done
}

async function problemRows(place: Place): Promise<readonly Row[]> {
  const { code, out } = await command(place, 'list', '--json')
  if (code !== 0) return []
  return (JSON.parse(out) as Row[]).filter(({ problems }) => problems.length > 0)
}
