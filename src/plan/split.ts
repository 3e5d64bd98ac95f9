/**
 * Splits weights into contiguous runs of even weight, each near `target` and none above `max`, but that a single weight above
 * `max` has a run to itself. Returns the length of each run; they add up to the number of weights.
 *
 * As few runs as come near the target; among the ways to cut so many, one whose heaviest run is lightest.
 * @param target at most `max`
 */
export function splitEvenly(weights: readonly number[], target: number, max: number): readonly number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const wanted = Math.max(1, Math.round(total / target), fill(weights, Number.MAX_SAFE_INTEGER, max).length)
  const capacity = lightestCapacity(weights, wanted, max)
  if (capacity <= max) return fill(weights, capacity, max)
  const needed = fill(weights, max, max).length
  return fill(weights, lightestCapacity(weights, needed, max), max)
}

/** The smallest capacity with which `fill` needs at most `runs` runs. */
function lightestCapacity(weights: readonly number[], runs: number, max: number): number {
  const ordinary = weights.filter((weight) => weight <= max)
  let low = ordinary.reduce((most, weight) => Math.max(most, weight), 0)
  let high = Math.max(
    low,
    ordinary.reduce((sum, weight) => sum + weight, 0),
  )
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (fill(weights, middle, max).length <= runs) high = middle
    else low = middle + 1
  }
  return low
}

/** Fills runs in order, each up to `capacity`; a weight above `max` stands alone. */
function fill(weights: readonly number[], capacity: number, max: number): number[] {
  const runs: number[] = []
  let room = -1
  for (const weight of weights) {
    if (weight > max || weight > room) {
      runs.push(0)
      room = weight > max ? weight : capacity
    }
    runs[runs.length - 1]! += 1
    room = weight > max ? -1 : room - weight
  }
  return runs
}
