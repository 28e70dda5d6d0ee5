import type { ClientRequest } from '../protocol/quorum/client-request.ts'
import type { DataPlace } from '../security/data-place.ts'
import type { Permission } from '../security/principal.ts'
import type { Request } from '../wire/messages.ts'
import type { RequestOf } from './data-handlers.ts'

/** A permission, for the part of the data that stands there. */
export interface Need {
  readonly permission: Permission
  readonly place: DataPlace
}

/**
 * What a kind of frame request needs of an embedded client. There is no default: whoever adds a kind says it here.
 *
 * `members only`: it could change a replica or the member list. A word: the permission, and nothing of the data is
 * touched. `need`: what this request needs. `needOfEach`: what each request in it needs; those that are not allowed are
 * refused in their places, and the others are served.
 */
export type RequestPermission<Type extends Request['type'] = Request['type']> =
  | 'members only'
  | Exclude<Permission, 'read' | 'write' | 'administer'>
  | { need(message: RequestOf<Type>): Need }
  | { needOfEach(request: ClientRequest): Need }

export const requestPermissions: { readonly [Type in Request['type']]: RequestPermission<Type> } = {
  coordinate: { need: ({ request }) => needOf(request) },
  'coordinate-many': { needOfEach: needOf },
  scan: {
    // Its other bounds only narrow it.
    need: ({ range }) => ({
      permission: 'read',
      place: { type: 'keys', bucket: range.bucket, prefix: range.prefix },
    }),
  },
  'read-bucket': { need: ({ bucket }) => ({ permission: 'read', place: { type: 'bucket', bucket } }) },
  'set-bucket': {
    need: ({ bucket }) => ({ permission: 'administer', place: { type: 'keys', bucket, prefix: '' } }),
  },
  // Without it no client finds an owner.
  discover: 'present',
  'take-stock': 'observe',
  'write-record': 'members only',
  'read-record': 'members only',
  'pull-layout': 'members only',
  'exchange-members': 'members only',
  probe: 'members only',
  'keep-row': 'members only',
  'recall-row': 'members only',
  'list-keys': 'members only',
  'pull-partition': 'members only',
  'store-hint': 'members only',
  'read-hint': 'members only',
  'merge-records': 'members only',
  'tell-stable': 'members only',
  'confirm-tombstones': 'members only',
  'raise-barrier': 'members only',
  'drop-tombstones': 'members only',
  'tell-barriers': 'members only',
  'copy-partition': 'members only',
  'hand-over': 'members only',
  exchange: 'members only',
  'explain-replica': 'members only',
  'propose-layout': 'members only',
  'tell-sizes': 'members only',
  'abort-first-layout': 'members only',
  'layout-prepare': 'members only',
  'layout-accept': 'members only',
  'handed-back': 'members only',
  'list-index': 'members only',
  'tell-buckets': 'members only',
  'tell-secret': 'members only',
  'change-secret': 'members only',
  'change-tokens': 'members only',
}

function needOf({ type, bucket, key }: ClientRequest): Need {
  return { permission: type === 'get' ? 'read' : 'write', place: { type: 'key', bucket, key } }
}
