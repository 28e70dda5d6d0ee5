import type { JsonSchema } from '../../lib/http/json-schema.ts'
import { openApiOf } from '../../lib/http/openapi.ts'
import { resources } from '../../lib/http/resources.ts'

export const openApi = openApiOf(resources.flat())

/** What HTTP itself adds to answers. */
const headersOfHttp = [
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-type',
  'cache-control',
  'vary',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'cross-origin-resource-policy',
  'cross-origin-opener-policy',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'content-security-policy',
]

interface Seen {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** What in an answer the OpenAPI document does not say; undefined when all of it is documented. */
export function undocumentedIn(method: string, path: string, seen: Seen): string | undefined {
  const operation = openApi.paths[templateOf(path)]?.[method.toLowerCase()]
  // What a browser asks before its page does, no route answers.
  if (method === 'OPTIONS' && [204, 403].includes(seen.status)) return undefined
  if (operation === undefined) return [401, 403, 404, 405, 429].includes(seen.status) ? undefined : 'the request'
  const response = operation.responses[seen.status]
  if (response === undefined) return `status ${seen.status}`
  const documented = Object.keys(response.headers).map((name) => name.toLowerCase())
  for (const name of Object.keys(seen.headers)) {
    const isKnown = headersOfHttp.includes(name) || documented.includes(name)
    if (!isKnown && !(name.startsWith('starling-meta-') && documented.includes('starling-meta-*')))
      return `header ${name}`
  }
  if (seen.text === '') return undefined
  const mediaType = String(seen.headers['content-type']).split(';')[0] as string
  const schema = (response.content?.[mediaType] ?? response.content?.['*/*'])?.schema
  if (schema === undefined) return `a body of type ${mediaType}`
  if (mediaType === 'application/x-ndjson') {
    const lines = seen.text.trimEnd().split('\n')
    return lines.map((line) => mismatch(JSON.parse(line), schema, 'line')).find((found) => found !== undefined)
  }
  return mediaType.endsWith('json') ? mismatch(JSON.parse(seen.text), schema, 'body') : undefined
}

/** Where `value` is not what `schema` says; undefined when it is. */
export function mismatch(value: unknown, schema: JsonSchema, at: string): string | undefined {
  if (schema.$ref !== undefined) {
    const target = openApi.components.schemas[schema.$ref.split('/').at(-1) as string]
    return target === undefined ? `${at}: ${schema.$ref} leads nowhere` : mismatch(value, target, at)
  }
  if (schema.anyOf !== undefined) {
    const found = schema.anyOf.map((option) => mismatch(value, option, at))
    return found.includes(undefined) ? undefined : found.join(' and ')
  }
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type
  if (types !== undefined && !types.some((type) => isOfType(value, type))) return `${at} is not ${types.join(' or ')}`
  if (schema.enum !== undefined && !schema.enum.includes(value as string)) return `${at} is none of ${schema.enum}`
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema
    return value.map((item, index) => mismatch(item, items, `${at}[${index}]`)).find((found) => found !== undefined)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const missing = schema.required?.find((name) => !Object.hasOwn(value, name))
  if (missing !== undefined) return `${at}.${missing} is missing`
  for (const [name, property] of Object.entries(value)) {
    const declared = schema.properties?.[name] ?? schema.additionalProperties
    if (declared === false) return `${at}.${name} is not documented`
    const found = typeof declared === 'object' ? mismatch(property, declared, `${at}.${name}`) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

function templateOf(path: string): string {
  const plain = (path.split('?')[0] as string).replace(/^\/v1\/tokens\/.*$/, '/v1/tokens/{id}')
  return plain.replace(/^\/v1\/(kv|replica|explain|buckets)\/([^/]*)(\/.*)?$/, (_all, resource, _bucket, key) =>
    key === undefined ? `/v1/${resource}/{bucket}` : `/v1/${resource}/{bucket}/{key}`,
  )
}
