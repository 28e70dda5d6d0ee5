import type { DataPlace } from '../security/data-place.ts'
import type { Permission } from '../security/principal.ts'
import { bucketOf, keyOf } from './target.ts'

/** Where the data of a request stands, from its target alone. */
export interface PlaceInTarget {
  /** For documents. */
  readonly words: string
  /** @throws what the route itself would throw */
  of(target: string): DataPlace
}

/**
 * What a route needs of whoever asks. Every route has one; there is no default.
 *
 * A word: the permission, and nothing of the data is touched. `open`: nobody is asked, and why that is right. `at`: the
 * permission, for the data that stands there. `inParts`: the permission for some data at least; the route itself asks
 * about each part (`Exchange.denialOf`), and how it answers what is not allowed.
 */
export type RoutePermission =
  | Exclude<Permission, 'read' | 'write'>
  | { readonly open: string }
  | { readonly needs: 'read' | 'write' | 'administer'; readonly at: PlaceInTarget }
  | { readonly needs: 'read'; readonly inParts: string }

/** Whoever asks is asked nothing. */
export function isOpen(permission: RoutePermission): permission is { readonly open: string } {
  return typeof permission === 'object' && 'open' in permission
}

/** In words, for documents. */
export function permissionText(permission: RoutePermission): string {
  if (typeof permission === 'string') return permission
  if ('open' in permission) return `none: ${permission.open}`
  return `${permission.needs}${'at' in permission ? ` ${permission.at.words}` : `; ${permission.inParts}`}`
}

/** The key that the path names. */
export const keyInPath: PlaceInTarget = {
  words: 'on the key',
  of: (target) => ({ type: 'key', bucket: bucketOf(target), key: keyOf(target) }),
}

/** The bucket that the path names, all of it. */
export const wholeBucketInPath: PlaceInTarget = {
  words: 'on the whole bucket',
  of: (target) => ({ type: 'keys', bucket: bucketOf(target), prefix: '' }),
}

/** What holds for the bucket that the path names. */
export const bucketInPath: PlaceInTarget = {
  words: 'on some of the bucket',
  of: (target) => ({ type: 'bucket', bucket: bucketOf(target) }),
}

/** The keys of the bucket that the path names, as far as the query asks for them. */
export function keysListed(prefixOf: (target: string) => string): PlaceInTarget {
  return {
    words: 'on all keys of the prefix',
    of: (target) => ({ type: 'keys', bucket: bucketOf(target), prefix: prefixOf(target) }),
  }
}
