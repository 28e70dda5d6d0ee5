/** Which traces begin here, where nobody who asks has decided it. */
export interface Sampler {
  /** Of traces that begin here: 0 none, 1 all. */
  readonly ratio: number
  /** Whether whoever asks decides for those that do not. */
  readonly isParentBased: boolean
}

/** Where spans go, and how. */
export interface OtlpSettings {
  /** Takes `ExportTraceServiceRequest` as JSON. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly isCompressed: boolean
  readonly sampler: Sampler
  /** `service.name` and the like, as the environment gives them. */
  readonly resource: Readonly<Record<string, string>>
  readonly queueSpansMax: number
  readonly batchSpansMax: number
  /** A span waits this long at most before it is sent. */
  readonly delayMs: number
}

type Environment = Readonly<Record<string, string | undefined>>

const serviceNameDefault = 'starling'
const endpointDefault = 'http://localhost:4318'

/**
 * What the environment variables of OpenTelemetry say of traces. Undefined: nobody wants any, which is so unless an
 * endpoint or `OTEL_TRACES_EXPORTER=otlp` is given. (OpenTelemetry Specification, Environment Variables; OTLP Exporter
 * Configuration.) A value that cannot be used is told to `warn` and taken for not given.
 */
export function readOtelEnvironment(env: Environment, warn: (problem: string) => void): OtlpSettings | undefined {
  const of = (name: string): string | undefined => {
    const value = env[name]?.trim()
    return value === '' ? undefined : value
  }
  const either = (name: string): string | undefined =>
    of(`OTEL_EXPORTER_OTLP_TRACES_${name}`) ?? of(`OTEL_EXPORTER_OTLP_${name}`)
  if (of('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined
  const endpoint = either('ENDPOINT')
  const exporter = of('OTEL_TRACES_EXPORTER') ?? (endpoint === undefined ? 'none' : 'otlp')
  if (!exporter.split(',').some((word) => word.trim() === 'otlp')) {
    if (exporter !== 'none')
      warn(`OTEL_TRACES_EXPORTER=${exporter}: only otlp and none are known here; no trace is recorded`)
    return undefined
  }
  const protocol = either('PROTOCOL') ?? 'http/json'
  if (!protocol.startsWith('http/')) {
    warn(
      `OTEL_EXPORTER_OTLP_PROTOCOL=${protocol} is not spoken here: use http/json, and the collector's port for it (4318)`,
    )
    return undefined
  }
  const url = tracesUrl(of('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'), of('OTEL_EXPORTER_OTLP_ENDPOINT'))
  if (url === undefined) {
    warn(`${endpoint} is not an http address for OTEL_EXPORTER_OTLP_ENDPOINT; no trace is recorded`)
    return undefined
  }
  const count = (name: string, otherwise: number): number => {
    const text = of(name)
    if (text === undefined) return otherwise
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
    warn(`${name}=${text} is not a whole number above 0; ${otherwise} is used`)
    return otherwise
  }
  const queueSpansMax = count('OTEL_BSP_MAX_QUEUE_SIZE', 2048)
  return {
    url,
    headers: { ...pairs(of('OTEL_EXPORTER_OTLP_HEADERS')), ...pairs(of('OTEL_EXPORTER_OTLP_TRACES_HEADERS')) },
    timeoutMs: count('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', count('OTEL_EXPORTER_OTLP_TIMEOUT', 10_000)),
    isCompressed: either('COMPRESSION') === 'gzip',
    sampler: readSampler(of('OTEL_TRACES_SAMPLER'), of('OTEL_TRACES_SAMPLER_ARG'), warn),
    resource: {
      'service.name': serviceNameDefault,
      ...pairs(of('OTEL_RESOURCE_ATTRIBUTES')),
      ...serviceNameOf(of('OTEL_SERVICE_NAME')),
    },
    queueSpansMax,
    batchSpansMax: Math.min(queueSpansMax, count('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
    delayMs: count('OTEL_BSP_SCHEDULE_DELAY', 5_000),
  }
}

function serviceNameOf(name: string | undefined): Readonly<Record<string, string>> {
  return name === undefined ? {} : { 'service.name': name }
}

/** The one for traces is the whole address; the general one is what all signals begin with. */
function tracesUrl(forTraces: string | undefined, general: string | undefined): string | undefined {
  const text = forTraces ?? `${(general ?? endpointDefault).replace(/\/+$/, '')}/v1/traces`
  if (!URL.canParse(text)) return undefined
  const { protocol, href } = new URL(text)
  return protocol === 'http:' || protocol === 'https:' ? href : undefined
}

/** `one=1,other=2`, percent-encoded; what is no pair is left out. */
function pairs(text: string | undefined): Record<string, string> {
  const found: Record<string, string> = {}
  for (const pair of text?.split(',') ?? []) {
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals).trim()
    if (equals > 0 && name !== '') found[name] = decoded(pair.slice(equals + 1).trim())
  }
  return found
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function readSampler(name: string | undefined, argument: string | undefined, warn: (problem: string) => void): Sampler {
  const [, prefix, kind] =
    /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(name ?? 'parentbased_always_on') ?? []
  if (kind === undefined) {
    warn(`OTEL_TRACES_SAMPLER=${name} is not known here; parentbased_always_on is used`)
    return { ratio: 1, isParentBased: true }
  }
  const isParentBased = prefix !== undefined
  if (kind !== 'traceidratio') return { ratio: kind === 'always_on' ? 1 : 0, isParentBased }
  const ratio = argument === undefined ? 1 : Number(argument)
  if (ratio >= 0 && ratio <= 1) return { ratio, isParentBased }
  warn(`OTEL_TRACES_SAMPLER_ARG=${argument} is not a number from 0 to 1; 1 is used`)
  return { ratio: 1, isParentBased }
}
