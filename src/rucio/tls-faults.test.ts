import { expect, test } from '@jest/globals'
import { tlsFault } from './tls-faults.ts'

test.each([
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'RUCIO_NOT_TRUSTED', /no authority that is trusted here/u, /rucio\.ca/u],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'RUCIO_NOT_TRUSTED', /not trusted here/u, /rucio\.ca/u],
  ['CERT_REVOKED', 'RUCIO_NOT_TRUSTED', /cannot be trusted \(CERT_REVOKED\)/u, /rucio\.ca/u],
  ['INVALID_CA', 'RUCIO_NOT_TRUSTED', /cannot be trusted \(INVALID_CA\)/u, /rucio\.ca/u],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'RUCIO_NOT_TRUSTED', /another host \(as Node says\)/u, /rucio\.host/u],
  ['CERT_HAS_EXPIRED', 'RUCIO_NOT_TRUSTED', /has expired/u, /clock/u],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'SIGN_IN_REFUSED', /our certificate: certificate expired/u, /expired/u],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'SIGN_IN_REFUSED', /our certificate: unknown authority/u, /authority/u],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'SIGN_IN_REFUSED', /wants a certificate/u, /x509_proxy/u],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'RUCIO_UNREACHABLE', /TLS fails/u, /TLS 1\.2/u],
  ['EPROTO', 'RUCIO_UNREACHABLE', /TLS fails/u, /TLS 1\.2/u],
])('tlsFault(%s) is %s', (nodeCode, code, what, hint) => {
  expect(tlsFault(nodeCode, 'as Node says')).toEqual({
    code,
    what: expect.stringMatching(what) as unknown,
    hint: expect.stringMatching(hint) as unknown,
  })
})

test.each(['ECONNRESET', 'ECONNREFUSED', 'ENOTFOUND', '', 'constructor'])('tlsFault(%s) is none', (code) => {
  expect(tlsFault(code, '')).toBeNull()
})
