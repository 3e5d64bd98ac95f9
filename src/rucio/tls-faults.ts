import type { ErrorCode } from '../model/errors.ts'
import { TapeRseError } from '../model/errors.ts'

/** What TLS found wrong, in words. */
export interface TlsFault {
  readonly code: Extract<ErrorCode, 'RUCIO_NOT_TRUSTED' | 'SIGN_IN_REFUSED' | 'RUCIO_UNREACHABLE'>
  readonly what: string
  readonly hint: string
}

/** The server is not who it should be, as far as we can tell. */
export const isMistrust = (error: unknown): boolean =>
  error instanceof TapeRseError && error.code === 'RUCIO_NOT_TRUSTED'

const addAuthority = 'Add the authority that issued its certificate to rucio.ca (a PEM file or a directory of them).'
const unsigned = ['no authority that is trusted here has signed its certificate', addAuthority] as const

/** What OpenSSL says of the server's certificate (X509_STORE_CTX_get_error(3)), and Node of its name. */
const mistrust = new Map<string, readonly [what: string, hint: string]>([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unsigned],
  ['UNABLE_TO_GET_ISSUER_CERT', unsigned],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unsigned],
  ['SELF_SIGNED_CERT_IN_CHAIN', ['its certificate leads to an authority that is not trusted here', addAuthority]],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', ['its certificate is signed by itself, and not trusted here', addAuthority]],
  [
    'CERT_HAS_EXPIRED',
    [
      'its certificate, or that of an authority above it, has expired',
      'Compare the clock of this machine; if it is right, the server, or rucio.ca, needs a new certificate.',
    ],
  ],
  [
    'CERT_NOT_YET_VALID',
    [
      'its certificate is not valid yet',
      'Compare the clock of this machine; if it is right, the server needs another certificate.',
    ],
  ],
  ...['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'].map(
    (code) =>
      [
        code,
        [
          'its certificate is that of another host',
          'Write into rucio.host (rucio.authHost) a name that the certificate has.',
        ],
      ] as const,
  ),
  ...[
    ...['UNABLE_TO_DECRYPT_CERT_SIGNATURE', 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', 'CERT_SIGNATURE_FAILURE'],
    ...['ERROR_IN_CERT_NOT_BEFORE_FIELD', 'ERROR_IN_CERT_NOT_AFTER_FIELD', 'CERT_CHAIN_TOO_LONG', 'CERT_REVOKED'],
    ...['INVALID_CA', 'PATH_LENGTH_EXCEEDED', 'INVALID_PURPOSE', 'CERT_UNTRUSTED', 'CERT_REJECTED'],
  ].map((code) => [code, [`its certificate cannot be trusted (${code})`, addAuthority]] as const),
])

/** Alerts by which a server refuses what we show of ourselves (RFC 8446, 6.2), as Node's codes end. */
const refusals: Partial<Record<string, string>> = {
  BAD_CERTIFICATE: 'bad certificate',
  UNSUPPORTED_CERTIFICATE: 'unsupported certificate',
  CERTIFICATE_REVOKED: 'certificate revoked',
  CERTIFICATE_EXPIRED: 'certificate expired',
  CERTIFICATE_UNKNOWN: 'certificate unknown',
  UNKNOWN_CA: 'unknown authority',
  ACCESS_DENIED: 'access denied',
}

/**
 * What an error of a connection says, if it is one of TLS.
 * @param code Node's
 */
export function tlsFault(code: string, message: string): TlsFault | null {
  const server = mistrust.get(code)
  if (server !== undefined) {
    // Node's own words name the host, and the names that the certificate has.
    const names = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? ` (${message})` : ''
    return { code: 'RUCIO_NOT_TRUSTED', what: `${server[0]}${names}`, hint: server[1] }
  }
  const [, alert] = /^ERR_SSL_\w*?ALERT_(\w+)$/u.exec(code) ?? []
  if (alert === 'CERTIFICATE_REQUIRED')
    return {
      code: 'SIGN_IN_REFUSED',
      what: 'the server wants a certificate',
      hint: 'Sign in by x509 or x509_proxy (rucio.auth).',
    }
  const refusal = alert === undefined ? undefined : refusals[alert]
  if (refusal !== undefined)
    return {
      code: 'SIGN_IN_REFUSED',
      what: `the server refuses our certificate: ${refusal}`,
      hint: 'Check that it has not expired, and that the server trusts the authority that issued it.',
    }
  if (!/^(ERR_SSL|ERR_TLS|CERT_|UNABLE_TO|EPROTO)/u.test(code)) return null
  return {
    code: 'RUCIO_UNREACHABLE',
    what: `TLS fails (${code})`,
    hint: 'Check that it speaks TLS 1.2 or newer at that port.',
  }
}
