import type { MetricDeclaration } from '../ports/metrics.ts'

export type MetricType = 'counter' | 'gauge' | 'histogram'

/** One number of a metric: what comes after its name (`_sum` and the like), its labels, its value. */
export interface Sample {
  readonly suffix?: string | undefined
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly value: number
}

/** One metric in Prometheus's text format 0.0.4, with a line break at the end. */
export function formatMetric(declaration: MetricDeclaration, type: MetricType, samples: readonly Sample[]): string {
  const { name, help } = declaration
  const lines = samples.map(
    ({ suffix, labels, value }) => `${name}${suffix ?? ''}${formatLabels(labels)} ${formatNumber(value)}`,
  )
  return [`# HELP ${name} ${escapeText(help)}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

export function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

function formatLabels(labels: Sample['labels']): string {
  if (labels.length === 0) return ''
  return `{${labels.map(([name, value]) => `${name}="${escapeText(value).replaceAll('"', '\\"')}"`).join(',')}}`
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
