import { setTimeout } from 'node:timers/promises'
import type { CatalogReader } from '../catalog/catalog.ts'
import { withCatalog } from '../app.ts'
import type { GlobalOptions, Run } from './command.ts'
import { configOf } from './config.ts'
import { plural } from './format.ts'
import { agentRuns } from './selection.ts'

const lookMs = 1000

/** `drain`: running work ends, no new work begins, until `resume`; also after a restart. */
export const drain: Run<GlobalOptions & { readonly why?: string; readonly wait?: boolean }> = async (
  options,
  terminal,
  signal,
) =>
  withCatalog(await configOf(options, terminal), terminal, async (catalog) => {
    await catalog.drain(options.why ?? null, terminal.now())
    let left = await moving(catalog, terminal.now())
    terminal.print(
      left === 0
        ? 'Drained: nothing moves, and nothing begins until `tape-rse resume`.'
        : `Draining: ${plural(left, 'object')} still move; nothing new begins until \`tape-rse resume\`.`,
    )
    while (options.wait === true && left > 0 && !signal.aborted) {
      await setTimeout(lookMs, undefined, { signal }).catch(() => undefined)
      left = await moving(catalog, terminal.now())
      if (left === 0) terminal.print('Drained: nothing moves any more.')
    }
    return 0
  })

/** `resume` */
export const resume: Run<GlobalOptions> = async (options, terminal) =>
  withCatalog(await configOf(options, terminal), terminal, async (catalog) => {
    const drained = await catalog.drained()
    await catalog.resume()
    terminal.print(drained === null ? 'It was not drained.' : 'New work begins again.')
    return 0
  })

/** Objects that movers are at. Claims of an agent that died are nobody's. */
async function moving(catalog: CatalogReader, now: Date): Promise<number> {
  const { agent, pipelines } = await catalog.summary(now)
  return agentRuns(agent, now) ? pipelines.reduce((sum, pipeline) => sum + pipeline.moving.length, 0) : 0
}
