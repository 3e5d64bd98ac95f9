import type { Step } from './pipeline.ts'

/** Removes parts, and objects set aside, that ended targets left in the vault. Published objects stay. */
export const cleanNext: Step = async (p, signal) => {
  const [debris] = await p.catalog.debris(p.name, 1)
  if (debris === undefined) return false
  const { location, attempts } = debris
  const { answer } = await p.movers.run<'clean'>({ kind: 'clean', vault: p.vault, location, attempts }, null, signal) // effect
  await p.catalog.cleaned(debris.id) // commit
  if (answer.removed > 0) p.log.info(`removed ${answer.removed} unproven parts beside ${location}`)
  return true
}
