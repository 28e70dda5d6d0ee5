import { errorPages } from '../../lib/http/error-status.ts'
import type { Example } from '../../lib/http/examples/example.ts'
import { examplesOf } from '../../lib/http/examples/examples.ts'
import type { JsonSchema } from '../../lib/http/json-schema.ts'
import { type OpenApiOperation, openApiOf } from '../../lib/http/openapi.ts'
import { resources } from '../../lib/http/resources.ts'

/** Longer ones are shown in part. */
const bodyCharsMax = 700

/** The reference of docs/http-reference.md: every request but HEAD, from the declarations that the server runs by. */
export function httpReference(): string {
  const { paths } = openApiOf(resources.flat())
  const sections = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== 'head')
      .map(([method, operation]) => section(method.toUpperCase(), path, operation)),
  )
  return [...sections, errorsSection()].join('\n\n')
}

function section(method: string, path: string, operation: OpenApiOperation): string {
  const { summary, description, parameters, requestBody, responses } = operation
  const json = requestBody?.content['application/json']?.schema
  return [
    `## ${method} ${path}`,
    [summary, description].filter(Boolean).join(' '),
    `Permission: ${operation['x-permission']}.`,
    table(
      ['parameter', 'in', 'values', 'meaning'],
      parameters.map(({ name, in: place, schema, description }) => [
        `\`${name}\``,
        place,
        valuesOf(schema),
        description,
      ]),
    ),
    ...(requestBody === undefined ? [] : [`**Body.** ${json === undefined ? requestBody.description : bodyOf(json)}`]),
    table(
      ['status', 'meaning', 'body'],
      Object.entries(responses).map(([status, { description, content = {} }]) => [
        status,
        description,
        Object.entries(content)
          .map(([type, { schema }]) => `\`${type}\`${schema.$ref === undefined ? shapeOf(schema) : ''}`)
          .join('; '),
      ]),
    ),
    ...examplesOf(operation.operationId).map((example) => exampleOf(method, path, example)),
  ].join('\n\n')
}

function exampleOf(method: string, path: string, example: Example): string {
  const { status, headers = {}, body } = example.answer
  const answer = [
    String(status),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : ['', shortened(typeof body === 'string' ? body.trimEnd() : JSON.stringify(body))]),
  ]
  return `*${example.summary}:*\n\n\`\`\`http\n${requestOf(method, path, example).join('\n')}\n\`\`\`\n\n\`\`\`\n${answer.join('\n')}\n\`\`\``
}

function requestOf(
  method: string,
  path: string,
  { path: names = {}, query = {}, headers = {}, body }: Example,
): string[] {
  const target = Object.entries(names).reduce(
    (sofar, [name, value]) => sofar.replace(`{${name}}`, encodeURIComponent(value)),
    path,
  )
  const search = new URLSearchParams(query)
  const isJson = typeof body === 'object'
  return [
    `${method} ${target}${search.size === 0 ? '' : `?${search}`}`,
    ...(isJson ? ['Content-Type: application/json'] : []),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : ['', isJson ? JSON.stringify(body) : (body as string)]),
  ]
}

function shortened(text: string): string {
  return text.length <= bodyCharsMax ? text : `${text.slice(0, bodyCharsMax)}...`
}

function bodyOf(schema: JsonSchema): string {
  return `JSON. ${schema.description ?? ''}${shapeOf(schema)}`
}

/** The fields of an object, as `{name, other?}`, one level deep. */
function shapeOf(schema: JsonSchema): string {
  if (schema.anyOf !== undefined)
    return ` ${schema.anyOf
      .map((one) => shapeOf(one).trim())
      .filter(Boolean)
      .join(' or ')}`
  const names = Object.keys(schema.properties ?? {})
  if (names.length === 0) return ''
  const fields = names.map((name) => `${name}${schema.required?.includes(name) ? '' : '?'}`)
  return ` \`{${fields.join(', ')}}\``
}

function valuesOf(schema: JsonSchema): string {
  const fallback = schema.default === undefined ? '' : `; default ${String(schema.default)}`
  if (schema.anyOf !== undefined) return schema.anyOf.map(valuesOf).join(', ') + fallback
  if (schema.enum !== undefined) return schema.enum.join(', ') + fallback
  const type = typeof schema.type === 'string' ? schema.type : (schema.type?.join(' or ') ?? 'any')
  const from = schema.minimum === undefined ? '' : ` from ${schema.minimum}`
  const to = schema.maximum === undefined ? '' : ` to ${schema.maximum}`
  return type + from + to + fallback
}

function errorsSection(): string {
  const rows = Object.entries(errorPages).map(([code, { status, title, hint }]) => [
    `\`${code}\``,
    String(status),
    title,
    hint,
  ])
  return `## Error codes\n\n${table(['code', 'status', 'title', 'hint'], rows)}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
