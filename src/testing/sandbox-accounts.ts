import { scopeName, validate } from './sandbox-schema.ts'
import type { World } from './sandbox-world.ts'
import { allow, isAdmin, newId, RucioException } from './sandbox-world.ts'

/** Life of a token; use does not prolong it. */
const TOKEN_MS = 3_600_000

export function addAccount(world: World, by: string, name: string): void {
  allow(by === 'root', by, 'add account')
  if (world.accounts.has(name)) throw new RucioException('Duplicate', `Account ID '${name}' already exists!`)
  world.accounts.set(name, { name, admin: name === 'root', identities: new Map() })
}

/** A second password for one username is an error that Rucio did not foresee. */
export function addIdentity(world: World, account: string, username: string, password: string): void {
  const { identities } = accountOf(world, account)
  if (identities.has(username))
    throw new RucioException('DatabaseException', 'An unknown Database Exception has occurred.')
  identities.set(username, password)
}

export function makeAdmin(world: World, by: string, name: string): void {
  allow(by === 'root', by, `add attribute`)
  const account = accountOf(world, name)
  if (account.admin) throw new RucioException('Duplicate', `Key admin already exist for account ${name}!`)
  account.admin = true
}

export function addScope(world: World, by: string, scope: string, owner: string): void {
  validate(scopeName, 'scope', scope)
  allow(isAdmin(world, by), by, 'add scope')
  accountOf(world, owner)
  if (world.scopes.has(scope)) throw new RucioException('Duplicate', `Scope '${scope}' already exists!`)
  world.scopes.set(scope, owner)
}

function accountOf(world: World, name: string) {
  const account = world.accounts.get(name)
  if (account === undefined) throw new RucioException('AccountNotFound', `Account ID '${name}' does not exist`)
  return account
}

export interface Token {
  readonly token: string
  readonly account: string
  readonly expires: Date
}

/**
 * The accounts that somebody without one in mind could have.
 * @throws RucioException CannotAuthenticate: whatever is wrong, it does not say what
 */
export function signIn(
  world: World,
  account: string | null,
  username: string | null,
  password: string | null,
): Token | readonly string[] {
  if (username === null || password === null)
    throw new RucioException('CannotAuthenticate', 'Cannot authenticate without passing all required arguments')
  const known = [...world.accounts.values()].filter(({ identities }) => identities.get(username) === password)
  if (account === null && known.length > 1) return known.map(({ name }) => name)
  const name = account ?? known[0]?.name
  if (name === undefined || world.accounts.get(name)?.identities.get(username) !== password)
    throw new RucioException('CannotAuthenticate', `Cannot authenticate to account ${name} with given credentials`)
  const token = `${name}-${username}-unknown-${newId(world)}`
  const expires = new Date(world.now().getTime() + TOKEN_MS)
  world.tokens.set(token, { account: name, expires })
  return { token, account: name, expires }
}

/** The account behind a token. */
export function authenticate(world: World, token: string): string {
  const known = world.tokens.get(token)
  if (known === undefined || known.expires <= world.now())
    throw new RucioException('CannotAuthenticate', 'Cannot authenticate with given credentials')
  return known.account
}

/** As if their hour were over. */
export function expireTokens(world: World, account: string): void {
  for (const token of world.tokens.values()) if (token.account === account) token.expires = world.now()
}
