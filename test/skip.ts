import { describe, test } from '@jest/globals'

/** Says in one line what is not run here, and why. Where CI=true a skip is a failure (scripts/test.mjs). */
function say(what: string, why: string): void {
  process.stderr.write(`Skipped: ${what}: ${why}\n`)
}

/** `test`, or where there is a reason against it, a skip that says so. */
export function testUnless(reason: string | null, what: string): typeof test | typeof test.skip {
  if (reason === null) return test
  say(what, reason)
  return test.skip
}

/** `describe`, or where there is a reason against it, a skip that says so. */
export function describeUnless(reason: string | null, what: string): typeof describe | typeof describe.skip {
  if (reason === null) return describe
  say(what, reason)
  return describe.skip
}
