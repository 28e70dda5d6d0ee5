import { hostname } from 'node:os'
import type { Log } from '../../ports/log.ts'
import type { Metrics } from '../../ports/metrics.ts'
import { noTracer, type Tracer } from '../../ports/tracer.ts'
import { loadApiTracer } from './api-tracer.ts'
import { readOtelEnvironment } from './otel-environment.ts'

/** The process whose spans these are. */
export interface TracedService {
  /** What people call the node. */
  readonly name: string
  readonly cluster: string
  readonly version: string
}

/**
 * The tracer of a node: the SDK of the program around it, if that has registered one; else spans go over OTLP where the
 * environment says so; else nowhere, and nothing of all this is loaded.
 */
export async function createTracer(
  service: TracedService,
  parts: { readonly log: Log; readonly metrics: Metrics },
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Tracer> {
  const { log, metrics } = parts
  const exported = metrics.counter({
    name: 'starling_trace_spans_exported_total',
    help: 'Spans that the collector of OTEL_EXPORTER_OTLP_ENDPOINT has taken',
  })
  const dropped = metrics.counter({
    name: 'starling_trace_spans_dropped_total',
    help: 'Spans that were dropped: the queue was full, or the collector did not take them',
    labels: ['reason'],
  })
  const api = await loadApiTracer('starling-kv', service.version)
  if (api?.isOn === true) return api
  const settings = readOtelEnvironment(env, (problem) => log.warn({}, problem))
  if (settings === undefined) return noTracer
  const [{ OtlpTracer }, { OtlpExporter }] = await Promise.all([
    import('./otlp-tracer.ts'),
    import('./otlp-exporter.ts'),
  ])
  const resource = {
    'service.instance.id': service.name,
    'service.version': service.version,
    'starling.cluster': service.cluster,
    'host.name': hostname(),
    'process.pid': process.pid,
    'telemetry.sdk.name': 'starling',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': service.version,
  }
  const exporterMetrics = { exported: exported(), dropped }
  const exporter = new OtlpExporter(settings, { resource, version: service.version }, { metrics: exporterMetrics, log })
  log.info({ url: settings.url, sampler: settings.sampler }, 'traces go to a collector')
  return new OtlpTracer(settings.sampler, exporter)
}
