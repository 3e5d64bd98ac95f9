import { formatDid } from '../model/did.ts'
import { closedAtOf } from '../model/manifest.ts'
import type { ObjectPlan } from '../model/order.ts'
import type { Claim } from '../catalog/catalog.ts'
import type { Pipeline, Step } from './pipeline.ts'
import { withClaim, type Moved } from './set-back.ts'

/** Writes the next assigned bundle. Nothing trusts the object before it is confirmed, so a repeat may write it again. */
export const archiveNext: Step = async (p, signal) => {
  const claim = await p.catalog.claim(p.name, 'assigned', p.now())
  if (claim === null) return false
  await withClaim(p, claim, (moved) => archive(p, claim, moved, signal))
  return true
}

async function archive(p: Pipeline, claim: Claim, moved: Moved, signal: AbortSignal): Promise<void> {
  const began = p.clock()
  const { location, attempt } = claim
  const object = objectPlan(claim)
  const { answer, mover } = await p.movers.run<'pack'>(
    { kind: 'pack', vault: p.vault, location, attempt, sourceRoot: p.sourceRoot, object },
    { not: null, moved },
    signal,
  ) // effect
  await p.catalog.written(claim, answer.adler32, mover, p.now()) // commit
  const how = answer.found ? 'was there already, from before a crash' : 'written'
  p.log.info(`${formatDid(claim.target.did)} object ${claim.part} of ${claim.parts} ${how}`, {
    did: claim.target.did,
    object: location,
    bytes: answer.bytes,
    files: claim.entries.length,
    seconds: (p.clock() - began) / 1000,
    attempt,
  })
}

/** Everything that determines the bytes of a bundle's object, as the catalog has frozen it. */
export const objectPlan = (claim: Claim): ObjectPlan => ({
  manifest: claim.manifest,
  time: Math.floor(closedAtOf(claim.manifest).getTime() / 1000),
  bytes: claim.bytes,
  members: claim.entries.map((entry) => ({
    name: entry.did.name,
    path: entry.path,
    bytes: entry.bytes,
    adler32: entry.adler32,
    md5: entry.md5,
  })),
})
