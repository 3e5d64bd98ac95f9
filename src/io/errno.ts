import { constants } from 'node:os'

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/**
 * The name of a system's error, such as EIO. null: it is none. Node does not know them all: it calls ESTALE (116) and EDQUOT (122) an
 * "Unknown system error -116", or at some calls UNKNOWN.
 */
export function errnoOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'string') return null
  if (!/^unknown/iu.test(error.code) || !('errno' in error) || typeof error.errno !== 'number') return error.code
  return names.get(-error.errno) ?? error.code
}
