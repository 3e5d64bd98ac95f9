import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { didKey, formatDid } from '../../src/model/did.ts'
import type { RucioRest } from '../../src/testing/rucio-rest.ts'
import { membersOf, type Members } from './audit.ts'
import { contentOf, type Dataset, type People } from './people.ts'

/** Somebody who asks Rucio all the time what is done, and looks whether it is true. */
export interface Watcher {
  /** Every lie so far, in a line each. Whoever reads them may clear them. */
  readonly lies: Set<string>
  /**
   * Datasets that were said to be done though they had changed: Rucio has no compare-and-set. It has to be taken back. Whoever looks
   * whether it was, clears them before.
   */
  readonly tooLate: Set<string>
  /** How often a dataset was seen done, and looked at. */
  readonly looks: number
  /** Objects that were seen done and that nobody deleted since, by path below the root: sha256. */
  readonly kept: ReadonlyMap<string, string>
  /** From now on they need not be there. */
  forget(locations: readonly string[]): void
  /** Looks once, and returns the names that are done. */
  look(): Promise<readonly Dataset[]>
  /** Looks until it is stopped. */
  watch(): { readonly stop: () => Promise<void> }
}

/** Objects of a dataset below a root: those of its newest generation, if that is whole. */
export function newestObjects(root: string, { did }: Dataset): readonly string[] | null {
  const directory = `${did.scope}/${did.name}`
  if (!existsSync(join(root, directory))) return null
  const stem = basename(did.name)
  const found = readdirSync(join(root, directory)).flatMap((name) => {
    const match = /^(.*)\.g(\d+)\.(\d+)-(\d+)\.zip$/u.exec(name)
    if (match?.[1] !== stem) return []
    return [
      { path: `${directory}/${name}`, generation: Number(match[2]), part: Number(match[3]), parts: Number(match[4]) },
    ]
  })
  const newest = Math.max(...found.map(({ generation }) => generation))
  const own = found.filter(({ generation }) => generation === newest)
  const whole = own.length > 0 && own.every(({ parts }) => parts === own.length)
  return whole ? own.map(({ path }) => path) : null
}

/** @param root where the objects can be read, whatever ails the mount */
export function watcher(
  root: string,
  scopes: readonly string[],
  { datasets, tagOf }: People,
  rest: RucioRest,
): Watcher {
  const lies = new Set<string>()
  const tooLate = new Set<string>()
  const kept = new Map<string, string>()
  const read = new Map<string, Members | string>()
  let looks = 0

  async function done(): Promise<ReadonlySet<string>> {
    const keys = new Set<string>()
    const filters = encodeURIComponent(JSON.stringify([{ arcBackup: 'TAPE:done' }]))
    for (const scope of scopes) {
      const answer = await rest.ok('GET', `/dids/${scope}/dids/search?type=all&long=False&filters=${filters}`)
      for (const name of answer.lines() as string[]) keys.add(didKey({ scope, name }))
    }
    return keys
  }

  /** Every object is read once, and again when it is another one. */
  async function readAll(paths: readonly string[]): Promise<readonly (Members | string)[]> {
    const keyed = paths.map((path) => {
      const { ino, size, mtimeMs } = statSync(join(root, path))
      return { path, key: `${path} ${ino} ${size} ${mtimeMs}` }
    })
    const fresh = keyed.filter(({ key }) => !read.has(key))
    const members = await membersOf(fresh.map(({ path }) => join(root, path)))
    for (const { path, key } of fresh) read.set(key, members.get(join(root, path))!)
    return keyed.map(({ key }) => read.get(key)!)
  }

  /** What the objects of a dataset are, that says that it is done. */
  async function lookAt(dataset: Dataset): Promise<{ lie: string } | { objects: readonly string[]; late: boolean }> {
    const objects = newestObjects(root, dataset)
    if (objects === null) return { lie: 'its objects are not all there' }
    const members = await readAll(objects)
    const unreadable = members.find((each) => typeof each === 'string')
    if (typeof unreadable === 'string') return { lie: `an object cannot be read: ${unreadable}` }
    const content = contentOf(Object.assign({}, ...members) as Members)
    if (!dataset.contents.has(content)) return { lie: 'what is in its objects never was its content' }
    return { objects, late: content !== contentOf(dataset.files) && !dataset.outdated }
  }

  async function look(): Promise<readonly Dataset[]> {
    const quiet = datasets.filter(({ busy }) => !busy).map((dataset) => ({ dataset, acts: dataset.acts }))
    const keys = await done()
    const seen = quiet.filter(({ dataset: { did } }) => keys.has(didKey(did)))
    for (const { dataset, acts } of seen) {
      const found = await lookAt(dataset).catch((error: unknown) => ({ lie: String(error) }))
      const bad = 'lie' in found || found.late
      // What was taken back meanwhile was no lie when we looked; nor is what somebody does to it just now.
      if (bad && (await tagOf(dataset)) !== 'TAPE:done') continue
      if (dataset.busy || dataset.acts !== acts) continue
      looks++
      const did = formatDid(dataset.did)
      if ('lie' in found) lies.add(`${did} is done, and ${found.lie}`)
      else {
        if (found.late) tooLate.add(did)
        for (const object of found.objects)
          if (!kept.has(object))
            kept.set(
              object,
              createHash('sha256')
                .update(readFileSync(join(root, object)))
                .digest('hex'),
            )
      }
    }
    return seen.map(({ dataset }) => dataset)
  }

  return {
    lies,
    tooLate,
    kept,
    get looks() {
      return looks
    },
    forget: (locations) => {
      for (const location of locations) kept.delete(location)
    },
    look,
    watch() {
      const stopped = new AbortController()
      const ended = (async () => {
        while (!stopped.signal.aborted) {
          await look().catch((error: unknown) => lies.add(`Cannot look: ${String(error)}`))
          await sleep(200)
        }
      })()
      return {
        stop: () => {
          stopped.abort()
          return ended
        },
      }
    },
  }
}
