import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { badLine, mischiefs, type BadLine } from '../src/testing/bad-line.ts'
import { numbers } from '../src/testing/numbers.ts'
import { signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { makeSite, type Site } from './site.ts'
import { audit } from './soak/audit.ts'
import { people, type Dataset } from './soak/people.ts'
import { watcher } from './soak/watcher.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The whole agent, and between it and a real Rucio a line on which a third of all calls goes wrong. */

const count = 25
const runs = 15

describeWithRucio('tape-rse run --once, through a bad line', (bed) => {
  let root: RucioRest
  let scope: string
  let line: BadLine
  let site: Site

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
  })
  beforeEach(async () => {
    scope = `l${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
  })
  afterEach(async () => {
    await line.close()
    site.dispose()
  })

  test.each([1, 2, 3])(
    'says done of nothing that is not so, and archives everything in the end (seed %i)',
    async (seed) => {
      line = await badLine(bed.url, seed, 1 / 3)
      site = makeSite({ url: line.url, agent: bed.agent, disk: bed.disk }, [scope])
      const random = numbers(seed)
      const below = (limit: number) => Math.floor(random() * limit)
      const world = people(bed, root)
      for (let index = 0; index < count; index++)
        await world.make(scope, {
          name: index % 5 === 0 ? `2026/01/ds${index}` : `ds${index}`,
          sizes: Array.from({ length: 2 + below(3) }, () => 1 + below(20_000)),
          closed: true,
          asked: true,
        })
      const watch = watcher(site.vault, [scope], world, root)
      const watching = watch.watch()

      /** What people do meanwhile, to one dataset after the other. */
      const acts: readonly ((dataset: Dataset) => Promise<void>)[] = [
        (dataset) => world.change(dataset, [1 + below(9000)], false),
        (dataset) => world.detach(dataset, below(9)),
        (dataset) => world.untag(dataset),
        (dataset) => world.change(dataset, [below(9000)], true),
      ]
      const minds = [...world.datasets].sort(() => random() - 0.5).slice(0, 10)
      const changing = new AbortController()
      const changes = (async () => {
        for (const [index, dataset] of minds.entries()) {
          if (changing.signal.aborted) return
          await sleep(700) // so that the agent is at something else each time
          await acts[index % acts.length]!(dataset)
        }
      })()
      const met = () => mischiefs.every((mischief) => line.counts[mischief] > 0)
      for (let run = 0; run < runs; run++) {
        await site.run('run', '--once')
        if (met() && (await watch.look()).length > count / 2) break
      }
      changing.abort()
      await changes
      expect(mischiefs.filter((mischief) => line.counts[mischief] === 0)).toEqual([])

      line.bad(0)
      for (const dataset of world.datasets) if (dataset.open || !dataset.asked) await world.finish(dataset)
      const { code } = await site.run('run', '--once')
      // Who changed a dataset after it was done is asked what is to become of its objects.
      if (code === 3) {
        const { out } = await site.run('list', '--state', 'held', '--json')
        for (const { did, problems } of JSON.parse(out) as { did: string; problems: { code: string }[] }[]) {
          expect(problems.map((problem) => problem.code)).toEqual(['REOPENED'])
          watch.forget(site.objects().filter((path) => path.startsWith(`${did.replace(':', '/')}/`)))
          expect(await site.run('remove', did, '--yes')).toMatchObject({ code: 0 })
        }
        expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
      } else expect(code).toBe(0)
      await watching.stop()
      watch.tooLate.clear()
      expect(await watch.look()).toHaveLength(count)
      expect([...watch.tooLate]).toEqual([])
      expect([...watch.lies]).toEqual([])
      expect(watch.looks).toBeGreaterThan(count)
      expect(
        await audit({
          ...bed.root,
          url: bed.url,
          root: site.vault,
          disk: bed.disk,
          scopes: [scope],
          done: 'TAPE:done',
          kept: Object.fromEntries(watch.kept),
        }),
      ).toEqual([])
    },
    240_000,
  )
})
