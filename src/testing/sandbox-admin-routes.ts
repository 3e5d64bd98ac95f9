import { addAccount, addIdentity, addScope, makeAdmin } from './sandbox-accounts.ts'
import { created } from './sandbox-answers.ts'
import { addProtocol, addRse } from './sandbox-replicas.ts'
import type { Route } from './sandbox-route.ts'
import { conflicts, route } from './sandbox-route.ts'
import { allow, isAdmin } from './sandbox-world.ts'

const setUp = {
  ...conflicts('Duplicate'),
  AccessDenied: 401,
  InvalidObject: 400,
  AccountNotFound: 404,
  RSENotFound: 404,
}

/** As much as it takes to fill a server over REST. */
export const administering: readonly Route[] = [
  route('POST', /^\/accounts\/([^/]+)\/scopes\/([^/]+)$/, null, setUp, (call, world) => {
    addScope(world, call.account, call.parts[1]!, call.parts[0]!)
    return created
  }),
  route('POST', /^\/accounts\/([^/]+)$/, null, setUp, (call, world) => {
    addAccount(world, call.account, call.parts[0]!)
    return created
  }),
  route('POST', /^\/accounts\/([^/]+)\/attr\/admin$/, null, setUp, (call, world) => {
    makeAdmin(world, call.account, call.parts[0]!)
    return created
  }),
  route('PUT', /^\/identities\/([^/]+)\/userpass$/, null, setUp, ({ parts: [account], header }, world) => {
    addIdentity(world, account!, header('x-rucio-username') ?? '', header('x-rucio-password') ?? '')
    return created
  }),
  // Gives a username that another account has to this one as well.
  route('POST', /^\/accounts\/([^/]+)\/identities$/, null, setUp, (call, world) => {
    allow(call.account === 'root', call.account, 'add identity')
    addIdentity(world, call.parts[0]!, String(call.field('identity')), String(call.field('password')))
    return created
  }),
  route('POST', /^\/rses\/([^/]+)$/, null, setUp, (call, world) => {
    allow(isAdmin(world, call.account), call.account, 'add RSE')
    addRse(world, {
      name: call.parts[0]!,
      prefix: null,
      type: call.fieldOr('rse_type', 'DISK') === 'TAPE' ? 'TAPE' : 'DISK',
      deterministic: call.fieldOr('deterministic', true) === true,
    })
    return created
  }),
  route('POST', /^\/rses\/([^/]+)\/protocols\/file$/, null, setUp, (call, world) => {
    addProtocol(world, call.parts[0]!, String(call.field('prefix')))
    return created
  }),
  // The only algorithm here is `identity`.
  route('POST', /^\/rses\/([^/]+)\/attr\/lfn2pfn_algorithm$/, null, setUp, () => created),
]
