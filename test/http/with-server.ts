import http from 'node:http'
import net from 'node:net'
import type { Test } from 'tap'
import type { HttpLimits } from '../../lib/http/http-limits.ts'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../lib/http/http-server.ts'
import type { Log } from '../../lib/ports/log.ts'
import type { MetricDeclaration, Metrics } from '../../lib/ports/metrics.ts'
import { seededRandom } from '../../lib/ports/random.ts'
import type { Tracer } from '../../lib/ports/tracer.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { undocumentedIn } from './documented.ts'
import { FakeNode } from './fake-node.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly text: string
  readonly json: Record<string, unknown>
}

export interface Ask {
  readonly method?: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST' | 'PATCH' | 'OPTIONS'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** A server in front of a fake node, on a real socket, until the test ends. */
export interface Served {
  readonly node: FakeNode
  readonly server: HttpServer
  readonly port: number
  readonly metrics: RecordedMetrics
  readonly logged: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[]
  ask(path: string, ask?: Ask): Promise<Answer>
  /** Sends bytes as they are and gives back everything until the server ends the connection. */
  raw(...pieces: (string | Buffer)[]): Promise<string>
}

export async function serve(
  t: Test,
  limits: Partial<HttpLimits> = {},
  tracer?: Tracer,
  web: Pick<HttpServerOptions, 'corsOrigins' | 'hostNames' | 'https'> = {},
): Promise<Served> {
  const node = new FakeNode()
  const metrics = new RecordedMetrics()
  const logged: Served['logged'] = []
  const server = createHttpServer({
    node,
    metrics,
    log: recordingLog(logged),
    hash: smallHash,
    random: seededRandom([1, 2, 3, 4]),
    tracer,
    limits,
    ...web,
  })
  await new Promise<void>((resolve, reject) =>
    server.listen(toEndpoint('127.0.0.1:0'), (failure) => (failure ? reject(new Error(failure.message)) : resolve())),
  )
  t.teardown(() => new Promise<void>((resolve) => server.close(resolve)))
  const agent = new http.Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const port = Number(server.address?.split(':').at(-1))
  return { node, server, port, metrics, logged, ask, raw: (...pieces) => exchangeBytes(port, pieces) }

  /** Every answer is compared with the OpenAPI document. `node:http` sends the path as it is; clients that parse URLs would resolve its dots. */
  function ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const answer = answerOf(response, Buffer.concat(chunks))
          const undocumented = undocumentedIn(method, path, answer)
          if (undocumented === undefined) resolve(answer)
          else reject(new Error(`${method} ${path} ${answer.status}: openapi.json does not know ${undocumented}`))
        })
      })
      request.on('error', reject)
      // As bytes: in front of a string, Node would send the headers as UTF-8 too.
      request.end(body === undefined ? undefined : Buffer.from(body))
    })
  }
}

function answerOf(response: http.IncomingMessage, body: Buffer): Answer {
  const text = body.toString()
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    text,
    get json() {
      return JSON.parse(text)
    },
  }
}

/** Numbers as they were counted, by name and labels. */
export class RecordedMetrics implements Metrics {
  readonly values = new Map<string, number>()
  readonly declared: MetricDeclaration[] = []
  readonly #reads = new Map<string, () => number>()

  counter(declaration: MetricDeclaration) {
    this.declared.push(declaration)
    return (...labels: string[]) => ({ add: (amount: number) => this.#add(named(declaration, labels), amount) })
  }

  gauge(declaration: MetricDeclaration, read?: () => number) {
    this.declared.push(declaration)
    if (read !== undefined) this.#reads.set(declaration.name, read)
    return (...labels: string[]) => ({
      set: (value: number) => void this.values.set(named(declaration, labels), value),
    })
  }

  histogram(declaration: MetricDeclaration & { readonly buckets: readonly number[] }) {
    this.declared.push(declaration)
    return (...labels: string[]) => ({ observe: (_value: number) => this.#add(named(declaration, labels), 1) })
  }

  sampled(declaration: MetricDeclaration): void {
    this.declared.push(declaration)
  }

  expose(done: (text: string) => void): void {
    const lines = [...this.values, ...[...this.#reads].map(([name, read]) => [name, read()] as const)]
    setImmediate(() => done(lines.map(([name, value]) => `${name} ${value}\n`).join('')))
  }

  of(name: string): number {
    return this.#reads.get(name)?.() ?? this.values.get(name) ?? 0
  }

  #add(name: string, amount: number): void {
    this.values.set(name, (this.values.get(name) ?? 0) + amount)
  }
}

function named(declaration: MetricDeclaration, labels: readonly string[]): string {
  const pairs = labels.map((label, index) => `${declaration.labels?.[index]}="${label}"`)
  return pairs.length === 0 ? declaration.name : `${declaration.name}{${pairs.join(',')}}`
}

function recordingLog(logged: Served['logged']): Log {
  const record = (fields: Readonly<Record<string, unknown>>, message: string) => void logged.push({ fields, message })
  return { debug: record, info: record, warn: record, error: record }
}

/** FNV-1a: all that is asked of it here is to differ where bytes differ. */
export const smallHash: Hash = {
  hash64: (bytes) =>
    bytes.reduce((hash, byte) => BigInt.asUintN(64, (hash ^ BigInt(byte)) * 1099511628211n), 14695981039346656037n),
  hash32: (bytes, seed = 0) => bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 16777619) >>> 0, 2166136261 ^ seed),
}

function exchangeBytes(port: number, pieces: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.on('close', () => resolve(Buffer.concat(received).toString('latin1')))
    socket.on('error', (error: Error & { code?: string }) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    for (const piece of pieces) socket.write(piece)
  })
}
