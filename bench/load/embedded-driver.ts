import { type Bucket, connect, toCausalContext } from '../../lib/index.ts'
import type { KeySpace } from './key-space.ts'
import type { Driver, Lane, OperationOutcome } from './lane.ts'

/** Starling's own client, one for all lanes, as a program would have it. */
export async function openEmbeddedDriver(
  keys: KeySpace,
  ports: readonly number[],
  bucket: string,
  laneCount: number,
): Promise<Driver> {
  const database = await connect(ports.map((port) => `127.0.0.1:${port}`))
  const lane = new EmbeddedLane(keys, database.bucket(bucket))
  return { lanes: Array.from({ length: laneCount }, () => lane), close: () => database.close() }
}

class EmbeddedLane implements Lane {
  readonly #keys: KeySpace
  readonly #bucket: Bucket<Uint8Array>

  constructor(keys: KeySpace, bucket: Bucket<Uint8Array>) {
    this.#keys = keys
    this.#bucket = bucket
  }

  put(key: number, done: (outcome: OperationOutcome) => void): void {
    const value = Buffer.allocUnsafe(this.#keys.valueBytes)
    this.#keys.fillValue(key, value, 0)
    const known = this.#keys.contexts[key]
    const options = known === undefined ? {} : { context: toCausalContext(known) }
    this.#bucket.put(this.#keys.name(key), value, options).then(
      (context) => {
        this.#keys.contexts[key] = context
        done('done')
      },
      () => done('failed'),
    )
  }

  get(key: number, done: (outcome: OperationOutcome) => void): void {
    this.#bucket.get(this.#keys.name(key)).then(
      (found) => {
        const [first, second] = found?.siblings ?? []
        if (found === undefined || first === undefined) return done('failed')
        if (second !== undefined) {
          if (!this.#keys.isBeingWritten(key)) this.#keys.contexts[key] = found.context
          return done('siblings')
        }
        done(this.#keys.isValueOf(key, first.value, 0, first.value.length) ? 'done' : 'failed')
      },
      () => done('failed'),
    )
  }
}
