/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }],
  },
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testRegex: '\\.test\\.ts$',
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
}
