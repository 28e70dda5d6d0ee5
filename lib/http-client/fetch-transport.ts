import {
  failedToConnect,
  type HttpRequest,
  type HttpResponse,
  type Transport,
  TransportFailure,
  wordsOf,
} from './transport.ts'

/** Works wherever there is a `fetch`: browsers, Node.js, workers. */
export function fetchTransport(fetch: typeof globalThis.fetch): Transport {
  return async (request) => {
    const watch = new Watch(request)
    const response = await watch.during(() =>
      fetch(request.url, {
        method: request.method,
        headers: request.headers,
        redirect: 'manual',
        signal: watch.signal,
        ...(request.body === undefined ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
      }),
    )
    return new FetchResponse(response, watch)
  }
}

class FetchResponse implements HttpResponse {
  readonly status: number
  readonly #response: Response
  readonly #watch: Watch

  constructor(response: Response, watch: Watch) {
    this.status = response.status
    this.#response = response
    this.#watch = watch
  }

  header(name: string): string | undefined {
    return this.#response.headers.get(name) ?? undefined
  }

  headers(): Iterable<readonly [string, string]> {
    return this.#response.headers.entries()
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.#watch.during(() => this.#response.arrayBuffer()))
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const reader = this.#response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        const { done, value } = await this.#watch.during(() => reader.read())
        if (done) return
        yield value
      }
    } finally {
      // Whoever stops reading early must not keep the node sending.
      await reader.cancel().catch(() => {})
    }
  }
}

/** Gives each wait of one request its time limit, and each failure its meaning. */
class Watch {
  readonly #abort = new AbortController()
  readonly #request: HttpRequest
  #timedOut = false

  constructor(request: HttpRequest) {
    this.#request = request
  }

  get signal(): AbortSignal {
    const { signal } = this.#request
    return signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal])
  }

  async during<Result>(act: () => Promise<Result>): Promise<Result> {
    const { timeoutMs, signal, url } = this.#request
    const timer = setTimeout(() => {
      this.#timedOut = true
      this.#abort.abort()
    }, timeoutMs)
    try {
      return await act()
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (this.#timedOut)
        throw new TransportFailure(`${originOf(url)} did not answer within ${timeoutMs} ms`, {
          mayHaveBeenSent: true,
          timedOut: true,
          cause: error,
        })
      const cause = (error as { cause?: unknown }).cause
      const { reason, hint } = wordsOf(cause ?? error)
      throw new TransportFailure(`${originOf(url)}: ${reason}`, {
        mayHaveBeenSent: !failedToConnect(cause),
        hint,
        cause: error,
      })
    } finally {
      clearTimeout(timer)
    }
  }
}

function originOf(url: string): string {
  return new URL(url).origin
}
