import { problemsOf } from '../model/errors.ts'
import { anyMover } from '../model/order.ts'
import type { Step } from './pipeline.ts'
import { isOfTargets } from './set-back.ts'

/** Removes parts, and objects set aside, that ended targets left in the vault. Published objects stay. */
export const cleanNext: Step = async (p, signal) => {
  // One that cannot be removed shall not stand before the others.
  const some = await p.catalog.debris(p.name, 50)
  const debris = some[Math.floor(p.random() * some.length)]
  if (debris === undefined) return false
  const { location, attempts, target } = debris
  try {
    const { answer } = await p.movers.run<'clean'>(
      { kind: 'clean', vault: p.vault, location, attempts },
      anyMover,
      signal,
    ) // effect
    await p.catalog.cleaned(debris.id) // commit
    if (answer.removed > 0)
      p.log.info(`removed ${answer.removed} unproven parts`, { did: target.did, object: location })
    return true
  } catch (error) {
    if (!isOfTargets(error)) throw error
    p.log.warn(`unproven parts could not be removed: ${problemsOf(error)[0]!.message}`, {
      did: target.did,
      object: location,
    })
    return false
  }
}
