const minute = 60_000

/**
 * How long to leave a target alone after a failure, in milliseconds: 1 min, doubling to 6 h, less up to 20 % jitter. Outages of
 * HPSS last hours, so a shorter cap only fills the log; six hours still tries again within a shift.
 * @throws RangeError if `failures` (so far, this one included) is not a positive integer
 */
export function backOffMs(failures: number, random: () => number): number {
  if (!Number.isInteger(failures) || failures < 1) {
    throw new RangeError(`Cannot back off: failures must be a positive integer, got ${failures}`)
  }
  return Math.round(Math.min(minute * 2 ** Math.min(failures - 1, 20), 360 * minute) * (1 - 0.2 * random()))
}

/**
 * When a target that failed is tried again, as the catalog has it; null: when a person says so. What failed at a time that is still to
 * come did so by a clock that has been set back since: its back-off says nothing any more.
 */
export const nextTry = (
  { failedAt, notBefore }: { readonly failedAt: Date | null; readonly notBefore: Date | null },
  now: Date,
): Date | null => (notBefore !== null && failedAt !== null && failedAt > now ? now : notBefore)

/**
 * How long to leave a site alone that was at fault, in milliseconds: 5 s, doubling to 5 min, less up to 20 % jitter. A probe costs
 * the site a poll, so it may come often; people wait for it.
 */
export const probeMs = (failures: number, random: () => number): number =>
  Math.round(Math.min(5000 * 2 ** Math.min(failures - 1, 10), 5 * minute) * (1 - 0.2 * random()))
