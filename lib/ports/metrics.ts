export interface MetricDeclaration {
  /** starling_<area>_<what>_<unit>[_total] */
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[] | undefined
}

/** One time series, looked up once and kept by whoever counts on the hot path. */
export interface CounterCell {
  add(amount: number): void
}
export interface GaugeCell {
  set(value: number): void
}
export interface HistogramCell {
  observe(value: number): void
}

/** Where numbers go. A declared name without labels exists from its declaration on, at 0. */
export interface Metrics {
  counter(declaration: MetricDeclaration): (...labelValues: string[]) => CounterCell
  /** `read`, if given, is asked when somebody looks, for a gauge without labels. */
  gauge(declaration: MetricDeclaration, read?: () => number): (...labelValues: string[]) => GaugeCell
  histogram(
    declaration: MetricDeclaration & { readonly buckets: readonly number[] },
  ): (...labelValues: string[]) => HistogramCell
  /** A metric whose labelled values are computed when somebody looks. */
  sampled(declaration: MetricDeclaration, read: () => readonly { labels: readonly string[]; value: number }[]): void
  /** Prometheus text. */
  expose(done: (text: string) => void): void
}
