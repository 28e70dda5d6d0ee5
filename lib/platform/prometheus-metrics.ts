import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { CounterCell, GaugeCell, HistogramCell, MetricDeclaration, Metrics } from '../ports/metrics.ts'
import { invariant } from '../vocabulary/invariant.ts'

/**
 * Metrics in prom-client's own registry, with what it knows about the process (`process_...`, `nodejs_...`).
 *
 * prom-client builds and hashes a label object for every count, a microsecond or so. Here a series is a cell with plain
 * numbers, and prom-client hears of them when somebody looks.
 */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
  return {
    counter(declaration) {
      const series = new Series(declaration, () => new NumberCell())
      registry.registerMetric(new CellCounter(series))
      return (...labelValues) => series.cellOf(labelValues)
    },
    gauge(declaration, read) {
      const series = new Series(declaration, () => new NumberCell())
      registry.registerMetric(new CellGauge(series, read))
      return (...labelValues) => series.cellOf(labelValues)
    },
    histogram(declaration) {
      const series = new Series(declaration, () => new BucketCell(declaration.buckets))
      registry.registerMetric(new CellHistogram(series, declaration.buckets))
      return (...labelValues) => series.cellOf(labelValues)
    },
    sampled(declaration, read) {
      registry.registerMetric(new SampledGauge(declaration, read))
    },
    expose(done) {
      registry.metrics().then(done)
    },
  }
}

/** The cells of one metric by their labels. */
class Series<Cell> {
  readonly declaration: MetricDeclaration
  readonly #makeCell: () => Cell
  readonly #cells = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly cell: Cell }>()

  constructor(declaration: MetricDeclaration, makeCell: () => Cell) {
    this.declaration = declaration
    this.#makeCell = makeCell
    if (labelNames(declaration).length === 0) this.cellOf([])
  }

  cellOf(labelValues: readonly string[]): Cell {
    const id = JSON.stringify(labelValues)
    let found = this.#cells.get(id)
    if (found === undefined) {
      found = { labels: toLabels(this.declaration, labelValues), cell: this.#makeCell() }
      this.#cells.set(id, found)
    }
    return found.cell
  }

  all(): readonly { readonly labels: Readonly<Record<string, string>>; readonly cell: Cell }[] {
    return [...this.#cells.values()]
  }
}

class NumberCell implements CounterCell, GaugeCell {
  value = 0

  add(amount: number): void {
    this.value += amount
  }

  set(value: number): void {
    this.value = value
  }
}

class BucketCell implements HistogramCell {
  readonly bounds: Float64Array
  /** Per bound what was at most that and more than the one below; the last is what was more than all. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds)
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let index = 0
    while (index < bounds.length && value > (bounds[index] as number)) index += 1
    counts[index] = (counts[index] as number) + 1
    this.sum += value
  }
}

class CellCounter extends Counter {
  readonly #series: Series<NumberCell>

  constructor(series: Series<NumberCell>) {
    super(configuration(series.declaration))
    this.#series = series
  }

  override async get(): ReturnType<Counter['get']> {
    const values = this.#series.all().map(({ labels, cell }) => ({ labels, value: cell.value }))
    return { ...(await super.get()), values }
  }
}

class CellGauge extends Gauge {
  readonly #series: Series<NumberCell>
  readonly #read: (() => number) | undefined

  constructor(series: Series<NumberCell>, read: (() => number) | undefined) {
    super(configuration(series.declaration))
    this.#series = series
    this.#read = read
  }

  override async get(): ReturnType<Gauge['get']> {
    if (this.#read !== undefined) this.#series.cellOf([]).set(this.#read())
    const values = this.#series.all().map(({ labels, cell }) => ({ labels, value: cell.value }))
    return { ...(await super.get()), values }
  }
}

class SampledGauge extends Gauge {
  readonly #declaration: MetricDeclaration
  readonly #read: () => readonly { readonly labels: readonly string[]; readonly value: number }[]

  constructor(
    declaration: MetricDeclaration,
    read: () => readonly { readonly labels: readonly string[]; readonly value: number }[],
  ) {
    super(configuration(declaration))
    this.#declaration = declaration
    this.#read = read
  }

  override async get(): ReturnType<Gauge['get']> {
    const values = this.#read().map(({ labels, value }) => ({ labels: toLabels(this.#declaration, labels), value }))
    return { ...(await super.get()), values }
  }
}

class CellHistogram extends Histogram {
  readonly #series: Series<BucketCell>

  constructor(series: Series<BucketCell>, buckets: readonly number[]) {
    super({ ...configuration(series.declaration), buckets: [...buckets] })
    this.#series = series
  }

  override async get(): ReturnType<Histogram['get']> {
    const { name } = this.#series.declaration
    const values = this.#series.all().flatMap(({ labels, cell }) => {
      let count = 0
      const buckets = Array.from(cell.counts, (inBucket, index) => {
        count += inBucket
        return { metricName: `${name}_bucket`, labels: { le: cell.bounds[index] ?? '+Inf', ...labels }, value: count }
      })
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: cell.sum },
        { metricName: `${name}_count`, labels, value: count },
      ]
    })
    return { ...(await super.get()), values }
  }

  /** What prom-client asks for when it writes text. */
  getForPromString(): ReturnType<Histogram['get']> {
    return this.get()
  }
}

function configuration(declaration: MetricDeclaration): {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
  readonly registers: []
} {
  return { name: declaration.name, help: declaration.help, labelNames: [...labelNames(declaration)], registers: [] }
}

function labelNames(declaration: MetricDeclaration): readonly string[] {
  return declaration.labels ?? []
}

function toLabels(declaration: MetricDeclaration, values: readonly string[]): Readonly<Record<string, string>> {
  const names = labelNames(declaration)
  invariant(names.length === values.length, 'a series has a value for each label', { name: declaration.name, values })
  return Object.fromEntries(names.map((name, index) => [name, values[index] as string]))
}
