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

const authorities = 'Add the authority that issued its certificate to rucio.ca (a PEM file or a directory of them).'

/** What OpenSSL says of the server's certificate (X509_verify_cert_error_string(3)) and Node of its name. */
const mistrust: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['no authority that is trusted here has signed its certificate', authorities],
  UNABLE_TO_GET_ISSUER_CERT: ['no authority that is trusted here has signed its certificate', authorities],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['no authority that is trusted here has signed its certificate', authorities],
  SELF_SIGNED_CERT_IN_CHAIN: ['its certificate leads to an authority that is not trusted here', authorities],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['its certificate is signed by itself, and not trusted here', authorities],
  CERT_HAS_EXPIRED: [
    'its certificate, or that of an authority above it, has expired',
    'Compare the clock of this machine; if it is right, the server, or rucio.ca, needs a new certificate.',
  ],
  CERT_NOT_YET_VALID: [
    'its certificate is not valid yet',
    'Compare the clock of this machine; if it is right, the server needs another certificate.',
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'its certificate is that of another host',
    'Write into rucio.host (rucio.authHost) a name that the certificate has.',
  ],
}

/** Alerts by which a server refuses what we show of ourselves (RFC 8446, 6.2), as Node's codes end. */
const refusals: Readonly<Record<string, string>> = {
  BAD_CERTIFICATE: 'bad certificate',
  UNSUPPORTED_CERTIFICATE: 'unsupported certificate',
  CERTIFICATE_REVOKED: 'certificate revoked',
  CERTIFICATE_EXPIRED: 'certificate expired',
  CERTIFICATE_UNKNOWN: 'certificate unknown',
  UNKNOWN_CA: 'unknown authority',
  ACCESS_DENIED: 'access denied',
  CERTIFICATE_REQUIRED: 'certificate required',
}

/**
 * What an error of a connection says, if it is one of TLS.
 * @param code Node's
 */
export function tlsFault(code: string, message: string): TlsFault | null {
  const server = mistrust[code]
  if (server !== undefined) {
    // Node's own words name the host, and the names that the certificate has.
    const names = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? ` (${message})` : ''
    return { code: 'RUCIO_NOT_TRUSTED', what: `${server[0]}${names}`, hint: server[1] }
  }
  const [, alert] = /^ERR_SSL_\w*?ALERT_(\w+)$/u.exec(code) ?? []
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
    hint: 'Check that rucio.host speaks TLS 1.2 or newer at that port.',
  }
}
