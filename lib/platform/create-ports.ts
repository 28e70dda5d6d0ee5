import type { LogLevel } from '../ports/log.ts'
import type { Ports } from '../ports/ports.ts'
import { noTracer } from '../ports/tracer.ts'
import { createDataDirectory, storePathOf } from './data-directory.ts'
import { createNames } from './dns.ts'
import { createRandoms, formatSeed, systemSeed } from './entropy.ts'
import type { LevelSettings } from './level-storage.ts'
import { createCryptography } from './node-cryptography.ts'
import { createLog, type LogFormat } from './pino-log.ts'
import { createMetrics } from './prometheus-metrics.ts'
import { createSystemTime } from './system-time.ts'
import { createStreams } from './tcp.ts'
import { ResolvedNames } from './tls/resolved-names.ts'
import type { StreamSecurity } from './tls/stream-security.ts'
import { createTracer, type TracedService } from './tracing/create-tracer.ts'
import { createDatagrams } from './udp.ts'
import { createDrainedStorage, createValueLogStorage } from './value-log-storage.ts'
import { createHash } from './xxhash.ts'

export interface PlatformSettings {
  readonly dataDirectory: string
  /** Default `info`. */
  readonly logLevel?: LogLevel | undefined
  /** Default: `pretty` if standard error is a terminal, else `json`. */
  readonly logFormat?: LogFormat | undefined
  readonly storage?: LevelSettings | undefined
  /** Large values lie in a log beside LevelDB. Default false. */
  readonly hasValueLog?: boolean | undefined
  /** How streams are protected; undefined: not at all. */
  readonly security?: Omit<StreamSecurity, 'cryptography' | 'resolvedNames'> | undefined
  /** Whose spans they are; undefined: nobody traces here. */
  readonly traced?: TracedService | undefined
}

/** The world as this machine has it. Nothing is opened, made or locked before the node asks. */
export async function createPlatformPorts(settings: PlatformSettings): Promise<Ports> {
  const log = createLog({ level: settings.logLevel ?? 'info', format: settings.logFormat })
  const metrics = createMetrics()
  const seed = systemSeed()
  log.info({ seed: formatSeed(seed) }, 'seeded every source of chance of this process')
  const unsentDatagrams = metrics.counter({
    name: 'starling_datagrams_unsent_total',
    help: 'Datagrams that did not leave: larger than a datagram may be, to a name without an address, or refused by the system',
    labels: ['reason'],
  })
  const time = createSystemTime()
  const hash = await createHash()
  const storePath = storePathOf(settings.dataDirectory)
  const cryptography = createCryptography()
  const resolvedNames = new ResolvedNames()
  const security = settings.security === undefined ? undefined : { ...settings.security, cryptography, resolvedNames }
  return {
    time,
    random: createRandoms(seed),
    hash,
    cryptography,
    directory: createDataDirectory(settings.dataDirectory),
    storage:
      settings.hasValueLog === true
        ? createValueLogStorage(storePath, { hash, time }, settings.storage)
        : createDrainedStorage(storePath, { hash, time }, settings.storage),
    datagrams: createDatagrams((reason) => unsentDatagrams(reason).add(1)),
    streams: createStreams({ security }),
    names: createNames(resolvedNames),
    log,
    metrics,
    tracer: settings.traced === undefined ? noTracer : await createTracer(settings.traced, { log, metrics }),
  }
}
