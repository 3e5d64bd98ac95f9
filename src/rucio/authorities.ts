import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { allCertificatesIn, certificatesIn, type PemCertificate } from './pem.ts'
import { readText, unreadable, UnusableFile } from './secret-file.ts'

/**
 * The authorities in a PEM file, or in a directory of them as grid sites have it: `*.pem`, `*.crt`, and names that are hashes, such
 * as `5ab1c2d3.0`. Lists of what was revoked (`*.r0`) are not read. Texts in PEM, each once.
 * @throws UnusableFile
 */
export async function readAuthorities(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  const all = found.isDirectory() ? await inDirectory(path) : allCertificatesIn(path, await readText(path, null))
  if (all.length > 0) return [...new Set(all.map(({ pem }) => pem))]
  const lacks = found.isDirectory()
    ? 'has no certificate authority in it (*.pem, *.crt, <hash>.0)'
    : 'holds no PEM certificate'
  throw new UnusableFile(`${path} ${lacks}`, 'Name a PEM file, or a directory of them, with the authorities to trust.')
}

/**
 * Changes when the authorities do.
 * @throws UnusableFile
 */
export async function authoritiesStamp(path: string): Promise<string> {
  try {
    const found = await stat(path, { bigint: true })
    if (!found.isDirectory()) return stampOf(found)
    const stamps: string[] = []
    // One after the other: on a file system that hangs, each call would hold one of the few threads that Node has for files.
    for (const name of (await readdir(path)).filter(isAuthority).sort())
      stamps.push(`${name} ${await stat(join(path, name), { bigint: true }).then(stampOf, () => '-')}`)
    return stamps.join('\n')
  } catch (error) {
    throw unreadable(path, error)
  }
}

const stampOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(' ')

const isAuthority = (name: string): boolean => /^[^.].*\.(pem|crt)$|^[0-9a-f]{8}\.\d+$/u.test(name)

async function inDirectory(path: string): Promise<readonly PemCertificate[]> {
  const names = await readdir(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  const found: PemCertificate[] = []
  // One bad file among hundreds, or a link that leads nowhere, is no reason to trust none of the others.
  for (const name of names.filter(isAuthority).sort())
    found.push(...certificatesIn(await readText(join(path, name), null).catch(() => '')))
  return found
}
