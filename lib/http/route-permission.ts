import type { DataPlace } from '../security/data-place.ts'
import type { Permission } from '../security/principal.ts'
import { bucketOf, keyOf } from './target.ts'

/** Where a request's data stands, from its target alone. @throws what the route itself would throw */
export type PlaceOf = (target: string) => DataPlace

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
  | { readonly needs: 'read' | 'write' | 'administer'; readonly at: PlaceOf }
  | { readonly needs: 'present' | 'read'; readonly inParts: string }

/** The key that the path names. */
export const keyInPath: PlaceOf = (target) => ({ type: 'key', bucket: bucketOf(target), key: keyOf(target) })

/** The bucket that the path names, all of it. */
export const wholeBucketInPath: PlaceOf = (target) => ({ type: 'keys', bucket: bucketOf(target), prefix: '' })

/** What holds for the bucket that the path names. */
export const bucketInPath: PlaceOf = (target) => ({ type: 'bucket', bucket: bucketOf(target) })
