import { isInScope, type Principal, type Scope } from './principal.ts'

/** The part of the data that a request is about. */
export type DataPlace =
  | { readonly type: 'key'; readonly bucket: string; readonly key: string }
  /** All keys of the bucket that begin so; empty: the whole bucket. */
  | { readonly type: 'keys'; readonly bucket: string; readonly prefix: string }
  /** What holds for a bucket as such: whoever may see any part of it may know. */
  | { readonly type: 'bucket'; readonly bucket: string }

/** Whether all of the place lies inside one of the scopes. */
export function isPlaceInScope(scopes: Principal['scopes'], place: DataPlace): boolean {
  if (scopes === undefined) return true
  switch (place.type) {
    case 'key':
      return isInScope(scopes, place.bucket, place.key)
    case 'keys':
      // Whatever begins with the longer prefix begins with the shorter one.
      return isInScope(scopes, place.bucket, place.prefix)
    case 'bucket':
      return scopes.some((scope) => coversName(scope, place.bucket))
  }
}

function coversName({ bucket, isBucketPrefix }: Scope, name: string): boolean {
  return isBucketPrefix ? name.startsWith(bucket) : name === bucket
}
