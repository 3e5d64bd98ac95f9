import { authenticate, signIn } from './sandbox-accounts.ts'
import type { Reply } from './sandbox-answers.ts'
import { failed, json, page, refusal, severalAccounts, signedIn } from './sandbox-answers.ts'
import type { RawRequest } from './sandbox-request.ts'
import { callOf, headerOf, pathOf, Refused } from './sandbox-request.ts'
import type { Route } from './sandbox-route.ts'
import { routes } from './sandbox-routes.ts'
import type { World } from './sandbox-world.ts'
import { RucioException, rucioDate } from './sandbox-world.ts'

/** One request, in the order in which Rucio looks at it: path, method, token, Accept, and then what it asks for. */
export function respond(world: World, request: RawRequest): Reply {
  const path = pathOf(request.url)
  if (path === '/ping') return json({ version: world.version })
  if (path === '/auth/userpass') return login(world, request)
  // Who comes without TLS has shown no certificate.
  if (/^\/auth\/x509(_proxy)?$/u.test(path)) return refusal(401, 'CannotAuthenticate', 'Cannot get DN')
  const candidates = routes.filter((route) => route.path.test(path))
  const route = candidates.find(({ method }) => method === request.method)
  if (route === undefined) return page(candidates.length > 0 ? 405 : 404)
  try {
    const account = accountOf(world, headerOf(request, 'x-rucio-auth-token'))
    checkAccept(route, headerOf(request, 'accept'))
    const parts = route.path.exec(path)!.slice(1)
    return route.answer(callOf(request, account, parts), world)
  } catch (error) {
    return error instanceof Refused ? error.reply : failed(error, route.statuses)
  }
}

function login(world: World, request: RawRequest): Reply {
  const [account, username, password] = ['account', 'username', 'password'].map((what) =>
    headerOf(request, `x-rucio-${what}`),
  )
  try {
    const token = signIn(world, account ?? null, username ?? null, password ?? null)
    if (!('token' in token)) return severalAccounts(token)
    return signedIn({
      'X-Rucio-Auth-Token': token.token,
      'X-Rucio-Auth-Token-Expires': rucioDate(token.expires),
      'X-Rucio-Auth-Account': token.account,
    })
  } catch (error) {
    return failed(error, { CannotAuthenticate: 401 })
  }
}

function accountOf(world: World, token: string | null): string {
  if (token === null || token === '') throw new Refused(400, 'ValueError', 'Token must be set.')
  try {
    return authenticate(world, token)
  } catch (error) {
    if (error instanceof RucioException) throw new Refused(401, error.exceptionClass, error.message)
    throw error
  }
}

function checkAccept({ accept }: Route, given: string | null): void {
  if (accept === null || given === null) return
  const types = given.split(',').map((type) => type.replace(/;.*/s, '').trim())
  if (types.some((type) => type === accept || type === '*/*' || type === 'application/*')) return
  const message = `The requested content type ${given} is not supported. Use ['${accept}'].`
  throw new Refused(406, 'UnsupportedRequestedContentType', message)
}
