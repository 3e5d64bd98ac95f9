import { formatDid } from '../model/did.ts'
import { locationOf } from '../plan/place.ts'
import type { Step } from './pipeline.ts'
import { recordSetBack } from './set-back.ts'

/** Gives the next target's bundles their locations; held if an object of another dataset is in their way. */
export const assignNext: Step = async (p) => {
  const next = await p.catalog.planned(p.name, p.now())
  if (next === null) return false
  const { target } = next
  const bundles = next.bundles.map(({ id, part, parts }) => ({
    id,
    location: locationOf(target.did, target.generation, part, parts),
  }))
  const clashes = await p.catalog.clashes(
    p.name,
    target.id,
    bundles.map((bundle) => bundle.location),
  )
  if (clashes.length === 0) {
    await p.catalog.assign(bundles) // commit
  } else {
    const problems = clashes.map(({ did, location }) => ({
      code: 'NAME_CLASH' as const,
      message: `Cannot place ${formatDid(target.did)}: the object ${location} of ${formatDid(did)} is in the way of its directory`,
      hint: 'Attach its files to a dataset with another name, and tag that one.',
    }))
    await recordSetBack(p, target, null, true, problems)
  }
  return true
}
