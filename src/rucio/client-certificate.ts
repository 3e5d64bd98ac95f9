import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto'
import type { Life } from '../model/credential.ts'
import { allCertificatesIn, pemBlocks } from './pem.ts'
import { readSecret, readText, UnusableFile, type SecretRules } from './secret-file.ts'

/** A certificate or proxy with its key, to be shown to TLS. */
export interface ClientCertificate {
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

/** @throws UnusableFile */
export async function readCertificate(cert: string, key: string, rules: SecretRules): Promise<ClientCertificate> {
  const text = await readText(cert, null)
  return clientCertificate('certificate', { file: cert, text }, { file: key, text: await readSecret(key, rules) })
}

/**
 * A proxy certificate as RFC 3820 and its tools have it: certificate, key and chain in one file.
 * @throws UnusableFile
 */
export async function readProxy(file: string, rules: SecretRules): Promise<ClientCertificate> {
  const text = await readSecret(file, rules)
  return clientCertificate('proxy', { file, text }, { file, text })
}

interface TextOfFile {
  readonly file: string
  readonly text: string
}

function clientCertificate(kind: ClientCertificate['kind'], cert: TextOfFile, key: TextOfFile): ClientCertificate {
  const lacking = (what: 'certificate' | 'private key') =>
    kind === 'proxy'
      ? 'Make the proxy anew: certificate, key and chain in one file.'
      : `Name the PEM file with the ${what}.`
  const chain = allCertificatesIn(cert.file, cert.text)
  const certificates = chain.map(({ certificate }) => certificate)
  const [leaf] = certificates
  if (leaf === undefined) throw new UnusableFile(`${cert.file} holds no PEM certificate`, lacking('certificate'))
  const [pem] = pemBlocks(key.text, '[A-Z ]*PRIVATE KEY')
  if (pem === undefined) throw new UnusableFile(`${key.file} holds no PEM private key`, lacking('private key'))
  if (!leaf.checkPrivateKey(privateKey(key.file, pem)))
    throw new UnusableFile(
      key.file === cert.file
        ? `${key.file} holds a key that is not that of its certificate`
        : `${key.file} is not the key of the certificate ${cert.file}`,
      lacking('private key'),
    )
  return {
    kind,
    file: cert.file,
    cert: chain.map((each) => each.pem).join('\n'),
    key: pem,
    subject: subjectOf(certificates),
    life: {
      from: new Date(Math.max(...certificates.map(({ validFromDate }) => validFromDate.getTime()))),
      until: new Date(Math.min(...certificates.map(({ validToDate }) => validToDate.getTime()))),
      issued: null,
    },
  }
}

function privateKey(file: string, pem: string): KeyObject {
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
