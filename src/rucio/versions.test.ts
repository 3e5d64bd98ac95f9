import { expect, test } from '@jest/globals'
import { untestedVersion } from './versions.ts'

test.each(['38.5.0', '38.5.5', '38.10.1', '39.0.0', '41.5.1'])(
  'untestedVersion() has nothing to say of %s',
  (version) => {
    expect(untestedVersion(version)).toBeNull()
  },
)

test.each([
  ['38.4.9', 'older'],
  ['35.8.0', 'older'],
  ['42.0.0', 'newer'],
  ['unknown', '"unknown"'],
])('untestedVersion() says of %s that it is %s', (version, word) => {
  expect(untestedVersion(version)).toContain(word)
})
