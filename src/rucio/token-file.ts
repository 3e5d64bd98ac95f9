import type { Life } from '../model/credential.ts'
import { readSecret, UnusableFile, type SecretRules } from './secret-file.ts'

export interface TokenInFile {
  readonly file: string
  readonly value: string
  /** What the token says of itself; nothing if it is no JWT. */
  readonly life: Life
}

/**
 * A token for Rucio: a JWT, an OIDC access token, or one that Rucio gave. White space around it is dropped.
 * @throws UnusableFile
 */
export async function readToken(file: string, rules: SecretRules): Promise<TokenInFile> {
  const value = (await readSecret(file, rules)).trim()
  if (value === '') throw new UnusableFile(`${file} is empty`, 'Have the token written into it.')
  return { file, value, life: lifeOfJwt(value) }
}

const unknown: Life = { from: null, until: null, issued: null }

/** RFC 7519, 4.1.4 to 4.1.6. What is not a JWT says nothing; the signature is the server's business. */
function lifeOfJwt(token: string): Life {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return unknown
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Readonly<Record<string, unknown>>
    return { from: dateOf(claims['nbf']), until: dateOf(claims['exp']), issued: dateOf(claims['iat']) }
  } catch {
    return unknown
  }
}

/** Seconds since 1970. null: there is no such day. */
function dateOf(claim: unknown): Date | null {
  const date = typeof claim === 'number' ? new Date(claim * 1000) : null
  return date === null || Number.isNaN(date.getTime()) ? null : date
}
