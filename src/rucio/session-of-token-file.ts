import { credentialUnusable, RucioError } from './errors.ts'
import type { HttpRequest } from './http.ts'
import { refuse, skip } from './read.ts'
import { readInTime } from './read-in-time.ts'
import { persist } from './retry.ts'
import type { MethodOfType, Session, SessionOptions } from './session.ts'
import { shared } from './shared.ts'
import { isHeaderText, notValidNow, signInClause, siteAtFault } from './sign-in-errors.ts'
import type { TokenInFile } from './token-file.ts'

interface RefusedToken {
  readonly value: string
  readonly why: RucioError
}

/**
 * A token that somebody else renews in its file. A new one is shown to Rucio by one call alone: it saves a JWT that it sees for the
 * first time, and of several calls that come with it, it refuses all but one (docs/rucio.md, "Foreign tokens"). One that was refused is
 * not shown again.
 */
export function sessionOfTokenFile({ account, token }: MethodOfType<'token'>, options: SessionOptions): Session {
  const what = signInClause(account)
  let known: string | null = null
  let refused: RefusedToken | null = null

  async function read(signal: AbortSignal): Promise<TokenInFile> {
    const found = await readInTime(what, 'the token', refused === null ? token.current() : token.renewed(), signal)
    if (isHeaderText(found.value)) return found
    throw credentialUnusable(what, `${found.file} holds what cannot be a token`, 'Have one written, in one line.')
  }
  return {
    token: shared(async (signal) => {
      const found = await persist(what, () => read(signal), options.patience, signal)
      if (found.value === known) return known
      if (refused?.value !== found.value) refused = await introduce(what, account, found, options, signal)
      if (refused !== null) throw notValidNow(what, 'token', found, options.now()) ?? refusal(what, found, refused.why)
      return (known = found.value)
    }),
    forget(value, why) {
      if (known !== value) return
      known = null
      refused = { value, why }
    },
  }
}

/**
 * Shows a new token to Rucio. null: it is taken.
 * @throws TapeRseError SIGN_IN_REFUSED if it is that of another account
 */
async function introduce(
  what: string,
  account: string | null,
  { file, value }: TokenInFile,
  { host, send, patience, now }: SessionOptions,
  signal: AbortSignal,
): Promise<RefusedToken | null> {
  const headers = { 'X-Rucio-Auth-Token': value }
  const request: HttpRequest = { what, method: 'GET', url: `${host}/accounts/whoami`, headers, body: null }
  const ask = () =>
    persist(
      what,
      async () => {
        const answer = await send(request, signal)
        if (answer.status >= 400) await refuse(what, answer, [value], now())
        await skip(what, answer, signal)
        return ownerIn(answer.header('location'), request.url)
      },
      patience,
      signal,
    )
  let owner: string | null
  try {
    // Another program may have shown it at the same moment.
    owner = await ask().catch((error: unknown) => {
      if (isRefusal(error)) return ask()
      throw error
    })
  } catch (error) {
    if (isRefusal(error)) return { value, why: error }
    throw siteAtFault(error)
  }
  if (account === null || owner === null || owner === account) return null
  throw new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: the token in ${file} is that of the account ${owner}`, {
    hint: 'Correct rucio.account, or have another token written.',
  })
}

/** Rucio redirects to the account, by a path that may be relative. null: something between us and Rucio has swallowed that. */
function ownerIn(location: string | null, asked: string): string | null {
  const [, owner] = /\/accounts\/([^/]+)$/u.exec(location === null ? '' : new URL(location, asked).pathname) ?? []
  return owner === undefined ? null : decodeURIComponent(owner)
}

const isRefusal = (error: unknown): error is RucioError =>
  error instanceof RucioError && error.exceptionClass === 'CannotAuthenticate'

const refusal = (what: string, { file }: TokenInFile, { message, status, exceptionClass }: RucioError): RucioError =>
  new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: Rucio refused the token in ${file}: ${afterColon(message)}`, {
    status,
    exceptionClass,
    hint: 'Have a new token written into the file. The subject and issuer of a JWT have to be mapped to the account in Rucio.',
  })

/** What follows "Cannot <verb> <thing>: ". */
const afterColon = (message: string): string => message.slice(message.indexOf(': ') + 2)
