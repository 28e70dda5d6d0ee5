import type { Example } from '../../../lib/http/examples/example.ts'
import { openApi } from '../../http/documented.ts'
import { bytesOf } from './text.ts'

export interface ApiOperation {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly parameters: (typeof openApi.paths)[string][string]['parameters']
  readonly takesJson: boolean
  readonly takesValue: boolean
}

export const operations: readonly ApiOperation[] = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { operationId, parameters, requestBody }]) => ({
    id: operationId,
    method: method.toUpperCase(),
    path,
    parameters,
    takesJson: requestBody?.content['application/json'] !== undefined,
    takesValue: requestBody !== undefined && requestBody.content['application/json'] === undefined,
  })),
)

/** One request, as bytes. */
export function written(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | undefined,
): Uint8Array {
  const all = { Host: 'a', ...headers, ...(body === undefined ? {} : { 'Content-Length': String(body.length) }) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return new Uint8Array(Buffer.concat([head, body ?? new Uint8Array(0)]))
}

/** What the documents show of an operation. */
export function requestOf(example: Example): Uint8Array {
  const operation = operations.find(({ id }) => id === example.operation) as ApiOperation
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name) => encodeURIComponent(example.path?.[name] ?? 'x'))
  const query = new URLSearchParams(example.query ?? {}).toString()
  const { body } = example
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const type = operation.takesJson && body !== undefined ? { 'Content-Type': 'application/json' } : {}
  const target = query === '' ? path : `${path}?${query}`
  return written(
    operation.method,
    target,
    { ...type, ...example.headers },
    text === undefined ? undefined : bytesOf(text),
  )
}
