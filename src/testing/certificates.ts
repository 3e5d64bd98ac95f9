import 'reflect-metadata' // @peculiar/x509 needs it
import { createPrivateKey, webcrypto, type KeyObject } from 'node:crypto'
import {
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate with its key. */
export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

export interface Lifetime {
  readonly from: Date
  readonly until: Date
}

const dayMs = 86_400_000
/** From yesterday to the day after tomorrow. */
export const lately = (): Lifetime => ({ from: new Date(Date.now() - dayMs), until: new Date(Date.now() + 2 * dayMs) })

/** An authority that signs itself. */
export const makeAuthority = (name: string): Promise<Certificate> =>
  certificate(`DC=org, DC=example, CN=${name}`, null, lately(), [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ])

/** @param names of hosts, and IP addresses */
export const makeServer = (issuer: Certificate, names: readonly string[], life = lately()): Promise<Certificate> =>
  certificate(`DC=org, DC=example, CN=${names[0]!}`, issuer, life, [
    new SubjectAlternativeNameExtension(
      names.map((value) => ({ type: /^[\d.]+$/u.test(value) ? 'ip' : 'dns', value }) as const),
    ),
    new BasicConstraintsExtension(false, undefined, true),
  ])

export const makeUser = (issuer: Certificate, name: string, life = lately()): Promise<Certificate> =>
  certificate(`DC=org, DC=example, CN=${name}`, issuer, life, [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  ])

/** A proxy certificate (RFC 3820) that may do all its user may, as the one file in which proxies are kept: certificate, key, chain. */
export async function makeProxy(user: Certificate, life = lately()): Promise<string> {
  const serial = String(Math.floor(Math.random() * 1e9))
  const subject = `${new X509Certificate(user.cert).subject}, CN=${serial}`
  // ProxyCertInfo with the policy "inherit all".
  const info = new Extension('1.3.6.1.5.5.7.1.14', true, Buffer.from('300c300a06082b06010505071501', 'hex'))
  const proxy = await certificate(subject, user, life, [
    info,
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  ])
  return `${proxy.cert}\n${proxy.key}\n${user.cert}\n`
}

const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const

async function certificate(
  subject: string,
  issuer: Certificate | null,
  { from, until }: Lifetime,
  extensions: Extension[],
): Promise<Certificate> {
  const keys = await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify'])
  const signer = issuer === null ? null : createPrivateKey(issuer.key)
  const made = await X509CertificateGenerator.create({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex'),
    subject,
    issuer: issuer === null ? subject : new X509Certificate(issuer.cert).subject,
    notBefore: from,
    notAfter: until,
    publicKey: keys.publicKey,
    signingKey: signer === null ? keys.privateKey : cryptoKeyOf(signer),
    signingAlgorithm: signer?.asymmetricKeyType === 'rsa' ? rsa : ec,
    extensions,
  })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return {
    cert: made.toString('pem'),
    key: createPrivateKey({ key, format: 'der', type: 'pkcs8' })
      .export({ format: 'pem', type: 'pkcs8' })
      .toString()
      .trim(),
  }
}

const cryptoKeyOf = (key: KeyObject) => key.toCryptoKey(key.asymmetricKeyType === 'rsa' ? rsa : ec, false, ['sign'])
