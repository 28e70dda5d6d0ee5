import { pathToFileURL } from 'node:url'
import type * as Library from '../../lib/index.ts'
import type { KeySpace } from './key-space.ts'
import type { Driver, Lane, OperationOutcome } from './lane.ts'
import type { Target } from './orders.ts'

/** Starling's own client, one for all lanes, as a program would have it. */
export async function openEmbeddedDriver(
  keys: KeySpace,
  { ports, bucket, library, token, secret }: Extract<Target, { type: 'embedded' }>,
  laneCount: number,
): Promise<Driver> {
  const { connect, toCausalContext } = (await import(pathToFileURL(library).href)) as typeof Library
  const database = await connect(
    ports.map((port) => `127.0.0.1:${port}`),
    { token, secret },
  )
  const lane = new EmbeddedLane(keys, database.bucket(bucket), toCausalContext)
  return { lanes: Array.from({ length: laneCount }, () => lane), close: () => database.close() }
}

class EmbeddedLane implements Lane {
  readonly #keys: KeySpace
  readonly #bucket: Library.Bucket<Uint8Array>
  readonly #toContext: typeof Library.toCausalContext

  constructor(keys: KeySpace, bucket: Library.Bucket<Uint8Array>, toContext: typeof Library.toCausalContext) {
    this.#keys = keys
    this.#bucket = bucket
    this.#toContext = toContext
  }

  put(key: number, done: (outcome: OperationOutcome) => void): void {
    const value = Buffer.allocUnsafe(this.#keys.valueBytes)
    this.#keys.fillValue(key, value, 0)
    const known = this.#keys.contexts[key]
    const options = known === undefined ? {} : { context: this.#toContext(known) }
    this.#bucket.put(this.#keys.name(key), value, options).then(
      (context) => {
        this.#keys.contexts[key] = context
        done('done')
      },
      () => done('failed'),
    )
  }

  get(key: number, done: (outcome: OperationOutcome) => void, keepsContext: boolean): void {
    this.#bucket.get(this.#keys.name(key)).then(
      (found) => {
        const [first, second] = found?.siblings ?? []
        if (found === undefined || first === undefined) return done('failed')
        // Siblings show everything there is: the next write replaces all of it.
        if (keepsContext || (second !== undefined && !this.#keys.isBeingWritten(key))) {
          this.#keys.contexts[key] = found.context
        }
        if (second !== undefined) return done('siblings')
        done(this.#keys.isValueOf(key, first.value, 0, first.value.length) ? 'done' : 'failed')
      },
      () => done('failed'),
    )
  }

  scan(key: number, count: number, done: (outcome: OperationOutcome) => void): void {
    this.#scan(this.#keys.name(key), count).then(done, () => done('failed'))
  }

  async #scan(start: string, limit: number): Promise<OperationOutcome> {
    let last = ''
    for await (const { key, siblings } of this.#bucket.scan({ start, limit, values: true })) {
      // The first one is there: no key is ever deleted.
      if (siblings.length === 0 || (last === '' ? key !== start : key <= last)) return 'failed'
      last = key
    }
    return last === '' ? 'failed' : 'done'
  }
}
