import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'

/** As testbed.py tells it. */
export interface IssuerConfig {
  readonly url: string
  /** File of the private key, PEM; made by the first issuer. */
  readonly key: string
  /** Claim `sub` of the agent. */
  readonly subject: string
}

export type Claims = Readonly<Record<string, unknown>>

/** An issuer of access tokens, as sites have one in WLCG IAM: as much of OpenID Connect as Rucio asks for. */
export interface Issuer {
  /** A JWT of the agent, good for an hour and for one Rucio, with other claims where `claims` has some; undefined leaves one out. */
  token(claims?: Claims): string
  close(): Promise<void>
}

/** On the port that Rucio knows. Several tests may have it up at once. */
export async function startIssuer({ url, key: file, subject }: IssuerConfig): Promise<Issuer> {
  const key = keyOf(file)
  const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'RS256' }
  const documents: Readonly<Record<string, unknown>> = {
    '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
    '/jwks': { keys: [jwk] },
  }
  const server = createServer(({ url: path = '' }, response) => {
    const document = documents[path]
    response.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  server.listen({ host: '127.0.0.1', port: Number(new URL(url).port), reusePort: true })
  await once(server, 'listening')
  return {
    token: (claims = {}) => signJwt(key, { ...claimsOf(url, subject), ...claims }),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

const KID = 'test'

/** What Rucio wants by default: the audience `rucio` and the scopes `openid profile`. */
function claimsOf(iss: string, sub: string): Claims {
  const now = Math.floor(Date.now() / 1000)
  return { iss, sub, aud: 'rucio', scope: 'openid profile', iat: now, exp: now + 3600, jti: randomUUID() }
}

/** RS256. */
export function signJwt(key: KeyObject, claims: Claims): string {
  const parts = [{ alg: 'RS256', typ: 'JWT', kid: KID }, claims]
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

export const makeKey = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

/** The same key for all issuers of a bed: Rucio fetches the public one once in twelve hours. */
function keyOf(file: string): KeyObject {
  const mine = `${file}.${randomUUID()}`
  writeFileSync(mine, makeKey().export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  try {
    linkSync(mine, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(mine)
  }
  return createPrivateKey(readFileSync(file))
}
