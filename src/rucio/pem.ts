import { X509Certificate } from 'node:crypto'
import { UnusableFile } from './secret-file.ts'

/** A certificate, and the text that it was read from. */
export interface PemCertificate {
  readonly pem: string
  readonly certificate: X509Certificate
}

/** Blocks of a text in PEM (RFC 7468). `label`: a regular expression. */
export const pemBlocks = (text: string, label: string): readonly string[] =>
  text.match(new RegExp(`-----BEGIN ${label}-----[^]*?-----END ${label}-----`, 'gu')) ?? []

/** The certificates in a text, but for those that cannot be read. */
export const certificatesIn = (text: string): readonly PemCertificate[] =>
  pemBlocks(text, 'CERTIFICATE').flatMap((pem) => {
    try {
      return [{ pem, certificate: new X509Certificate(pem) }]
    } catch {
      return []
    }
  })

/**
 * The certificates in a file, each of which can be read, and none of which was cut.
 * @throws UnusableFile
 */
export function allCertificatesIn(file: string, text: string): readonly PemCertificate[] {
  const found = certificatesIn(text)
  const begun = text.match(/-----BEGIN/gu)?.length ?? 0
  const ended = text.match(/-----END [A-Z ]*-----/gu)?.length ?? 0
  if (begun !== ended || found.length < pemBlocks(text, 'CERTIFICATE').length)
    throw new UnusableFile(`${file} holds a certificate that cannot be read`, 'Write it anew; it may have been cut.')
  return found
}
