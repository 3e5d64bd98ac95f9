import { ageOf, hintOfAge, type Life } from '../model/credential.ts'
import type { ErrorCode } from '../model/errors.ts'
import type { ClientCertificate } from './client-certificate.ts'
import { RucioError } from './errors.ts'

/** The clause after "Cannot" of all that goes wrong. */
export const signInClause = (account: string | null): string =>
  account === null ? 'sign in to Rucio' : `sign in to Rucio as ${account}`

export const isHeaderText = (text: string): boolean => /^[\x20-\x7e\x80-\xff]+$/.test(text)

/** Says so if something is not yet, or no longer, good by our clock; else null. */
export function notValidNow(
  what: string,
  kind: string,
  { file, life }: { readonly file: string; readonly life: Life },
  now: Date,
): RucioError | null {
  const age = ageOf(life, now)
  if (age === 'good') return null
  const when =
    age === 'expired' ? `expired at ${life.until!.toISOString()}` : `is not valid before ${life.from!.toISOString()}`
  return new RucioError('CREDENTIAL_NOT_VALID', `Cannot ${what}: the ${kind} ${file} ${when}`, { hint: hintOfAge(age) })
}

/**
 * What a sign-in that failed says of the certificate. A server that finds it too old, or too young, refuses it while TLS shakes
 * hands: without an answer, and with an alert that does not always arrive.
 */
export function blameCertificate(what: string, certificate: ClientCertificate, error: unknown, now: Date): unknown {
  if (!(error instanceof RucioError)) return error
  const answered = error.status !== null && error.status >= 400 && error.status < 500 // nginx says 400, in HTML
  const refused = answered || (error.status === null && error.code === 'SIGN_IN_REFUSED')
  const broken = error.status === null && error.code === 'RUCIO_UNREACHABLE'
  if (!refused && !broken) return error
  const dead = notValidNow(what, certificate.kind, certificate, now)
  if (dead !== null) return dead
  if (!refused) return error
  const { status, exceptionClass, message } = error
  return new RucioError(
    'SIGN_IN_REFUSED',
    `${message} (with the ${certificate.kind} ${certificate.file} of ${certificate.subject})`,
    {
      status,
      exceptionClass,
      hint:
        status === null
          ? 'Have the server trust the authority that issued the certificate. If the message says expired, check the clocks of both machines.'
          : 'Map that identity (type X509) to the account in Rucio, and check rucio.account.',
    },
    error,
  )
}

/** What errors mean in a sign-in, which asks for nothing that could be wrong but the credential: else it is the server. */
const inSignIn: Partial<Record<ErrorCode, ErrorCode>> = {
  RUCIO_FAILED: 'RUCIO_OVERLOADED',
  RUCIO_BROKEN_ANSWER: 'RUCIO_OVERLOADED',
  RUCIO_REFUSED: 'SIGN_IN_REFUSED',
  NOT_ALLOWED: 'SIGN_IN_REFUSED',
  SCOPE_UNKNOWN: 'SIGN_IN_REFUSED',
  DID_GONE: 'SIGN_IN_REFUSED',
}

export function siteAtFault(error: unknown): unknown {
  const code = error instanceof RucioError ? inSignIn[error.code] : undefined
  if (!(error instanceof RucioError) || code === undefined) return error
  const { message, status, exceptionClass, afterMs } = error
  return new RucioError(code, message, { status, exceptionClass, afterMs }, error)
}
