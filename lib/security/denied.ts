import { Forbidden } from '../vocabulary/errors.ts'
import type { DataPlace } from './data-place.ts'
import { mayDo, type Permission, type Principal, roles } from './principal.ts'
import { formatScope } from './scope-text.ts'

/** What is said to somebody who is known and may not: what it needed, what they have, and what to do. */
export const denied = {
  role(principal: Principal, permission: Permission): Forbidden {
    const enough = roles.filter((role) => mayDo(role, permission)).join(' or ')
    return new Forbidden(
      `this needs the permission "${permission}", and ${nameOf(principal)} has the role "${principal.role}"`,
      {
        hint: `Use a token with the role ${enough}.`,
      },
    )
  },

  scope(principal: Principal, permission: Permission, place: DataPlace | undefined): Forbidden {
    const scopes = shortened((principal.scopes ?? []).map(formatScope).join(', '), 200)
    const needed = place === undefined ? 'of the whole cluster' : placeText(place)
    return new Forbidden(
      `this needs the permission "${permission}" ${needed}, and ${nameOf(principal)} is limited to ${scopes}`,
      { hint: place?.type === 'keys' ? narrower : 'Use a token whose scopes cover it.' },
    )
  },
}

const narrower = 'Ask with a prefix inside of the scopes, or use a token whose scopes cover all of it.'

function nameOf({ id, name }: Principal): string {
  return `${quoted(name)} (${id})`
}

function placeText(place: DataPlace): string {
  const bucket = `bucket ${quoted(place.bucket)}`
  if (place.type === 'key') return `on the key ${quoted(place.key)} of ${bucket}`
  if (place.type === 'bucket') return `on ${bucket}`
  return place.prefix === ''
    ? `on all keys of ${bucket}`
    : `on the keys of ${bucket} that begin with ${quoted(place.prefix)}`
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text))
}

/** Names may have a thousand bytes, and what is said should be read. */
function shortened(text: string, charsMax = 80): string {
  return text.length > charsMax ? `${text.slice(0, charsMax)}...` : text
}
