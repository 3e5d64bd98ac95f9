import { parseArgs } from 'node:util'
import { randomInt } from 'node:crypto'
import { whyNoHpssfs } from '../hpssfs/mount.ts'
import { startRucio } from '../rucio/testbed.ts'
import { soak } from './soak.ts'

/**
 * `npm run soak -- [--seed N] [--days N | --minutes M] [--verbose]`: days on which everything fails now and then. Ends with 1 at the
 * end of the first day on which something is not as it has to be. The same seed gives the same acts.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    days: { type: 'string' },
    minutes: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const days = values.days === undefined ? (values.minutes === undefined ? 5 : Infinity) : Number(values.days)
const end = values.minutes === undefined ? Infinity : Date.now() + Number(values.minutes) * 60_000

const bed = await startRucio({ progress: (text) => process.stderr.write(text) }, new AbortController().signal)
const noFuse = await whyNoHpssfs()
if (noFuse !== null) console.log(`the vault is a plain directory, on which nothing fails: ${noFuse}`)
console.log(`soak --seed ${seed}`)
const { failures, happened, looks } = await soak({
  bed,
  seed,
  another: (soFar) => soFar < days && Date.now() < end,
  fuse: noFuse === null,
  say: (line) => {
    if (values.verbose || !line.startsWith(' ')) console.log(line)
  },
})
for (const [what, count] of [...happened].sort()) console.log(`${String(count).padStart(6)} ${what}`)
console.log(`${String(looks).padStart(6)} times a dataset was seen done, and its objects with it`)
for (const failure of failures) console.log(`FAILED: ${failure}`)
console.log(
  failures.length === 0 ? 'nothing was wrong' : `${failures.length} things were wrong: npm run soak -- --seed ${seed}`,
)
process.exitCode = failures.length === 0 ? 0 : 1
