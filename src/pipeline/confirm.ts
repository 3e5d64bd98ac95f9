import { formatDid } from '../model/did.ts'
import { failure } from '../model/errors.ts'
import type { Claim } from '../catalog/catalog.ts'
import { objectPlan } from './archive.ts'
import type { Pipeline, Step } from './pipeline.ts'
import { withClaim, type Moved } from './set-back.ts'

/** An object that does not match is packed again; the second time that happens, a person has to look. */
const mismatchesBeforeHold = 2

/** An object that is lost after more attempts than these is packed again after a back-off only. */
const patientAttempts = 3

const lost = (name: string) =>
  failure(
    'VAULT_IO',
    `Cannot confirm ${name}: it is gone from the vault, as it was before`,
    'See what removes hidden files (.*.part) from the mount. It is packed again.',
  )

/** Has the next written bundle read back by another mover than the one that wrote it, and published if it is proven. */
export const confirmNext: Step = async (p, signal) => {
  const claim = await p.catalog.claim(p.name, 'written', p.now())
  if (claim === null) return false
  await withClaim(p, claim, (moved) => confirm(p, claim, moved, signal))
  return true
}

async function confirm(p: Pipeline, claim: Claim, moved: Moved, signal: AbortSignal): Promise<void> {
  const { location, attempt } = claim
  const name = `${formatDid(claim.target.did)} object ${claim.part} of ${claim.parts}`
  const about = { did: claim.target.did, object: location, attempt }
  const began = p.clock()
  const { answer, mover } = await p.movers.run<'prove'>(
    { kind: 'prove', vault: p.vault, location, attempt, object: objectPlan(claim), adler32: claim.adler32! },
    { not: claim.packer, moved },
    signal,
  ) // effect

  switch (answer.outcome) {
    case 'proven': {
      const proof = { direct: answer.direct, mover, bytes: claim.bytes, adler32: answer.adler32 }
      await p.catalog.confirmed(claim, proof, p.now()) // commit
      p.log.info(`${name} confirmed`, {
        ...about,
        bytes: claim.bytes,
        seconds: (p.clock() - began) / 1000,
        direct: answer.direct,
      })
      return
    }
    case 'lost':
      await p.catalog.unwritten(claim, false) // commit
      // A crash can lose one. Who loses one after the other shall not keep a mover busy for ever.
      if (attempt > patientAttempts) throw lost(name)
      await p.catalog.release(claim)
      p.log.warn(`${name} is gone from the vault before it was confirmed; it is packed again`, about)
      return
    case 'mismatch': {
      const mismatches = await p.catalog.unwritten(claim, true) // commit
      const kept =
        answer.setAside === null ? 'removed, because the mount cannot rename' : `set aside as ${answer.setAside}`
      const message = `Cannot confirm ${location}: ${answer.difference}; the object was ${kept}`
      if (mismatches % mismatchesBeforeHold !== 0) {
        await p.catalog.release(claim)
        p.log.error(`${message}; it is packed again from the source, which is untouched`, about)
        return
      }
      throw failure(
        'OBJECT_MISMATCH',
        message,
        'Keep the source replicas. Have the mount and the memory of this machine checked, then `tape-rse retry` the dataset.',
      )
    }
  }
}
