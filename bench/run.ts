import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { benchAgent } from './agent.ts'
import { resultTable, type Result } from './measure.ts'
import { benchPack } from './pack.ts'
import { benchRetrieve } from './retrieve.ts'
import { benchWaiting } from './waiting.ts'

/** `npm run bench -- [--only pack|agent|retrieve|waiting] [--rounds N] [--json FILE]`: what the README quotes. Ratios are of the same rounds. */
const { values } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string', default: '5' }, json: { type: 'string' } },
})
const rounds = Number(values.rounds)
const suites: readonly (readonly [string, () => Promise<readonly Result[]>])[] = [
  ['pack', () => benchPack(rounds)],
  ['agent', benchAgent],
  ['retrieve', () => benchRetrieve(rounds)],
  ['waiting', () => benchWaiting(rounds)],
]

const results: Result[] = []
for (const [name, run] of suites) {
  if (values.only !== undefined && values.only !== name) continue
  const own = await run()
  console.log(`${name}\n${resultTable(own)}\n`)
  results.push(...own)
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rounds, results }, null, 2)}\n`)
