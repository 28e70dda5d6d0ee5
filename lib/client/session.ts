import { Bucket, type BucketParts } from './bucket.ts'
import { bytes, type Codec } from './codec.ts'

/**
 * One session of a client: none of its reads finds less of a key than the session has seen or written of it, at whatever
 * `r`, through whatever node. A read that nobody in reach can answer so rejects with `SessionUnavailable`.
 */
export class Session {
  readonly #parts: BucketParts

  /** Made by `Database.session`. */
  constructor(parts: BucketParts) {
    this.#parts = parts
  }

  /**
   * A bucket as `Database.bucket` gives it, whose requests belong to this session.
   *
   * @throws {InvalidBucket}
   */
  bucket(name: string): Bucket<Uint8Array>
  bucket<Value>(name: string, options: { readonly codec: Codec<Value> }): Bucket<Value>
  bucket<Value>(name: string, options?: { readonly codec: Codec<Value> }): Bucket<Value> | Bucket<Uint8Array> {
    return options === undefined ? new Bucket(this.#parts, name, bytes) : new Bucket(this.#parts, name, options.codec)
  }
}
