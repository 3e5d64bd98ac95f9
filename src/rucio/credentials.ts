import { createPrivateKey, X509Certificate } from 'node:crypto'
import { constants, type BigIntStats } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** More than any credential, or all authorities there are, have. */
const maxBytes = 4 * 2 ** 20

/** When something is good. null: it does not say. */
export interface Life {
  readonly from: Date | null
  readonly until: Date | null
}

/** A certificate with its key, for TLS. */
export interface Identity {
  readonly kind: 'certificate' | 'proxy'
  /** The file of the certificate. */
  readonly file: string
  /** PEM, with the chain that the file has. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  /** Whose it is, as Rucio writes it: `/DC=org/DC=example/CN=Tape Agent`. */
  readonly subject: string
  /** Of all certificates in the file: when the first of them dies, so does the whole. */
  readonly life: Life
}

export interface Token {
  readonly file: string
  readonly value: string
  /** What the token says of itself; nothing if it is no JWT. */
  readonly life: Life
}

/** Who may read a secret beside its owner: nobody, or its group. */
export interface SecretRules {
  readonly groupMayRead: boolean
}

/** A file that cannot be used for what it is there for. The message is a clause that begins with its path. */
export class UnusableFile extends Error {
  readonly hint: string

  constructor(what: string, hint: string, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause })
    this.name = 'UnusableFile'
    this.hint = hint
  }
}

/** White space at its end is dropped. */
export async function readPassword(file: string, rules: SecretRules): Promise<string> {
  const password = (await readSecret(file, rules)).trimEnd()
  if (password === '') throw new UnusableFile(`${file} is empty`, 'Write the password into it.')
  return password
}

/** A token for Rucio: a JWT, an OIDC access token, or one that Rucio gave. White space around it is dropped. */
export async function readToken(file: string, rules: SecretRules): Promise<Token> {
  const value = (await readSecret(file, rules)).trim()
  if (value === '') throw new UnusableFile(`${file} is empty`, 'Have the token written into it.')
  return { file, value, life: lifeOfJwt(value) }
}

export async function readCertificate(cert: string, key: string, rules: SecretRules): Promise<Identity> {
  const text = await readText(cert, null)
  return identityOf('certificate', { file: cert, text }, { file: key, text: await readSecret(key, rules) })
}

/** A proxy certificate as RFC 3820 and its tools have it: certificate, key and chain in one file. */
export async function readProxy(file: string, rules: SecretRules): Promise<Identity> {
  const text = await readSecret(file, rules)
  return identityOf('proxy', { file, text }, { file, text })
}

/**
 * The authorities in a PEM file, or in a directory of them as grid sites have it: `*.pem`, `*.crt`, and names that are hashes, such
 * as `5ab1c2d3.0`. Lists of what was revoked (`*.r0`) are not read. Texts in PEM, each once.
 */
export async function readAuthorities(path: string): Promise<readonly string[]> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      throw unreadable(path, error)
    },
  )
  const all = isDirectory ? await authoritiesInDirectory(path) : certificatesIn(path, await readText(path, null))
  if (all.length > 0) return [...new Set(all)]
  const lacks = isDirectory ? 'has no certificate authority in it (*.pem, *.crt, <hash>.0)' : 'holds no PEM certificate'
  throw new UnusableFile(`${path} ${lacks}`, 'Name a PEM file, or a directory of them, with the authorities to trust.')
}

/** Changes when the authorities do. */
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

async function authoritiesInDirectory(path: string): Promise<readonly string[]> {
  const names = (await readdir(path)).filter(isAuthority).sort()
  const found: string[] = []
  for (const name of names) {
    // One bad file among hundreds, or a link that leads nowhere, is no reason to trust none of the others.
    const text = await readText(join(path, name), null).catch(() => '')
    found.push(...pemBlocks(text, 'CERTIFICATE').filter((pem) => parsed(pem) !== null))
  }
  return found
}

function certificatesIn(file: string, text: string): readonly string[] {
  const blocks = pemBlocks(text, 'CERTIFICATE')
  if (blocks.some((pem) => parsed(pem) === null))
    throw new UnusableFile(`${file} holds a certificate that cannot be read`, 'Write it anew; it may have been cut.')
  return blocks
}

function parsed(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}

const pemBlocks = (text: string, label: string): readonly string[] =>
  text.match(new RegExp(`-----BEGIN ${label}-----[^]*?-----END ${label}-----`, 'gu')) ?? []

interface Read {
  readonly file: string
  readonly text: string
}

function identityOf(kind: Identity['kind'], cert: Read, key: Read): Identity {
  const chain = certificatesIn(cert.file, cert.text)
  const certificates = chain.map((pem) => new X509Certificate(pem))
  const [leaf] = certificates
  const again =
    kind === 'proxy' ? 'Make the proxy anew: certificate, key and chain in one file.' : 'Name a PEM file with it.'
  if (leaf === undefined) throw new UnusableFile(`${cert.file} holds no PEM certificate`, again)
  const [pem] = pemBlocks(key.text, '[A-Z ]*PRIVATE KEY')
  if (pem === undefined) throw new UnusableFile(`${key.file} holds no PEM private key`, again)
  if (!leaf.checkPrivateKey(privateKey(key.file, pem)))
    throw new UnusableFile(
      key.file === cert.file
        ? `${key.file} holds a key that is not that of its certificate`
        : `${key.file} is not the key of the certificate ${cert.file}`,
      again,
    )
  return {
    kind,
    file: cert.file,
    cert: chain.join('\n'),
    key: pem,
    subject: subjectOf(certificates),
    life: {
      from: new Date(Math.max(...certificates.map(({ validFromDate }) => validFromDate.getTime()))),
      until: new Date(Math.min(...certificates.map(({ validToDate }) => validToDate.getTime()))),
    },
  }
}

function privateKey(file: string, pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    if (pem.includes('ENCRYPTED'))
      throw new UnusableFile(
        `${file} is encrypted, and there is nobody to type its pass phrase`,
        'Store the key without one, readable for the agent’s user alone: `openssl pkey -in KEY -out KEY.open`.',
      )
    throw new UnusableFile(`${file} holds a key that cannot be read`, 'Write it anew; it may have been cut.', error)
  }
}

/** Of the user, where the first certificates are proxies: those have their issuer's name and one more CN (RFC 3820, 3.4). */
function subjectOf(certificates: readonly X509Certificate[]): string {
  const user = certificates.find(({ subject, issuer }) => !subject.startsWith(`${issuer}\nCN=`)) ?? certificates[0]!
  return `/${user.subject.replaceAll('\n', '/')}`
}

/** RFC 7519, 4.1.4 to 4.1.6. What is not a JWT says nothing; the signature is the server's business. */
function lifeOfJwt(token: string): Life {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return { from: null, until: null }
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Readonly<Record<string, unknown>>
    const dateIn = (claim: string) => (typeof claims[claim] === 'number' ? new Date(claims[claim] * 1000) : null)
    return { from: dateIn('nbf') ?? dateIn('iat'), until: dateIn('exp') }
  } catch {
    return { from: null, until: null }
  }
}

/** A text that is secret. Whoever may read a key is who it says: one is refused that others may read, as ssh and the grid's tools do. */
export const readSecret = (path: string, rules: SecretRules): Promise<string> => readText(path, rules)

async function readText(path: string, rules: SecretRules | null): Promise<string> {
  // Opening a pipe would wait for its other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    const found = await file.stat()
    if (!found.isFile())
      throw new UnusableFile(`${path} is ${found.isDirectory() ? 'a directory' : 'not a regular file'}`, 'Name a file.')
    const open = rules === null ? 0 : found.mode & (rules.groupMayRead ? 0o037 : 0o077)
    if (open !== 0) throw openToOthers(path, found.mode, open)
    if (found.size > maxBytes)
      throw new UnusableFile(`${path} is too long: it has ${found.size} bytes`, 'Correct the name.')
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function openToOthers(path: string, mode: number, open: number): UnusableFile {
  const whose = (open & 0o007) !== 0 ? 'others' : 'its group'
  const what = (open & 0o044) !== 0 ? 'readable by' : 'open to'
  const group = whose === 'its group' && (open & 0o030) === 0
  return new UnusableFile(
    `${path} is ${what} ${whose} (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
    `\`chmod 600 ${path}\`${group ? '; where the group has to read it, as with fsGroup of Kubernetes, set rucio.secretsReadableByGroup' : '; for a secret of Kubernetes, defaultMode: 0400'}.`,
  )
}

function unreadable(path: string, error: unknown): UnusableFile {
  if (error instanceof UnusableFile) return error
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error'
  const what = code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a directory' : `cannot be read (${code})`
  return new UnusableFile(`${path} ${what}`, 'Correct the name, or let the agent’s user read it.', error)
}
