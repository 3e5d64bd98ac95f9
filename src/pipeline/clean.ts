import { problemsOf } from '../model/errors.ts'
import type { Step } from './pipeline.ts'
import { isOfTargets } from './set-back.ts'

/** Removes parts, and objects set aside, that ended targets left in the vault. Published objects stay. */
export const cleanNext: Step = async (p, signal) => {
  const [debris] = await p.catalog.debris(p.name, 1)
  if (debris === undefined) return false
  const { location, attempts } = debris
  try {
    const { answer } = await p.movers.run<'clean'>({ kind: 'clean', vault: p.vault, location, attempts }, null, signal) // effect
    await p.catalog.cleaned(debris.id) // commit
    if (answer.removed > 0) p.log.info(`removed ${answer.removed} unproven parts beside ${location}`)
    return true
  } catch (error) {
    if (!isOfTargets(error)) throw error
    p.log.warn(`unproven parts beside ${location} could not be removed: ${problemsOf(error)[0]!.message}`)
    return false
  }
}
