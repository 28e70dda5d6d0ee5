import { type ConnectOptions, toClientSettings } from './client/client-settings.ts'
import { Database } from './client/database.ts'
import { createNames } from './platform/dns.ts'
import { createRandoms, systemSeed } from './platform/entropy.ts'
import { createCryptography } from './platform/node-cryptography.ts'
import { createSystemTime } from './platform/system-time.ts'
import { createStreams } from './platform/tcp.ts'
import { clientSecurity } from './platform/tls/client-security.ts'
import { ResolvedNames } from './platform/tls/resolved-names.ts'
import { loadApiTracer } from './platform/tracing/api-tracer.ts'
import { createHash } from './platform/xxhash.ts'

export * from './client/public.ts'

/**
 * Connects to a cluster: one of `seeds` is asked who the members are and who owns what, and then each request goes straight
 * to an owner of its key.
 *
 * @param seeds peer addresses of some nodes, as `host:port`; names are resolved, and again whenever nobody answers
 * @param options.cluster the cluster's name; default `starling`
 * @param options.token shows who asks, where nodes want to know
 * @param options.secret a key of the cluster's secret file, for programs that are trusted as its nodes are
 * @param options.tls speak TLS: `{ ca, cert?, key? }`, PEM texts
 * @param options.connectTimeoutMs milliseconds to keep trying, 1 to 60,000; default 10,000
 * @param options.signal stops it: rejects with the signal's reason
 * @throws {InvalidParameter} an option is out of its range, or the nodes belong to another cluster
 * @throws {Unauthenticated} the nodes want a token, and the one shown is not good
 * @throws {Unreachable} nobody answered in time
 * @throws {NoLayout} the cluster had not formed in time
 * @see docs/client-library.md
 */
export async function connect(seeds: readonly string[], options: ConnectOptions = {}): Promise<Database> {
  const settings = toClientSettings(seeds, options)
  const cryptography = createCryptography()
  const resolvedNames = new ResolvedNames()
  const security = clientSecurity(options, { cryptography, resolvedNames })
  const hash = await createHash()
  const random = createRandoms(systemSeed())('client')
  const tracer = await loadApiTracer('starling-kv')
  const database = new Database(
    {
      time: createSystemTime(),
      streams: createStreams({ security }),
      names: createNames(resolvedNames),
      hash,
      random,
      tracer,
    },
    settings,
  )
  try {
    await unlessAborted(database.connected(), options.signal)
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

function unlessAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
