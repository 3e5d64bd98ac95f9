import { basename, dirname, join } from 'node:path'

/** Written and removed again at once, to learn whether the mount takes bytes at all. */
export const trialName = '.tape-rse.trial'

/** Where the part of an attempt is written: beside the object, because a rename cannot cross file systems. */
export const partOf = (path: string, attempt: number): string => hidden(path, attempt, 'part')

/** Where an object that must not be trusted is kept until a good one is there. */
export const asideOf = (path: string, attempt: number): string => hidden(path, attempt, 'mismatch')

/** Where an object is kept that was proven once, and is damaged. Nothing removes it. */
export const damagedOf = (path: string, attempt: number): string => hidden(path, attempt, 'damaged')

const hidden = (path: string, attempt: number, kind: string) =>
  join(dirname(path), `.${basename(path)}.${attempt}.${kind}`)
