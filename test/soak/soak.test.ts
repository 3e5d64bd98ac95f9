import { expect, test } from '@jest/globals'
import { whyNoHpssfs } from '../hpssfs/mount.ts'
import { describeWithRucio } from '../with-rucio.ts'
import { soak } from './soak.ts'

const noFuse = await whyNoHpssfs()
if (noFuse !== null) process.stderr.write(`The soak takes a plain directory, on which nothing fails: ${noFuse}\n`)

describeWithRucio('a short soak', (bed) => {
  test('ends with all as it has to be, after days on which everything fails', async () => {
    const said: string[] = []
    const { failures, days, happened, looks } = await soak({
      bed,
      seed: 109, // its two days have acts of every kind
      another: (soFar) => soFar < 2,
      fuse: noFuse === null,
      say: (line) => said.push(line),
    })
    expect({ failures, said: failures.length > 0 ? said : [] }).toEqual({ failures: [], said: [] })
    expect([days, looks > 0]).toEqual([2, true])
    for (const what of ['make', 'change', 'detach', 'untag', 'kill agent', 'kill movers', 'kill both', 'line'])
      expect([what, happened.get(what)]).toEqual([what, expect.any(Number)])
    if (noFuse === null)
      for (const what of ['crash', 'remount']) expect([what, happened.get(what)]).toEqual([what, expect.any(Number)])
  }, 300_000)
})
