/**
 * One request and what came of it, as the documents show them. Values that differ from cluster to cluster (contexts, ids,
 * times) are those of the run in which the example was made; where one comes back in a later request, it stands there.
 */
export interface Example {
  /** The route's `operation`. */
  readonly operation: string
  /** Unique among the examples of its operation. */
  readonly name: string
  readonly summary: string
  /** For the names in braces; not yet percent-encoded. */
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** A value as it is sent, or JSON. */
  readonly body?: string | object
  readonly answer: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>>
    readonly mediaType?: string
    /** Text as it came, or JSON. */
    readonly body?: string | object
    /** Only some of the body. */
    readonly isExcerpt?: true
  }
}
