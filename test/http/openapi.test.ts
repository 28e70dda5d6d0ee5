import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import t, { type Test } from 'tap'
import type { Example } from '../../lib/http/examples/example.ts'
import { examples, examplesOf } from '../../lib/http/examples/examples.ts'
import type { OpenApiOperation } from '../../lib/http/openapi.ts'
import { formatSecretKey } from '../../lib/security/keyring.ts'
import { type RunningNode, startNode } from '../../lib/start-node.ts'
import { openApi, undocumentedIn } from './documented.ts'

interface Operation {
  readonly path: string
  readonly method: string
  readonly operation: OpenApiOperation
}

const operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [operation.operationId, { path, method, operation }] as const),
  ),
)

/** Of these the values differ from cluster to cluster, and from moment to moment. */
const varyingFields = [
  ...['id', 'node', 'peer', 'http', 'clusterId', 'hash', 'plan', 'token', 'writtenAt', 'writtenBy', 'etag', 'context'],
  ...[
    'requestId',
    'stateHash',
    'cursor',
    'version',
    'summary',
    'quorum',
    'members',
    'nodes',
    'description',
    'reason',
    'state',
    'createdAt',
    'expiresAt',
    'revokedAt',
  ],
]
/** What was compared in the background by now. */
const mayBeEmpty = /\.comparisons$/
/** In the order of ids, which are drawn: another name each time, which is no reason to ask for another one. */
const namesOfSome = ['name', 'hint']
/** Drawn with the key. */
const idOfKey = /^[0-9a-f]{8}$/
const varyingHeaders = ['Starling-Context', 'Starling-Session', 'Starling-Quorum', 'ETag', 'X-Request-Id']

t.test('the document is one by the JSON schema of OpenAPI 3.1', async (t) => {
  const document = JSON.parse(JSON.stringify(openApi)) as Record<string, unknown>
  t.same(await new Validator().validate(document), { valid: true })
  const { paths: _paths, ...without } = document
  t.notOk((await new Validator().validate({ ...without, operations: {} })).valid, 'one that is none is found')
})

t.test('every request has examples, and every example a request and an answer', async (t) => {
  for (const [name] of operations) t.ok(examplesOf(name).length > 0, name)
  for (const example of examples) {
    const { operation } = operations.get(example.operation) as Operation
    const name = `${example.operation} ${example.name}`
    for (const place of ['path', 'query', 'headers'] as const)
      for (const [given, value] of Object.entries(example[place] ?? {})) {
        const shown = operation.parameters.find((parameter) => parameter.name === given)?.examples?.[example.name]
        // An unknown parameter is what its example is about; the type of a body stands beside the body.
        if (example.answer.status !== 400 && given !== 'Content-Type') t.equal(shown?.value, value, `${name} ${given}`)
      }
    const response = operation.responses[example.answer.status]
    t.ok(response, `${name}: the status is documented`)
    if (example.answer.body !== undefined) {
      const shown = Object.values(response?.content ?? {}).some(
        ({ examples }) => examples?.[example.name] !== undefined,
      )
      t.ok(shown, `${name}: the answer stands in the document`)
    }
  }
  const names = examples.map(({ operation, name }) => `${operation} ${name}`)
  t.equal(new Set(names).size, names.length)
})

t.test('every example comes out as it says, one after the other on real nodes', { timeout: 150_000 }, async (t) => {
  const [n1, , n3] = await cluster(t)
  /** What stood in the example, and what it was this time. */
  const known = new Map<string, string>()
  for (const example of examples) {
    // A node that was drained takes no further part.
    const node = example.operation === 'drain' ? n3 : n1
    if (example.operation === 'recovered' && !(await isConverged(n1))) throw new Error('the layout moves no more')
    const name = `${example.operation}: ${example.summary}`
    for (const operation of [example.operation, `head-${example.operation}`]) {
      if (!operations.has(operation)) continue
      const { seen, undocumented } = await ask(node, operation, example, known)
      t.equal(seen.status, example.answer.status, `${name} ${operation}: ${seen.text.slice(0, 300)}`)
      t.equal(undocumented, undefined, name)
      for (const [header, value] of Object.entries(example.answer.headers ?? {})) {
        const actual = seen.headers[header.toLowerCase()]
        if (!varyingHeaders.includes(header)) t.equal(actual, value, `${name} ${header}`)
        else if (t.type(actual, 'string', `${name} ${header}`)) known.set(value, actual as string)
      }
      if (operation === example.operation) compareBodies(t, name, example, seen.text, known)
      else t.equal(seen.text, '', 'HEAD has no body')
    }
    if (example.operation === 'commit' && example.answer.status === 200) await settled(n1)
  }
})

t.test('the comparison itself notices', async (t) => {
  const known = new Map<string, string>()
  t.equal(difference({ a: [1], etag: 'x' }, { a: [2], etag: 'y' }, '', known), undefined)
  t.equal(known.get('x'), 'y')
  t.equal(difference({ a: 1 }, { b: 1 }, '', known), 'has b instead of a')
  t.equal(difference({ a: 'x' }, { a: 'y' }, '', known), '.a is "y" instead of "x"')
  t.equal(difference({ a: [{ b: 1 }] }, { a: [{ b: '1' }] }, '', known), '.a[0].b is a string')
  t.equal(difference({ a: [1] }, { a: [] }, '', known), '.a is empty')
})

interface Seen {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

async function ask(
  node: RunningNode,
  operationId: string,
  example: Example,
  known: ReadonlyMap<string, string>,
): Promise<{ readonly seen: Seen; readonly undocumented: string | undefined }> {
  const { path, method, operation } = operations.get(operationId) as Operation
  const current = (value: string): string => known.get(value) ?? value
  let target = path
  for (const [name, value] of Object.entries(example.path ?? {}))
    target = target.replace(`{${name}}`, encodeURIComponent(current(value)))
  const query = new URLSearchParams(
    Object.entries(example.query ?? {}).map(([name, value]): [string, string] => [name, current(value)]),
  )
  if (query.size > 0) target += `?${query}`
  const headers = Object.fromEntries(
    Object.entries(example.headers ?? {}).map(([name, value]) => [name, current(value)]),
  )
  const { body } = example
  const isJson = operation.requestBody?.content['application/json'] !== undefined
  if (isJson && body !== undefined) headers['Content-Type'] = 'application/json'
  const sent =
    isJson && body !== undefined
      ? JSON.stringify(body, (_, value) => (typeof value === 'string' ? current(value) : value))
      : body
  const response = await fetch(`http://${node.http}${target}`, {
    method: method.toUpperCase(),
    headers,
    ...(sent === undefined ? {} : { body: sent as string }),
  })
  const seen: Seen = {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    text: await response.text(),
  }
  return { seen, undocumented: undocumentedIn(method.toUpperCase(), target, seen) }
}

function compareBodies(t: Test, name: string, example: Example, text: string, known: Map<string, string>): void {
  const { body, mediaType = '', isExcerpt } = example.answer
  if (body === undefined) return void t.equal(text, '', name)
  if (typeof body === 'object' && isExcerpt) return void t.match(JSON.parse(text), body, name)
  if (isExcerpt) return lines(body as string).forEach((line) => void t.ok(text.includes(line), `${name}: ${line}`))
  if (mediaType === 'application/x-ndjson') {
    const [expected, actual] = [body as string, text].map((page) => lines(page).map((line) => JSON.parse(line)))
    return void t.equal(difference(expected, actual, '', known), undefined, name)
  }
  if (typeof body === 'string') return void t.equal(text, body, name)
  t.equal(difference(body, JSON.parse(text), '', known), undefined, name)
}

/** In what `actual` is not like `expected`; the values of varying fields are learnt. */
function difference(expected: unknown, actual: unknown, at: string, known: Map<string, string>): string | undefined {
  // Whether something may be null is for the schema to say.
  if (expected === null || actual === null) return undefined
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return `${at} is no array`
    if (expected.length > 0 && actual.length === 0) return mayBeEmpty.test(at) ? undefined : `${at} is empty`
    return expected
      .map((item, index) => difference(item, actual[Math.min(index, actual.length - 1)], `${at}[${index}]`, known))
      .find((found) => found !== undefined)
  }
  if (typeof expected !== typeof actual) return `${at} is a ${typeof actual}`
  if (typeof expected === 'object') {
    const [wanted, found] = [expected as Record<string, unknown>, actual as Record<string, unknown>]
    const [more] = Object.keys(found).filter((name) => !Object.hasOwn(wanted, name))
    const [less] = Object.keys(wanted).filter((name) => !Object.hasOwn(found, name))
    if (more !== undefined || less !== undefined) return `${at} has ${more} instead of ${less}`.trim()
    return Object.keys(wanted)
      .map((name) => difference(wanted[name], found[name], `${at}.${name}`, known))
      .find((one) => one !== undefined)
  }
  if (typeof expected !== 'string' || expected === actual) return undefined
  const field = /\.(\w+)[[\]\d]*$/.exec(at)?.[1] ?? ''
  if (namesOfSome.includes(field)) return undefined
  if (!varyingFields.includes(field) && !idOfKey.test(expected))
    return `${at} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`
  known.set(expected, actual as string)
  return undefined
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** Three nodes in this process, as many partitions as the examples show. */
async function cluster(t: Test): Promise<readonly [RunningNode, RunningNode, RunningNode]> {
  const directory = mkdtempSync(join(tmpdir(), 'starling-examples-'))
  const start = (name: string, join?: readonly string[]): Promise<RunningNode> => {
    const secretFile = `${directory}/${name}.secret`
    writeFileSync(secretFile, `${formatSecretKey(new Uint8Array(32).fill(1))}\n`, { mode: 0o600 })
    return startNode({
      ...{ name, data: `${directory}/${name}`, http: '127.0.0.1:0', peer: '127.0.0.1:0', logLevel: 'error' },
      ...{ partitions: 8, expect: 3, secretFile, ...(join === undefined ? {} : { join }) },
    })
  }
  const n1 = await start('n1')
  const nodes = [n1, await start('n2', [n1.peer]), await start('n3', [n1.peer])] as const
  t.teardown(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    rmSync(directory, { recursive: true })
  })
  for (const node of nodes) await until(async () => (await fetch(`http://${node.http}/readyz`)).ok)
  await settled(n1)
  return nodes
}

async function settled(node: RunningNode): Promise<void> {
  await until(() => isConverged(node))
}

async function isConverged(node: RunningNode): Promise<boolean> {
  const status = (await (await fetch(`http://${node.http}/v1/cluster/status`)).json()) as { converged: boolean }
  return status.converged
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50))
}
