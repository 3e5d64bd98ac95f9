import { normalize } from 'node:path'

/** Absolute and in its shortest form, so that two paths can be compared as texts. */
export const isPath = (text: string): boolean =>
  text.startsWith('/') && normalize(text) === text && (text === '/' || !text.endsWith('/')) && !/\p{Cc}/u.test(text)
