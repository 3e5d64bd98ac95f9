import { credentialUnusable, interrupted, RucioError } from './errors.ts'
import type { HttpRequest } from './http.ts'
import { refuse, skip } from './read.ts'
import { readInTime } from './read-in-time.ts'
import { persist, type Patience } from './retry.ts'
import type { MethodOfType, Session, SessionOptions } from './session.ts'
import { shared } from './shared.ts'
import { isHeaderText, notValidNow, signInClause, siteAtFault } from './sign-in-errors.ts'
import type { TokenInFile } from './token-file.ts'

/** How long a token that was refused is not shown again, and how long one that may be half written has to become whole. */
const refusedMs = 60_000
const settleMs = 1000

interface RefusedToken {
  readonly value: string
  readonly why: RucioError
  /** By the clock that only goes on. */
  readonly at: number
}

/**
 * A token that somebody else renews in its file. A new one is shown to Rucio by one call alone: it saves a JWT that it sees for the
 * first time, and of several calls that come with it, it refuses all but one (docs/rucio.md, "Foreign tokens"). One that was refused is
 * shown again after a minute: its account may have been mapped meanwhile, or the server have been at fault.
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
  const mayShow = ({ value }: TokenInFile): boolean =>
    refused?.value !== value || options.clock() - refused.at >= refusedMs

  return {
    token: shared(async (signal) => {
      const { patience, now } = options
      const readPatiently = () => persist(what, () => read(signal), patience, signal)
      let found = await readPatiently()
      if (found.value === known) return known
      if (mayShow(found)) {
        refused = await introduce(what, account, found, options, signal)
        if (refused !== null) {
          // It was half written, or another program has shown it at the same moment.
          await pause(what, patience, signal)
          found = await readPatiently()
          refused = await introduce(what, account, found, options, signal)
        }
      }
      if (refused !== null) throw notValidNow(what, 'token', found, now()) ?? refusal(what, found, refused.why)
      return (known = found.value)
    }),
    forget(value, why) {
      if (known !== value) return
      known = null
      refused = { value, why, at: options.clock() }
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
  { host, send, patience, now, clock }: SessionOptions,
  signal: AbortSignal,
): Promise<RefusedToken | null> {
  const headers = { 'X-Rucio-Auth-Token': value }
  const request: HttpRequest = { what, method: 'GET', url: `${host}/accounts/whoami`, headers, body: null }
  const ask = async (): Promise<string | null> => {
    const answer = await send(request, signal)
    if (answer.status >= 400) await refuse(what, answer, [value], now())
    await skip(what, answer, signal)
    return ownerIn(answer.header('location'), request.url)
  }
  let owner: string | null
  try {
    owner = await persist(what, ask, patience, signal)
  } catch (error) {
    if (isRefusal(error)) return { value, why: error, at: clock() }
    throw siteAtFault(error)
  }
  if (account === null || owner === null || owner === account) return null
  throw new RucioError('SIGN_IN_REFUSED', `Cannot ${what}: the token in ${file} is that of the account ${owner}`, {
    hint: 'Correct rucio.account, or have another token written.',
  })
}

async function pause(what: string, { sleep }: Patience, signal: AbortSignal): Promise<void> {
  await sleep(settleMs, signal).catch((error: unknown) => {
    throw signal.aborted ? interrupted(what) : error
  })
}

/** Rucio redirects to the account, by a path that may be relative. null: something between us and Rucio has swallowed that. */
function ownerIn(location: string | null, asked: string): string | null {
  if (location === null || !URL.canParse(location, asked)) return null
  const [, owner] = /\/accounts\/([\w.-]+)$/u.exec(new URL(location, asked).pathname) ?? []
  return owner ?? null
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
