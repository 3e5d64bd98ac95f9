import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { waitingAgent } from '../test/waiting.ts'
import { median, timed, type Result } from './measure.ts'

const count = 10_000
const command = join(import.meta.dirname, '..', 'bin', 'tape-rse')

/** What 10,000 datasets that wait cost: the memory of the control process, and the time that `status` takes. */
export async function benchWaiting(rounds: number): Promise<readonly Result[]> {
  const agent = await waitingAgent(count)
  try {
    const status = () => {
      const { status: code, stderr } = spawnSync(command, ['--config', agent.site.configFile, 'status'])
      if (code !== 0) throw new Error(`Cannot ask for the status: ${stderr.toString()}`)
    }
    status() // everything is in the page cache from here on
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const node = await timed(() => spawnSync(process.execPath, ['-e', '0']))
      times.push((await timed(status)) - node)
    }
    return [
      {
        what: `memory of the control process, ${agent.waiting} objects waiting`,
        value: agent.memory(),
        unit: 'MiB',
        aim: 150,
      },
      { what: '`status`, beyond what Node takes to start', value: 1000 * median(times), unit: 'ms', aim: 100 },
    ]
  } finally {
    await agent.dispose()
  }
}
