import type { Hash } from 'node:crypto'

/** Begins a hash. What it needs is loaded now: it takes as long as a mover takes to do something small, and most never hash. */
export const createHash = (algorithm: 'md5' | 'sha256'): Hash =>
  process.getBuiltinModule('node:crypto').createHash(algorithm)
