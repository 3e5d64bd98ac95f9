import { readFileSync, statSync } from 'node:fs'

/** What is wrong with a password file, or null. Of its content, only whether there is any is looked at. */
export const passwordFault = (path: string): string | null =>
  fileFault(path, (text) => (text.trim() === '' ? 'is empty' : null))

/** What is wrong with a file of certificate authorities, or null. */
export const authoritiesFault = (path: string): string | null =>
  fileFault(path, (text) => (text.includes('-----BEGIN CERTIFICATE-----') ? null : 'holds no PEM certificate'))

function fileFault(path: string, contentFault: (text: string) => string | null): string | null {
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) return `${path} is a directory: only a file is built yet`
    if (!stat.isFile()) return `${path} is not a regular file`
    const fault = contentFault(readFileSync(path, 'utf8'))
    return fault === null ? null : `${path} ${fault}`
  } catch (error) {
    return `${path} ${whyUnreadable(error)}`
  }
}

/** What an error of reading a file says, as a clause. */
export function whyUnreadable(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error'
  if (code === 'ENOENT') return 'does not exist'
  return code === 'EISDIR' ? 'is a directory' : `cannot be read (${code})`
}
