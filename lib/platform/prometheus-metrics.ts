import { collectDefaultMetrics, Registry } from 'prom-client'
import type { MetricDeclaration, Metrics } from '../ports/metrics.ts'
import { invariant } from '../vocabulary/invariant.ts'
import { BucketCell, NumberCell } from './metric-cells.ts'
import { formatMetric, formatNumber, type MetricType, type Sample } from './prometheus-text.ts'

/**
 * Starling's own metrics, and what prom-client knows about the process (`process_...`, `nodejs_...`).
 *
 * prom-client builds and hashes an object of labels for every count, a microsecond or so, and its histograms cannot be
 * filled in any other way. Here a series is a cell with plain numbers, and becomes text when somebody looks.
 */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
  const texts = new Map<string, () => string>()

  function add(declaration: MetricDeclaration, type: MetricType, samples: () => readonly Sample[]): void {
    invariant(!texts.has(declaration.name), 'a metric is declared once', { name: declaration.name })
    texts.set(declaration.name, () => formatMetric(declaration, type, samples()))
  }

  return {
    counter(declaration) {
      const series = new Series(declaration, () => new NumberCell())
      add(declaration, 'counter', () => series.samples(toSamples))
      return (...labelValues) => series.cellOf(labelValues)
    },
    gauge(declaration, read) {
      const series = new Series(declaration, () => new NumberCell())
      add(declaration, 'gauge', () => {
        if (read !== undefined) series.cellOf([]).set(read())
        return series.samples(toSamples)
      })
      return (...labelValues) => series.cellOf(labelValues)
    },
    histogram(declaration) {
      const series = new Series(declaration, () => new BucketCell(declaration.buckets))
      add(declaration, 'histogram', () => series.samples(toBucketSamples))
      return (...labelValues) => series.cellOf(labelValues)
    },
    sampled(declaration, read) {
      add(declaration, 'gauge', () =>
        read().map(({ labels, value }) => ({ labels: nameLabels(declaration, labels), value })),
      )
    },
    expose(done) {
      registry.metrics().then((ofProcess) => done([...texts.values()].map((text) => text()).join('') + ofProcess))
    },
  }
}

/** The cells of one metric, by the values of its labels. */
class Series<Cell> {
  readonly #declaration: MetricDeclaration
  readonly #makeCell: () => Cell
  readonly #cells = new Map<string, { readonly labels: Sample['labels']; readonly cell: Cell }>()

  constructor(declaration: MetricDeclaration, makeCell: () => Cell) {
    this.#declaration = declaration
    this.#makeCell = makeCell
    if ((declaration.labels ?? []).length === 0) this.cellOf([])
  }

  cellOf(labelValues: readonly string[]): Cell {
    const id = JSON.stringify(labelValues)
    let found = this.#cells.get(id)
    if (found === undefined) {
      found = { labels: nameLabels(this.#declaration, labelValues), cell: this.#makeCell() }
      this.#cells.set(id, found)
    }
    return found.cell
  }

  samples(toSamples: (labels: Sample['labels'], cell: Cell) => readonly Sample[]): readonly Sample[] {
    return [...this.#cells.values()].flatMap(({ labels, cell }) => toSamples(labels, cell))
  }
}

function toSamples(labels: Sample['labels'], cell: NumberCell): readonly Sample[] {
  return [{ labels, value: cell.value }]
}

function toBucketSamples(labels: Sample['labels'], cell: BucketCell): readonly Sample[] {
  const buckets = cell.cumulated()
  return [
    ...buckets.map(({ bound, count }): Sample => {
      return { suffix: '_bucket', labels: [...labels, ['le', formatNumber(bound)]], value: count }
    }),
    { suffix: '_sum', labels, value: cell.sum },
    { suffix: '_count', labels, value: buckets.at(-1)?.count ?? 0 },
  ]
}

function nameLabels(declaration: MetricDeclaration, values: readonly string[]): Sample['labels'] {
  const names = declaration.labels ?? []
  invariant(names.length === values.length, 'a series has a value for each label', { name: declaration.name, values })
  return names.map((name, index) => [name, values[index] as string])
}
