import { pathToFileURL } from 'node:url'
import type * as Library from '../../lib/index.ts'
import type { KeySpace } from '../load/key-space.ts'
import type { Target } from '../load/orders.ts'
import type { Asked, Client, Done } from './client.ts'

/** Starling's own client with its own answers to overload: retries within its budget, and none beyond. */
export async function openEmbedded(
  keys: KeySpace,
  { ports, bucket, library }: Extract<Target, { type: 'embedded' }>,
  inFlightMax: number,
): Promise<Client> {
  const { connect, toCausalContext } = (await import(pathToFileURL(library).href)) as typeof Library
  const database = await connect(
    ports.map((port) => `127.0.0.1:${port}`),
    { inFlightMax },
  )
  const store = database.bucket(bucket)
  return {
    ask: ({ key, isWrite }: Asked, done: Done): void => {
      const refusedOr = (error: unknown): void =>
        done((error as { readonly code?: string }).code === 'overloaded' ? 'refused' : 'failed')
      if (!isWrite) {
        store.get(keys.name(key)).then(() => done('done'), refusedOr)
        return
      }
      const value = Buffer.allocUnsafe(keys.valueBytes)
      keys.fillValue(key, value, 0)
      const known = keys.contexts[key]
      store
        .put(keys.name(key), value, known === undefined ? {} : { context: toCausalContext(known) })
        .then((context) => {
          keys.contexts[key] = context
          done('done')
        }, refusedOr)
    },
    connectAll: async () => {},
    close: () => database.close(),
  }
}
