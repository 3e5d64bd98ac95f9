import { pace } from '../io/pace.ts'
import type { Verified, VerifyOrder } from '../model/order.ts'
import type { Beat, Format } from '../pack/format.ts'
import type { ReadingVault } from '../vault/vault.ts'

const asleep = new Int32Array(new SharedArrayBuffer(4))
const pacing = { clock: () => performance.now(), sleep: (ms: number) => void Atomics.wait(asleep, 0, 0, ms) }

/**
 * Reads a published object back and compares every byte of it, and changes nothing. One that differs is read once more: what is right the
 * second time was not read rightly the first.
 */
export function verify(order: VerifyOrder, vault: ReadingVault, format: Format, beat: Beat): Verified {
  const keep = order.rate === null ? () => undefined : pace(order.rate, pacing, () => beat(0))
  const paced: Beat = (bytes) => {
    beat(bytes)
    keep(bytes)
  }
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const first = readThrough(order, vault, format, paced)
  if (first === null) return { outcome: 'missing', direct: false, seconds: seconds() }
  const { direct } = first
  if (first.difference === null) return { outcome: 'good', direct, seconds: seconds() }
  const second = readThrough(order, vault, format, paced)
  const times = { direct, seconds: seconds() }
  if (second?.difference === null) return { outcome: 'unsteady', what: first.difference, ...times }
  return { outcome: 'mismatch', what: second?.difference ?? first.difference, ...times }
}

function readThrough(
  { location, object, adler32 }: VerifyOrder,
  vault: ReadingVault,
  format: Format,
  beat: Beat,
): { readonly difference: string | null; readonly direct: boolean } | null {
  const reader = vault.openWhole(location)
  if (reader === null) return null
  try {
    const proof = format.prove(object, reader, adler32, beat)
    return { difference: 'difference' in proof ? proof.difference : null, direct: reader.direct }
  } finally {
    reader.close()
  }
}
