import type { ErrorCode } from '../vocabulary/errors.ts'
import { errorPages } from './error-status.ts'
import type { Example } from './examples/example.ts'
import { examplesOf } from './examples/examples.ts'
import { healthPaths } from './health-routes.ts'
import type { JsonSchema } from './json-schema.ts'
import { problemMediaType, problemSchema } from './problem.ts'
import type { HeaderDeclaration, ResponseDeclaration, Route } from './route.ts'
import { isOpen, permissionText } from './route-permission.ts'

/** By name: what has the same name in the request and in its answer belongs together. */
export type OpenApiExamples = Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>

export interface OpenApiParameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: JsonSchema
  readonly examples?: OpenApiExamples
}

export interface OpenApiHeader extends HeaderDeclaration {
  readonly examples?: OpenApiExamples
}

interface OpenApiMedia {
  readonly schema: JsonSchema
  readonly examples?: OpenApiExamples
}

export interface OpenApiResponse {
  readonly description: string
  readonly headers: Readonly<Record<string, OpenApiHeader>>
  readonly content?: Readonly<Record<string, OpenApiMedia>>
}

export interface OpenApiOperation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly parameters: readonly OpenApiParameter[]
  readonly requestBody?: {
    readonly description: string
    readonly content: Readonly<Record<string, OpenApiMedia>>
  }
  readonly responses: Readonly<Record<string, OpenApiResponse>>
  /** Empty: nobody is asked for anything. */
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  /** What a token must be good for, where tokens are asked for. */
  readonly 'x-permission': string
}

export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly servers: readonly { readonly url: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly securitySchemes: Readonly<
      Record<string, { readonly type: string; readonly scheme: string; readonly description: string }>
    >
  }
}

/** Every request can meet these. */
const commonErrors: readonly ErrorCode[] = ['invalid-parameter', 'invalid-header', 'internal']

/** And those of whoever shows no token, or one that is not good for this; `no-layout`: which are good is not known yet. */
const strangersErrors: readonly ErrorCode[] = ['unauthenticated', 'forbidden', 'no-layout']

/** OpenAPI describes these by media types, and ignores them as parameters. */
const negotiationHeaders = ['Accept', 'Content-Type', 'Authorization']

/** The document of the API, made of the declarations that the routes themselves run by. */
export function openApiOf(routes: readonly Route[]): OpenApiDocument {
  const paths: Record<string, Record<string, OpenApiOperation>> = {}
  for (const route of routes) {
    const operations = paths[route.path] ?? {}
    operations[route.method.toLowerCase()] = withExamples(operationOf(route), examplesOf(route.operation))
    paths[route.path] = operations
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Starling',
      version: '1',
      description: 'A leaderless, eventually consistent key-value database. Any node answers any request.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'Where nodes were started with --token-file.' },
      },
    },
  }
}

function operationOf(route: Route): OpenApiOperation {
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    parameters: [...pathParameters(route.path), ...queryParameters(route), ...headerParameters(route)],
    ...(route.takesValue === true
      ? {
          requestBody: {
            description: 'The bytes of the value, stored with their Content-Type. Up to 8 MiB.',
            content: { '*/*': { schema: { description: 'Any bytes.' } } },
          },
        }
      : {}),
    ...(route.takesJson === undefined
      ? {}
      : {
          requestBody: {
            description: route.takesJson.description ?? '',
            content: { 'application/json': { schema: route.takesJson } },
          },
        }),
    responses: responsesOf(route),
    // The empty one: where no tokens are asked for.
    security: isOpen(route.permission) ? [] : [{ token: [] }, {}],
    'x-permission': permissionText(route.permission),
  }
}

function pathParameters(path: string): OpenApiParameter[] {
  const described: Readonly<Record<string, string>> = {
    bucket: 'UTF-8, percent-encoded; 1 to 255 bytes; not starting with "$", not "." or "..".',
    key: 'UTF-8, percent-encoded, a slash as %2F; 1 to 1024 bytes; not "." or "..".',
    id: 'Twelve hexadecimal digits, as GET /v1/tokens lists them.',
  }
  return [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: described[name] ?? '',
    schema: { type: 'string', minLength: 1 },
  }))
}

function queryParameters(route: Route): OpenApiParameter[] {
  return Object.entries(route.query).map(([name, { description, schema }]) => ({
    name,
    in: 'query',
    required: false,
    description,
    schema,
  }))
}

function headerParameters(route: Route): OpenApiParameter[] {
  const headers = { ...route.headers, 'X-Request-Id': requestId }
  return Object.entries(headers)
    .filter(([name]) => !negotiationHeaders.includes(name))
    .map(([name, { description, schema }]) => ({ name, in: 'header', required: false, description, schema }))
}

const requestId: HeaderDeclaration = {
  description: 'Names the request in logs and problems; made when the request has none (1 to 128 visible characters).',
  schema: { type: 'string' },
}

const challenge: HeaderDeclaration = {
  description: 'How to show a token (RFC 6750).',
  schema: { type: 'string' },
}

function responsesOf(route: Route): Record<string, OpenApiResponse> {
  const responses: Record<string, OpenApiResponse> = {}
  for (const [status, response] of Object.entries(route.responses)) responses[status] = responseOf(response)
  const ofStrangers = isOpen(route.permission) ? [] : strangersErrors
  const ofTheDoor: readonly ErrorCode[] = healthPaths.has(route.path) ? [] : ['overloaded']
  for (const [status, codes] of codesByStatus([...route.errors, ...commonErrors, ...ofStrangers, ...ofTheDoor])) {
    responses[status] = problemResponse(route, status, codes)
  }
  return responses
}

function responseOf({ description, content, headers }: ResponseDeclaration): OpenApiResponse {
  const entries = Object.entries(content).map(([mediaType, schema]) => [mediaType, { schema }] as const)
  return {
    description,
    headers: { ...headers, 'X-Request-Id': requestId },
    ...(entries.length === 0 ? {} : { content: Object.fromEntries(entries) }),
  }
}

function codesByStatus(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set(codes)) {
    const { status } = errorPages[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}

function problemResponse(route: Route, status: number, codes: readonly ErrorCode[]): OpenApiResponse {
  const isRetryable = status === 429 || status === 503
  return {
    description: `${codes.join(', ')}.`,
    headers: {
      ...route.errorHeaders,
      ...(status === 404 ? route.notFoundHeaders : {}),
      ...(status === 412 || status === 503 || status === 504 ? route.quorumHeaders : {}),
      ...(status === 401 ? { 'WWW-Authenticate': challenge } : {}),
      ...(isRetryable ? { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } } : {}),
      'X-Request-Id': requestId,
    },
    ...(route.method === 'HEAD'
      ? {}
      : { content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } } }),
  }
}

function withExamples(operation: OpenApiOperation, examples: readonly Example[]): OpenApiOperation {
  const { parameters, requestBody, responses } = operation
  return {
    ...operation,
    parameters: parameters.map((parameter) => {
      const place = parameter.in === 'header' ? 'headers' : parameter.in
      return { ...parameter, ...shownIn(examples, (example) => example[place]?.[parameter.name]) }
    }),
    ...(requestBody === undefined
      ? {}
      : {
          requestBody: {
            ...requestBody,
            content: mapValues(requestBody.content, (media) => ({
              ...media,
              ...shownIn(examples, ({ body }) => body),
            })),
          },
        }),
    responses: mapValues(responses, (response, status) => {
      const seen = examples.filter(({ answer }) => String(answer.status) === status)
      const { headers, content } = response
      return {
        ...response,
        headers: mapValues(headers, (header, name) => ({
          ...header,
          ...shownIn(seen, ({ answer }) => answer.headers?.[name]),
        })),
        ...(content === undefined
          ? {}
          : {
              content: mapValues(content, (media, type) => ({
                ...media,
                ...shownIn(seen, ({ answer }) => (isOfType(type, answer.mediaType) ? answer.body : undefined)),
              })),
            }),
      }
    }),
  }
}

function isOfType(type: string, given: string | undefined): boolean {
  return given !== undefined && (type === given || type === '*/*')
}

/** Nothing where no example has it. */
function shownIn(
  examples: readonly Example[],
  valueIn: (example: Example) => unknown,
): { readonly examples?: OpenApiExamples } {
  const shown = examples
    .map((example) => [example.name, { summary: example.summary, value: valueIn(example) }] as const)
    .filter(([, { value }]) => value !== undefined)
  return shown.length === 0 ? {} : { examples: Object.fromEntries(shown) }
}

function mapValues<Value, Result>(
  values: Readonly<Record<string, Value>>,
  map: (value: Value, name: string) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value, name)]))
}
