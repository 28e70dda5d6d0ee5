import type { CounterCell, GaugeCell, HistogramCell, MetricDeclaration, Metrics } from '../ports/metrics.ts'

/** Numbers of one process, kept in maps and written as Prometheus text. */
export class SimulatedMetrics implements Metrics {
  readonly #families = new Map<string, Family>()

  counter(declaration: MetricDeclaration): (...labelValues: string[]) => CounterCell {
    const family = this.#family(declaration, 'counter')
    if (family.labels.length === 0) family.cell([])
    return (...labelValues) => family.cell(labelValues)
  }

  gauge(declaration: MetricDeclaration, read?: () => number): (...labelValues: string[]) => GaugeCell {
    const family = this.#family(declaration, 'gauge')
    if (read !== undefined) family.sample = () => [{ labels: [], value: read() }]
    else if (family.labels.length === 0) family.cell([])
    return (...labelValues) => family.cell(labelValues)
  }

  histogram(
    declaration: MetricDeclaration & { readonly buckets: readonly number[] },
  ): (...labelValues: string[]) => HistogramCell {
    const family = this.#family(declaration, 'histogram')
    if (family.labels.length === 0) family.histogramCell([], declaration.buckets)
    return (...labelValues) => family.histogramCell(labelValues, declaration.buckets)
  }

  sampled(declaration: MetricDeclaration, read: () => readonly { labels: readonly string[]; value: number }[]): void {
    this.#family(declaration, 'gauge').sample = read
  }

  expose(done: (text: string) => void): void {
    let text = ''
    for (const family of this.#families.values()) text += family.expose()
    done(text)
  }

  /** What a series counts now, for tests; 0 when there is none. */
  value(name: string, ...labelValues: readonly string[]): number {
    return this.#families.get(name)?.value(labelValues) ?? 0
  }

  /** Every counter that has counted something, with its label values. */
  *counted(): Iterable<{ readonly name: string; readonly labels: readonly string[]; readonly value: number }> {
    for (const family of this.#families.values()) {
      if (family.type === 'counter') yield* family.counted()
    }
  }

  #family(declaration: MetricDeclaration, type: Family['type']): Family {
    let family = this.#families.get(declaration.name)
    if (family === undefined) {
      family = new Family(declaration.name, declaration.help, declaration.labels ?? [], type)
      this.#families.set(declaration.name, family)
    }
    return family
  }
}

class Cell implements CounterCell, GaugeCell {
  value = 0
  readonly labelValues: readonly string[]
  constructor(labelValues: readonly string[]) {
    this.labelValues = labelValues
  }
  add(amount: number): void {
    this.value += amount
  }
  set(value: number): void {
    this.value = value
  }
}

class Histogram implements HistogramCell {
  readonly labelValues: readonly string[]
  readonly buckets: readonly number[]
  readonly counts: number[]
  sum = 0
  count = 0
  constructor(labelValues: readonly string[], buckets: readonly number[]) {
    this.labelValues = labelValues
    this.buckets = buckets
    this.counts = buckets.map(() => 0)
  }
  observe(value: number): void {
    this.sum += value
    this.count += 1
    for (let index = this.buckets.length - 1; index >= 0 && value <= (this.buckets[index] as number); index -= 1) {
      this.counts[index] = (this.counts[index] as number) + 1
    }
  }
}

class Family {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly type: 'counter' | 'gauge' | 'histogram'
  sample: (() => readonly { labels: readonly string[]; value: number }[]) | undefined
  readonly #cells = new Map<string, Cell>()
  readonly #histograms = new Map<string, Histogram>()

  constructor(name: string, help: string, labels: readonly string[], type: Family['type']) {
    this.name = name
    this.help = help
    this.labels = labels
    this.type = type
  }

  cell(labelValues: readonly string[]): Cell {
    const id = labelValues.join('\n')
    let cell = this.#cells.get(id)
    if (cell === undefined) {
      cell = new Cell(labelValues)
      this.#cells.set(id, cell)
    }
    return cell
  }

  histogramCell(labelValues: readonly string[], buckets: readonly number[]): Histogram {
    const id = labelValues.join('\n')
    let histogram = this.#histograms.get(id)
    if (histogram === undefined) {
      histogram = new Histogram(labelValues, buckets)
      this.#histograms.set(id, histogram)
    }
    return histogram
  }

  *counted(): Iterable<{ readonly name: string; readonly labels: readonly string[]; readonly value: number }> {
    for (const { labelValues, value } of this.#cells.values()) {
      if (value > 0) yield { name: this.name, labels: labelValues, value }
    }
  }

  value(labelValues: readonly string[]): number {
    const id = labelValues.join('\n')
    const sample = this.sample?.().find((one) => one.labels.join('\n') === id)
    return sample?.value ?? this.#cells.get(id)?.value ?? this.#histograms.get(id)?.count ?? 0
  }

  expose(): string {
    const lines = [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} ${this.type}`]
    for (const { labels, value } of this.sample?.() ?? []) lines.push(`${this.name}${this.#labelText(labels)} ${value}`)
    for (const cell of this.#cells.values()) {
      lines.push(`${this.name}${this.#labelText(cell.labelValues)} ${cell.value}`)
    }
    for (const { labelValues, buckets, counts, sum, count } of this.#histograms.values()) {
      const plain = this.#labelText(labelValues)
      for (const [index, le] of buckets.entries()) {
        lines.push(`${this.name}_bucket${this.#labelText(labelValues, String(le))} ${counts[index]}`)
      }
      lines.push(`${this.name}_bucket${this.#labelText(labelValues, '+Inf')} ${count}`)
      lines.push(`${this.name}_sum${plain} ${sum}`, `${this.name}_count${plain} ${count}`)
    }
    return `${lines.join('\n')}\n`
  }

  #labelText(values: readonly string[], le?: string): string {
    const pairs = this.labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? '')}"`)
    if (le !== undefined) pairs.push(`le="${le}"`)
    return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
  }
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
