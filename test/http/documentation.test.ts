import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { errorPages } from '../../lib/http/error-status.ts'
import { httpMetricDeclarations } from '../../lib/http/http-metrics.ts'
import type { JsonSchema } from '../../lib/http/json-schema.ts'
import type { OpenApiOperation } from '../../lib/http/openapi.ts'
import { resources } from '../../lib/http/resources.ts'
import { openApi, undocumentedIn } from './documented.ts'
import { type Ask, serve } from './with-server.ts'

t.test('openapi.json', async (t) => {
  const { ask } = await serve(t)

  await t.test('is what the server gives away', async (t) => {
    t.same((await ask('/openapi.json')).json, JSON.parse(JSON.stringify(openApi)))
  })

  await t.test('has the shape of OpenAPI 3.1', async (t) => {
    t.equal(openApi.openapi, '3.1.0')
    t.match(openApi.info, { title: /./, version: /./ })
    const ids = operations().map(({ operation }) => operation.operationId)
    t.equal(new Set(ids).size, ids.length, 'operation ids are unique')
    for (const { path, method, operation } of operations()) {
      const name = `${method} ${path}`
      t.match(path, /^\//)
      t.match(operation.summary, /\.$|\?$/, name)
      t.ok(Object.keys(operation.responses).length > 0, name)
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path')
      t.same(
        inPath.map((parameter) => `{${parameter.name}}`),
        path.match(/\{[a-z]+\}/g) ?? [],
        `${name}: every name in the path is a parameter`,
      )
      t.ok(inPath.every((parameter) => parameter.required))
      const keys = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
      t.equal(new Set(keys).size, keys.length, `${name}: parameters are named once`)
      for (const parameter of operation.parameters) t.ok(parameter.description, `${name} ${parameter.name}`)
      for (const [status, response] of Object.entries(operation.responses)) {
        t.match(status, /^[2-5][0-9][0-9]$/)
        t.ok(response.description, `${name} ${status}`)
        if (method === 'head') t.notOk(response.content, `${name} ${status}: HEAD has no body`)
        for (const { schema } of Object.values(response.content ?? {})) checkSchema(schema, `${name} ${status}`)
      }
    }

    function checkSchema(schema: JsonSchema, at: string): void {
      if (schema.$ref !== undefined) t.ok(openApi.components.schemas[schema.$ref.split('/').at(-1) as string], at)
      else t.ok(schema.description, `${at}: says what it is`)
      for (const name of schema.required ?? [])
        t.ok(schema.properties?.[name], `${at}.${name} is required and declared`)
      for (const [name, property] of Object.entries(schema.properties ?? {})) checkSchema(property, `${at}.${name}`)
      for (const option of schema.anyOf ?? []) checkSchema(option, at)
      if (schema.items !== undefined) checkSchema(schema.items, `${at}[]`)
    }
  })

  await t.test('lists every route, and no other', async (t) => {
    t.same(
      operations()
        .map(({ path, method }) => `${method.toUpperCase()} ${path}`)
        .sort(),
      resources
        .flat()
        .map(({ path, method }) => `${method} ${path}`)
        .sort(),
    )
    for (const { path, method } of operations()) {
      const answer = await ask(example(path), { method: method.toUpperCase() as Exclude<Ask['method'], undefined> })
      t.not(answer.status, 405, `${method} ${path}`)
      if (answer.status === 404 && method === 'get') t.equal(answer.json.code, 'not-found', `${method} ${path}`)
    }
    for (const path of Object.keys(openApi.paths)) {
      const { status, headers } = await ask(example(path), { method: 'OPTIONS' })
      t.equal(status, 405, path)
      t.same(
        String(headers.allow).toLowerCase().split(', ').sort(),
        Object.keys(openApi.paths[path] ?? {}).sort(),
        'Allow says the same',
      )
    }
  })

  await t.test('lists the query parameters that are read, and no other', async (t) => {
    for (const { path, method, operation } of operations()) {
      if (method === 'head') continue
      const how = { method: method.toUpperCase() as Exclude<Ask['method'], undefined> }
      const known = operation.parameters.filter((parameter) => parameter.in === 'query')
      for (const { name } of known) {
        const empty = await ask(`${example(path)}?${name}=`, how)
        t.match(empty, { status: 400, json: { code: 'invalid-parameter' } })
        t.match(empty.json.detail, `"${name}" must be`, `${method} ${path} knows ${name}`)
      }
      const unknown = await ask(`${example(path)}?zzzzzzzzzzzzzzzzzzzzzzzzzz=1`, how)
      t.match(unknown, { status: 400, json: { code: 'invalid-parameter' } }, `${method} ${path}`)
      t.match(unknown.json.hint, known.length === 0 ? /no parameters/ : known.map(({ name }) => name).join(', '))
    }
  })

  await t.test('would be missed: what it does not say is found', async (t) => {
    const answer = { status: 200, headers: { 'content-type': 'application/json' }, text: '{"id":1}' }
    t.match(undocumentedIn('GET', '/v1/node', answer), /missing|is not/)
    t.match(undocumentedIn('GET', '/v1/node', { ...answer, status: 299 }), 'status 299')
    t.match(undocumentedIn('GET', '/v1/node', { ...answer, headers: { 'starling-new': 'x' } }), 'header starling-new')
    t.equal(undocumentedIn('POST', '/v1/node', answer), 'the request')
  })
})

t.test('every error code has one status', async (t) => {
  const codesByStatus: Record<string, string[]> = {}
  for (const [code, { status }] of Object.entries(errorPages)) {
    codesByStatus[status] = [...(codesByStatus[status] ?? []), code].sort()
  }
  t.same(codesByStatus, {
    400: ['invalid-body', 'invalid-bucket', 'invalid-context', 'invalid-header', 'invalid-key', 'invalid-parameter'],
    401: ['unauthenticated'],
    403: ['forbidden'],
    404: ['not-found', 'unknown-node', 'unknown-route'],
    405: ['method-not-allowed'],
    409: ['plan-refused', 'stale-plan', 'too-many-siblings', 'transition-running'],
    412: ['precondition-failed', 'session-unavailable'],
    413: ['metadata-too-large', 'value-too-large'],
    415: ['unsupported-encoding'],
    422: ['idempotency-key-reused'],
    429: ['overloaded'],
    500: ['internal'],
    503: ['clock-skew', 'closed', 'draining', 'no-layout', 'quorum-unavailable', 'storage-failed', 'unreachable'],
    504: ['deadline-exceeded'],
  })
})

t.test('docs/http-api.md names every request, parameter, header, code and metric', async (t) => {
  const guide = readFileSync(guidePath(), 'utf8')
  for (const { path, method, operation } of operations()) {
    if (method === 'head') continue
    const isShown = guide.includes(`${method.toUpperCase()} ${path}`) || guide.includes(curlOf(method, path))
    t.ok(isShown, `${method} ${path}`)
    for (const parameter of operation.parameters) {
      if (parameter.in === 'path') continue
      t.match(guide, new RegExp(`\\b${parameter.name.replace('*', '\\*')}`), `${method} ${path} ${parameter.name}`)
    }
    for (const response of Object.values(operation.responses)) {
      for (const name of Object.keys(response.headers)) t.ok(guide.includes(name), `${method} ${path} answers ${name}`)
    }
  }
  for (const code of Object.keys(errorPages)) t.ok(guide.includes(`\`${code}\``), code)
  for (const { name } of Object.values(httpMetricDeclarations)) t.ok(guide.includes(name), name)
})

/** The tests run compiled, from another directory than the sources: the guide is beside `package.json`. */
function guidePath(): string {
  let directory = realpathSync(fileURLToPath(new URL('.', import.meta.url)))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return join(dirname(realpathSync(join(directory, 'package.json'))), 'docs', 'http-api.md')
}

function curlOf(method: string, path: string): string {
  const url = `http://127.0.0.1:7070${path.replace('{bucket}', 'carts').replace('{key}', 'ada')}`
  return method === 'get' ? url : `curl -i -X ${method.toUpperCase()} ${url}`
}

function operations(): { readonly path: string; readonly method: string; readonly operation: OpenApiOperation }[] {
  return Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
}

function example(path: string): string {
  return path.replace('{bucket}', 'birds').replace('{key}', 'robin')
}
