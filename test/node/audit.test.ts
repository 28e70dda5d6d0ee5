import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../lib/connect.ts'
import { auditKindOf } from '../../lib/http/audited-request.ts'
import { resources } from '../../lib/http/resources.ts'
import { auditing } from '../../lib/node/audited-frames.ts'
import { refusal } from '../../lib/node/refusals.ts'
import { StartProblem } from '../../lib/node/start-problem.ts'
import { propertiesDefault } from '../../lib/protocol/bucket/properties.ts'
import { AuditLog } from '../../lib/security/audit-log.ts'
import { declareAuditMetrics } from '../../lib/security/audit-metrics.ts'
import { formatSecretKey } from '../../lib/security/keyring.ts'
import type { Principal } from '../../lib/security/principal.ts'
import { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import { type RunningNode, type StartNodeOptions, startNode } from '../../lib/start-node.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import type { Bucket } from '../../lib/vocabulary/key.ts'
import { mountSmallDisk, scratchDirectory } from '../platform/fixtures/scratch.ts'
import { ManualTime } from './fixtures/fake-parts.ts'
import { eventually, NodeProcess, nodeIn, put, ready } from './fixtures/real-nodes.ts'

const admin = 'a-token-of-the-file-that-nobody-may-see'

t.test('what changes the cluster is written down, whoever asked for it and whatever came of it', async (t) => {
  const { node, records } = await audited(t)
  await ask(node, 'POST', '/v1/cluster/stage', { action: 'set', node: 'ada', weight: 3 })
  await ask(node, 'POST', '/v1/cluster/stage', { action: 'exclude', node: 'nobody' })
  await ask(node, 'POST', '/v1/cluster/commit', { plan: 'fedcba9876543210' })
  await ask(node, 'POST', '/v1/cluster/commit', {})
  await ask(node, 'POST', '/v1/cluster/forget', { node: 'nobody' })
  await ask(node, 'POST', '/v1/cluster/abort')
  await ask(node, 'PUT', '/v1/buckets/carts', { r: 1 })
  await ask(node, 'PUT', '/v1/buckets/carts', { r: 'many' })
  await ask(node, 'POST', '/v1/node/recovered', { acceptLoss: true })
  await ask(node, 'POST', '/v1/cluster/anti-entropy')
  await ask(node, 'GET', '/v1/cluster/plan')
  await put(node, 'ada', 'a value')
  await node.db.bucket('carts').get('ada')
  await ask(node, 'POST', '/v1/node/drain')
  const { id } = node
  await node.stop()

  const all = records()
  t.same(
    all.map(({ line }) => line),
    all.map((_, index) => index + 1),
  )
  t.ok(all.every((one) => one.v === 1 && one.node === 'ada' && (one.nodeId === id || one.line === 1)))
  t.match(
    all.map(({ kind, via, operation, on, outcome }) => [kind, via, operation, on, outcome]),
    [
      ['change', 'node', 'node-started', { pid: process.pid }, 'ok'],
      ['change', 'http', 'stage', { action: 'set', node: 'ada', weight: 3 }, 'ok'],
      ['change', 'http', 'stage', { action: 'exclude', node: 'nobody' }, 'unknown-node'],
      ['change', 'http', 'commit', { plan: 'fedcba9876543210', force: false }, 'stale-plan'],
      ['change', 'http', 'commit', { decided: true, number: 2 }, 'ok'],
      ['change', 'http', 'forget', { node: 'nobody' }, 'unknown-node'],
      ['change', 'http', 'abort', {}, /./],
      ['change', 'http', 'set-bucket', { bucket: 'carts', properties: { r: 1 } }, 'ok'],
      ['change', 'http', 'set-bucket', { bucket: 'carts' }, 'invalid-parameter'],
      ['change', 'http', 'recovered', {}, 'ok'],
      ['change', 'http', 'run-exchange', {}, 'ok'],
      ['change', 'http', 'drain', {}, 'ok'],
      ['change', 'node', 'node-stopped', {}, 'ok'],
    ],
    'and nothing that only looks, and nothing of the data',
  )
  for (const { via, from, requestId, who } of all) {
    t.equal(who, null, 'nobody is asked who they are')
    if (via !== 'node') t.match(from, /^127\.0\.0\.1:\d+$/)
    if (via === 'http') t.match(requestId, /./, 'as in the answer and in the log')
  }
})

t.test('every request that changes something other than data is of the kind that is written down', async (t) => {
  const looking = new Set(['GET', 'HEAD'])
  for (const route of resources.flat()) {
    const kind = auditKindOf(route)
    const name = `${route.method} ${route.path}`
    if (looking.has(route.method)) t.ok(kind === undefined || kind === 'read', name)
    else t.ok(kind !== undefined && (kind !== 'read' || route.path === '/v1/batch'), `${name} is ${kind}`)
  }
})

t.test('where tokens are asked for, it says whose, and who was turned away; and never what the token is', async (t) => {
  const { node, records, text } = await audited(t, { tokenFile: tokenFile(t), auditData: 'writes' })
  await ask(node, 'PUT', '/v1/buckets/carts', { r: 1 }, admin)
  await ask(node, 'GET', '/v1/cluster/status?token=in-a-query')
  await ask(node, 'DELETE', '/v1/kv/carts/ada', undefined, 'another-token-that-is-no-good-at-all')
  await ask(node, 'HEAD', '/v1/kv/carts/ada')
  const db = await connect([node.peer], { token: admin })
  await db.bucket('carts').put('ada', new Uint8Array(1))
  await db.close()
  await t.rejects(connect([node.peer], { token: `${admin}x`, connectTimeoutMs: 500 }))
  await node.stop()
  const who = { name: 'token file', role: 'admin', id: /^bootstrap-/ }
  const all = records().filter(({ via }) => via !== 'node')
  t.match(
    all.slice(0, 5).map(({ kind, via, operation, on, outcome, who }) => [kind, via, operation, on, outcome, who]),
    [
      ['change', 'http', 'set-bucket', { bucket: 'carts' }, 'ok', who],
      ['refused', 'http', 'request', { method: 'GET', path: '/v1/cluster/status' }, 'unauthenticated', null],
      ['refused', 'http', 'request', { method: 'DELETE', path: '/v1/kv/carts/ada' }, 'unauthenticated', null],
      ['refused', 'http', 'request', { method: 'HEAD', path: '/v1/kv/carts/ada' }, 'unauthenticated', null],
      ['write', 'frames', 'put', { bucket: 'carts', key: 'ada' }, 'ok', who],
    ],
  )
  t.match(all.at(5), { kind: 'refused', via: 'frames', operation: 'connect', outcome: 'unauthenticated', who: null })
  for (const secret of [admin, 'another-token', 'in-a-query']) t.notOk(text().includes(secret), secret)
})

t.test('tokens and keys of the secret that are made, used and taken away, by their ids', async (t) => {
  const directory = scratchDirectory(t)
  const secretFile = join(directory, 'secret')
  const key = formatSecretKey(new Uint8Array(32).fill(7))
  writeFileSync(secretFile, `${key}\n`, { mode: 0o600 })
  const { node, records, text } = await audited(t, { tokenFile: tokenFile(t), secretFile })
  const order = { name: 'shop', role: 'write', scopes: ['carts/eu'], expiresInSeconds: 60 }
  const made = await say(node, 'POST', '/v1/tokens', order, admin)
  await ask(node, 'POST', '/v1/cluster/stage', { action: 'clear', node: '' }, String(made.token))
  await ask(node, 'DELETE', `/v1/tokens/${made.id}`, undefined, admin)
  await ask(node, 'GET', '/v1/tokens', undefined, admin)
  const { key: added } = await say(node, 'POST', '/v1/cluster/secret', { action: 'add' }, admin)
  await ask(node, 'POST', '/v1/cluster/secret', { action: 'use', key: '01234567' }, admin)
  await node.stop()
  const who = { name: 'token file', role: 'admin' }
  t.match(
    records()
      .filter(({ operation }) => operation !== 'node-started' && operation !== 'node-stopped')
      .map(({ kind, operation, on, outcome, who }) => [kind, operation, on, outcome, who]),
    [
      ['change', 'create-token', { name: 'shop', role: 'write', scopes: ['carts/eu'], token: made.id }, 'ok', who],
      ['refused', 'stage', { path: '/v1/cluster/stage' }, 'forbidden', { id: made.id, name: 'shop', role: 'write' }],
      ['change', 'revoke-token', { token: made.id }, 'ok', who],
      ['change', 'secret-keys-changed', { keys: [/^[0-9a-f]{8}$/, added] }, 'ok', null],
      ['change', 'change-secret', { action: 'add', key: added }, 'ok', who],
      ['change', 'change-secret', { action: 'use', key: '01234567' }, 'not-found', who],
    ],
  )
  const written = readFileSync(secretFile, 'utf8')
    .split('\n')
    .filter((line) => line.length === 43)
  t.equal(written.length, 2)
  for (const secret of [admin, String(made.token), String(made.token).slice(-43), ...written]) {
    t.notOk(text().includes(secret), 'and what they are stands nowhere')
  }
})

t.test('of the data, key by key, what was asked for', async (t) => {
  const operations = [
    { op: 'put', bucket: 'carts', key: 'bob', value: 'secret bread' },
    { op: 'get', bucket: 'carts', key: 'bob' },
    { op: 'delete', bucket: 'carts', key: 'nobody' },
  ]
  for (const auditData of ['writes', 'all'] as const) {
    const { node, records, text } = await audited(t, { auditData })
    await ask(node, 'PUT', '/v1/kv/carts/a%2Fb', 'secret bread')
    await ask(node, 'GET', '/v1/kv/carts/a%2Fb')
    await ask(node, 'GET', '/v1/kv/carts/nothing')
    await ask(node, 'GET', '/v1/kv/carts?prefix=a&values=true')
    await ask(node, 'POST', '/v1/batch', { operations })
    await node.db.bucket('carts').delete('a/b')
    await node.db.bucket('carts').putMany([{ key: 'cyd', value: new TextEncoder().encode('secret bread') }])
    await node.db.bucket('carts').get('cyd')
    await node.stop()
    const writes = [
      ['write', 'http', 'put', { bucket: 'carts', key: 'a/b' }, 'ok'],
      ['write', 'http', 'put', { bucket: 'carts', key: 'bob' }, 'ok'],
      ['write', 'http', 'delete', { bucket: 'carts', key: 'nobody' }, 'ok'],
      ['write', 'frames', 'delete', { bucket: 'carts', key: 'a/b' }, 'ok'],
      ['write', 'frames', 'put', { bucket: 'carts', key: 'cyd' }, 'ok'],
    ]
    const reads = [
      ['read', 'http', 'get', { bucket: 'carts', key: 'a/b' }, 'ok'],
      ['read', 'http', 'get', { bucket: 'carts', key: 'nothing' }, 'not-found'],
      ['read', 'http', 'list', { bucket: 'carts', prefix: 'a' }, 'ok'],
      ['read', 'http', 'get', { bucket: 'carts', key: 'bob' }, 'ok'],
      ['read', 'frames', 'get', { bucket: 'carts', key: 'cyd' }, 'ok'],
    ]
    const seen = records()
      .filter(({ kind }) => kind === 'write' || kind === 'read')
      .map(({ kind, via, operation, on, outcome }) => [kind, via, operation, on, outcome])
    const isOf = (kind: string) => (row: readonly unknown[]) => row[0] === kind
    t.same(seen.filter(isOf('write')), writes, auditData)
    t.same(seen.filter(isOf('read')), auditData === 'all' ? reads : [], auditData)
    t.notOk(text().includes('secret bread'), 'values are nobody’s business')
  }
})

t.test('a frame of a client that changes something, or may not', async (t) => {
  const written: string[] = []
  const file = {
    append: (line: string) => written.push(line),
    reopen() {},
    waitingBytes: 0,
    isFailing: false,
    close() {},
  }
  const metrics = declareAuditMetrics(new SimulatedMetrics(), () => file)
  const node = { name: 'ada', id: () => 'id of ada' }
  const audit = new AuditLog({ file, time: new ManualTime(), metrics, data: 'off', node })
  const answers: string[] = []
  const respond = (answer: { readonly type: string }): void => void answers.push(answer.type)
  const who: Principal = { id: 'q1', name: 'deploy', role: 'read', scopes: undefined, expiresAtMs: undefined }
  const asking = { remote: toEndpoint('10.0.0.9:1234'), who: () => who }
  const properties = propertiesDefault
  const setBucket = { bucket: 'b' as Bucket, properties, ifVersion: undefined, hops: 0, timeoutMs: 1 }
  auditing(audit, { type: 'set-bucket', ...setBucket }, asking, respond)({ type: 'bucket-properties', properties })
  auditing(audit, { type: 'set-bucket', ...setBucket }, asking, respond)(refusal('forbidden', 'no'))
  auditing(audit, { type: 'take-stock' }, asking, respond)(refusal('unauthenticated', 'no'))
  auditing(audit, { type: 'discover' }, asking, respond)(refusal('busy', 'not now'))
  t.same(answers, ['bucket-properties', 'refused', 'refused', 'refused'])
  const from = '10.0.0.9:1234'
  t.match(
    written.map((line) => JSON.parse(line)),
    [
      {
        kind: 'change',
        operation: 'set-bucket',
        who: { id: 'q1' },
        from,
        on: { bucket: 'b', properties },
        outcome: 'ok',
      },
      { kind: 'refused', operation: 'set-bucket', who: { id: 'q1' }, on: { bucket: 'b' }, outcome: 'forbidden' },
      { kind: 'refused', operation: 'take-stock', who: null, on: {}, outcome: 'unauthenticated' },
    ],
  )
  t.equal(written.length, 3)
})

t.test('logrotate moves the file away and sends SIGHUP: not one line is lost, and the node goes on', async (t) => {
  const directory = scratchDirectory(t)
  const file = join(directory, 'audit.log')
  const node = await NodeProcess.start(t, ['--data', join(directory, 'ada'), '--audit-log', file])
  await ready([node])
  const set = (r: number): Promise<Response> => ask(node, 'PUT', '/v1/buckets/carts', { r })
  await set(1)
  await eventually(
    'it is written',
    async () => linesIn(file),
    (lines) => lines.length === 2,
  )
  renameSync(file, `${file}.1`)
  node.signal('SIGHUP')
  await eventually('there is a new file', async () => existsSync(file), Boolean)
  await set(2)
  node.signal('SIGTERM')
  t.equal((await node.ended).code, 0)
  const lines = [...linesIn(`${file}.1`), ...linesIn(file)].map((line) => JSON.parse(line))
  t.match(
    lines.map(({ line, operation }) => [line, operation]),
    [
      [1, 'node-started'],
      [2, 'set-bucket'],
      [3, 'set-bucket'],
      [4, 'node-stopped'],
    ],
  )
})

t.test('a file that cannot be opened is a reason not to start; a full disk later is none to stop', async (t) => {
  const directory = scratchDirectory(t)
  const nowhere = join(directory, 'no', 'such', 'audit.log')
  const refused = await startNode({ data: join(directory, 'bob'), auditLog: nowhere, logLevel: 'error' }).catch(
    (error: unknown) => error,
  )
  t.ok(refused instanceof StartProblem)
  t.match(refused, { code: 'audit-log-unusable', message: /ENOENT/, hint: /make its directory/ })
  t.notOk(existsSync(join(directory, 'bob')), 'and nothing was touched')

  const disk = mountSmallDisk(t, 1)
  if ('unavailable' in disk) {
    t.pass('this machine has such a disk', { skip: disk.unavailable })
    return
  }
  const file = join(disk.path, 'audit.log')
  const node = await NodeProcess.start(t, ['--data', join(directory, 'ada'), '--audit-log', file])
  await ready([node])
  disk.fill()
  // The page that the file has begun takes some more.
  let count = 0
  await eventually(
    'it is loud',
    async () => {
      const { status } = await ask(node, 'PUT', '/v1/buckets/carts', { ttlSeconds: 1000 + count })
      t.equal(status, 200, 'what is asked for is done')
      count += 1
      return metric(node, 'starling_audit_failing')
    },
    (value) => value === 1,
  )
  t.match(node.log, /"level":"error".*the audit log cannot be written.*/)
  disk.free()
  await eventually(
    'and over',
    async () => metric(node, 'starling_audit_failing'),
    (value) => value === 0,
  )
  t.equal(await metric(node, 'starling_audit_lost_total'), 0, 'what waited is written now')
  t.same(
    linesIn(file).map((line) => JSON.parse(line).line),
    Array.from({ length: count + 1 }, (_, index) => index + 1),
    'whole, and in order',
  )
  await node.kill()
})

type AuditRecord = Readonly<Record<string, unknown>>

async function audited(t: Test, options: StartNodeOptions = {}) {
  const directory = scratchDirectory(t)
  const file = join(directory, 'audit.log')
  const node: RunningNode = await nodeIn(t, join(directory, 'ada'), { name: 'ada', auditLog: file, ...options })
  await eventually(
    'it is ready',
    () => ask(node, 'GET', '/readyz'),
    ({ ok }) => ok,
  )
  const records = (): readonly AuditRecord[] => linesIn(file).map((line) => JSON.parse(line))
  return { node, records, text: () => readFileSync(file, 'utf8') }
}

function tokenFile(t: Test): string {
  const path = join(scratchDirectory(t), 'tokens')
  writeFileSync(path, `${admin}\n`, { mode: 0o600 })
  return path
}

function linesIn(file: string): readonly string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1)
}

async function ask(
  node: { readonly http: string | undefined },
  method: string,
  path: string,
  body?: unknown,
  token?: string,
): Promise<Response> {
  const response = await fetch(`http://${node.http}${path}`, {
    method,
    headers: {
      ...(typeof body === 'object' ? { 'content-type': 'application/json' } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  await response.arrayBuffer()
  return response
}

/** The answer, as JSON. */
async function say(
  node: { readonly http: string | undefined },
  method: string,
  path: string,
  body: unknown,
  token: string,
): Promise<Readonly<Record<string, unknown>>> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const response = await fetch(`http://${node.http}${path}`, { method, headers, body: JSON.stringify(body) })
  return (await response.json()) as Readonly<Record<string, unknown>>
}

async function metric(node: NodeProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://${node.http}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}
