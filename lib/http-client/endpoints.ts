import { InvalidParameter } from '../vocabulary/errors.ts'

/** For this long an endpoint that could not be reached is asked last. */
const avoidMs = 5_000

/**
 * The nodes to ask, in order: as given, those that lately could not be reached last.
 *
 * With `spread` each request begins at the next node, so that the work of many requests is shared.
 */
export class Endpoints {
  readonly #origins: readonly string[]
  readonly #avoidUntilMs = new Map<string, number>()
  readonly #spread: boolean
  #next = 0

  /** @throws {InvalidParameter} for an empty list, or one that holds something that is not an HTTP URL */
  constructor(urls: readonly string[], options: { readonly spread?: boolean | undefined } = {}) {
    this.#origins = urls.map(parseOrigin)
    this.#spread = options.spread ?? false
    if (urls.length === 0)
      throw new InvalidParameter('no endpoint is given', { hint: 'give at least one URL of a node' })
  }

  inOrder(): readonly string[] {
    const origins = this.#spread ? this.#rotated() : this.#origins
    if (this.#avoidUntilMs.size === 0) return origins
    const nowMs = Date.now()
    const isAvoided = (origin: string) => (this.#avoidUntilMs.get(origin) ?? 0) > nowMs
    return [...origins.filter((origin) => !isAvoided(origin)), ...origins.filter(isAvoided)]
  }

  answered(origin: string): void {
    if (this.#avoidUntilMs.size > 0) this.#avoidUntilMs.delete(origin)
  }

  failed(origin: string): void {
    this.#avoidUntilMs.set(origin, Date.now() + avoidMs)
  }

  toString(): string {
    return this.#origins.join(', ')
  }

  #rotated(): readonly string[] {
    const start = this.#next
    this.#next = (start + 1) % this.#origins.length
    return [...this.#origins.slice(start), ...this.#origins.slice(0, start)]
  }
}

function parseOrigin(text: string): string {
  const withScheme = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url === undefined || !isHttp || url.pathname !== '/' || url.search !== '')
    throw new InvalidParameter(`${JSON.stringify(text)} is not the URL of a node`, {
      hint: 'an endpoint looks like http://127.0.0.1:7070',
    })
  return url.origin
}
