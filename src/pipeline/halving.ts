import { isOfTargets } from './set-back.ts'

/**
 * Asks about all at once; if the fault is of what was asked about, half and half, until the culprit stands alone with its error.
 * Answers in the order of the question.
 * @param ask answers in the order of the question, or throws
 * @throws whatever is nobody's fault among them
 */
export async function halving<T, A>(
  items: readonly T[],
  ask: (some: readonly T[]) => Promise<readonly A[]>,
): Promise<readonly (A | { readonly error: unknown })[]> {
  if (items.length === 0) return []
  try {
    return await ask(items)
  } catch (error) {
    if (!isOfTargets(error)) throw error
    if (items.length === 1) return [{ error }]
    const half = Math.ceil(items.length / 2)
    const first = await halving(items.slice(0, half), ask)
    return [...first, ...(await halving(items.slice(half), ask))]
  }
}
