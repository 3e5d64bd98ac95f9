import type { Rereading } from '../io/rereading.ts'
import type { ClientCertificate } from './client-certificate.ts'
import type { RucioError } from './errors.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import type { Patience } from './retry.ts'
import type { TokenInFile } from './token-file.ts'

/**
 * How to prove who we are. Everything secret is asked for at each sign-in, so that it can be changed under a running agent.
 * `account`: null where Rucio shall say which account the identity has. `vo`: null where the server has only one.
 */
export type SignInMethod = { readonly account: string | null; readonly vo: string | null } & (
  | { readonly type: 'userpass'; readonly username: string; readonly password: () => Promise<string> }
  | { readonly type: 'x509' | 'x509_proxy'; readonly certificate: () => Promise<ClientCertificate> }
  | { readonly type: 'token'; readonly token: Rereading<TokenInFile> }
)
export type MethodOfType<T extends SignInMethod['type']> = Extract<SignInMethod, { type: T }>

/** Holds the token of one account. */
export interface Session {
  /**
   * A token that should still be good. Callers that come while one is being fetched share it.
   * @throws TapeRseError SIGN_IN_REFUSED, CREDENTIAL_UNUSABLE, CREDENTIAL_NOT_VALID, RUCIO_UNREACHABLE, RUCIO_OVERLOADED,
   * RUCIO_NOT_TRUSTED; INTERRUPTED
   */
  token(signal: AbortSignal): Promise<string>
  /** Rucio refused this token, and why: the next `token()` finds another, unless somebody has already. */
  forget(token: string, refusal: RucioError): void
}

export interface SessionOptions {
  /** Base URL of the server. */
  readonly host: string
  /** Base URL of the server that signs in. */
  readonly authHost: string
  readonly send: (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
  readonly patience: Patience
  readonly now: () => Date
  /** Milliseconds that only go on. */
  readonly clock: () => number
}
