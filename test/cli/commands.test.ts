import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import t, { type Test } from 'tap'
import { commandOf } from '../../lib/cli/command-tree.ts'
import { examplesOf } from '../../lib/cli/examples.ts'
import { createProgram } from '../../lib/cli/program.ts'
import type { FakeNode } from '../http-client/fixtures/fake-node.ts'
import { directory, json, spawnStarling, starling, started, text } from './fixtures/run-starling.ts'

t.test('version and help', async (t) => {
  const [version, help, nothing, unknown, slip] = await Promise.all([
    starling(['--version']),
    starling(['kv', 'put', '--help']),
    starling([]),
    starling(['kv', 'gte', 'b', 'k']),
    starling(['kv', 'get', 'b', 'k', '--endpiont', 'x']),
  ])
  t.match(version, { code: 0, stderr: '' })
  t.match(text(version), /^\d+\.\d+\.\d+\n$/)
  const asJson = await starling(['--version', '--json'])
  t.match(asJson, { code: 0, stderr: '' })
  t.same(json(asJson), { apiVersion: 'v1', kind: 'Version', version: text(version).trim() })
  t.equal(help.code, 0)
  t.match(text(help), /--content-type <TYPE>/)
  t.equal(nothing.code, 2)
  t.equal(text(nothing), '', 'what was not asked for is no data')
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /unknown command 'gte'[\s\S]*did you mean get\?/)
  t.equal(slip.code, 2)
  t.match(slip.stderr, /nearest known one is --endpoint/)
  const below = await starling(['repair', 'statsu'])
  t.equal(below.code, 2)
  t.match(below.stderr, /unknown command 'statsu'[\s\S]*did you mean status\?/, 'also where there is a default')
})

t.test('help shows what a command takes, by any way to ask for it', async (t) => {
  const [flag, words, below, asJson, other, slip, deeper] = await Promise.all([
    starling(['kv', 'put', '--help']),
    starling(['help', 'kv', 'put']),
    starling(['kv', 'help', 'put']),
    starling(['help', 'kv', 'put', '--json']),
    starling(['help', 'kv', 'list']),
    starling(['help', 'kv', 'pt']),
    starling(['help', 'kv', 'put', 'carts']),
  ])
  t.match(flag, { code: 0, stderr: '' })
  t.match(text(flag), /^Usage: starling kv put [\s\S]*--content-type <TYPE>[\s\S]*Examples:\n {2}starling kv put /)
  t.equal(text(words), text(flag))
  t.equal(text(below), text(flag))
  t.match(json(asJson), { kind: 'Help', command: 'starling kv put', arguments: [{ name: 'bucket', required: true }] })
  t.match(json(asJson), { options: [{ flags: '--endpoint <URL,...>', env: 'STARLING_ENDPOINT' }] })
  t.match(text(other), /^Usage: starling kv scan\|list/)
  t.match(slip, { code: 2, stderr: /unknown command 'pt'\n {2}hint: did you mean put\?/ })
  t.match(deeper, { code: 2, stderr: /unknown command 'carts'\n {2}hint: see starling kv put --help/ })
})

t.test('each example in a help is a command that is taken as it stands', async (t) => {
  const names = namesBelow(createProgram(), [])
  let count = 0
  for (const words of names) {
    for (const line of examplesOf(commandOf(createProgram(), words))) {
      const calls = [...line.matchAll(/\bstarling ((?:'[^']*'|[^|<>()'])+)/g)].map(([, call]) => call as string)
      t.ok(calls.length > 0, line)
      for (const call of calls) {
        count += 1
        const typed = [...call.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? (plain as string))
        t.same(await taken(typed), undefined, line)
      }
    }
  }
  t.ok(count > 20, `${count} examples`)
})

t.test('config tells each value and where it came from', async (t) => {
  const file = join(directory, 'node.toml')
  writeFileSync(file, 'zone = "a"\nweight = 2\n')
  const env = { STARLING_NAME: 'ada', STARLING_PORT: 'tcp' }
  const [asked, wrong, refused, missing] = await Promise.all([
    starling(['config', '--json', '--config', file, '--insecure', '--weight', '3'], { env }),
    starling(['config', '--wieght', '3']),
    starling(['config', '--json', '--http', '0.0.0.0:7070', '--insecure']),
    starling(['config', '--config', join(directory, 'none.toml')]),
  ])
  const { settings } = json(asked) as { settings: { name: string; value: unknown; source: string }[] }
  const found = Object.fromEntries(settings.map(({ name, value, source }) => [name, [value, source]]))
  t.match(found, { zone: ['a', 'file'], weight: [3, 'flag'], name: ['ada', 'environment'] })
  t.match(found, { cluster: ['starling', 'default'], insecure: [true, 'flag'] })
  t.match(asked.stderr, /STARLING_PORT is ignored/)
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /nearest known one is --weight/)
  t.equal(refused.code, 2)
  t.match(JSON.parse(refused.stderr), { apiVersion: 'v1', kind: 'Error', code: 'invalid-parameter' })
  t.match(JSON.parse(refused.stderr), { hint: /--advertise-http/ })
  t.equal(missing.code, 2)
})

t.test('a value goes in and comes out byte for byte', async (t) => {
  const node = await started(t)
  const at = ['--endpoint', node.url]
  const value = Buffer.from([0, 1, 254, 255, 10, 13, 10])
  const described = ['--content-type', 'a/b', '--meta', 'A=1', '--meta', 'b=x=y']
  const put = await starling(['kv', 'put', 'b', 'k', '-', ...described, ...at], { stdin: value })
  t.match(put, { code: 0, stderr: /stored b\/k/ })
  t.equal(text(put), '')
  t.match(node.records.get('b/k'), [{ value, contentType: 'a/b', metadata: { a: '1', b: 'x=y' } }])
  const file = join(directory, 'value')
  writeFileSync(file, value)
  const [got, asJson, none, second] = await Promise.all([
    starling(['kv', 'get', 'b', 'k'], { env: { STARLING_ENDPOINT: node.url } }),
    starling(['kv', 'get', 'b', 'k', '--json', ...at]),
    starling(['kv', 'get', 'b', 'none', ...at]),
    starling(['kv', 'put', 'b', 'f', '--file', file, '--json', ...at]),
  ])
  t.equal(got.code, 0)
  t.same(got.stdout, value)
  t.equal(got.stderr, '')
  t.match(json(asJson), {
    kind: 'Record',
    key: 'k',
    etag: /^".+"$/,
    siblings: [{ valueBase64: value.toString('base64') }],
  })
  t.match(none, { code: 5, stderr: /b\/none is not there/ })
  t.match(json(second), { kind: 'Written', context: String })
  t.same(node.records.get('b/f')?.[0]?.value, value)
})

t.test('siblings are a conflict, resolved by a put with their context', async (t) => {
  const node = await started(t)
  const at = ['--endpoint', node.url]
  node.put('b', 'k', 'one')
  node.put('b', 'k', 'two')
  const [plain, asJson] = await Promise.all([
    starling(['kv', 'get', 'b', 'k', ...at]),
    starling(['kv', 'get', 'b', 'k', '--json', ...at]),
  ])
  t.match(plain, { code: 6, stderr: /2 siblings[\s\S]*one[\s\S]*two[\s\S]*--context/ })
  t.equal(text(plain), '', 'a pipe must not take one of them for the value')
  t.equal(asJson.code, 6)
  const { context, siblings } = json(asJson) as { context: string; siblings: unknown[] }
  t.equal(siblings.length, 2)
  t.match(await starling(['kv', 'put', 'b', 'k', 'three', '--context', context, ...at]), { code: 0 })
  t.same(node.values('b', 'k'), ['three'])
  t.match(await starling(['kv', 'delete', 'b', 'k', ...at]), { code: 0, stderr: /deleted/ })
  t.match(await starling(['kv', 'get', 'b', 'k', ...at]), { code: 5, stderr: /was deleted/ })
})

t.test('failures say what became of the data, and exit with their kind', async (t) => {
  const node = await started(t)
  const silent = await silentUrl(t)
  node.trouble = ({ path }) => (path.endsWith('/lost') ? 'timeout-after' : path.endsWith('/no') ? 'refuse' : undefined)
  const at = ['--endpoint', node.url]
  const [refused, lost, usage, twice, unreachable, timedOut, unknown] = await Promise.all([
    starling(['kv', 'put', 'b', 'no', 'x', ...at]),
    starling(['kv', 'put', 'b', 'lost', 'x', ...at, '--json']),
    starling(['kv', 'put', '$b', 'k', 'x', ...at]),
    starling(['kv', 'put', 'b', 'k', 'x', '--file', 'y', ...at]),
    starling(['kv', 'get', 'b', 'k', '--endpoint', 'http://127.0.0.1:9']),
    starling(['kv', 'get', 'b', 'k', '--endpoint', silent, '--timeout', '1']),
    starling(['cluster', 'status', ...at]),
  ])
  t.match(refused, { code: 1, stderr: /nothing has changed \(draining\)\n {2}hint: the hint of draining/ })
  t.equal(lost.code, 7)
  t.match(JSON.parse(lost.stderr), { code: 'deadline-exceeded', aftermath: 'may-have-changed', exitCode: 7 })
  t.match(usage, { code: 2, stderr: /bucket starts with/ })
  t.match(twice, { code: 2 })
  t.match(unreachable, { code: 3 })
  t.match(timedOut, { code: 7 })
  t.equal(unknown.code, 1)
})

t.test('the cluster, the ring and a node show as tables and as JSON', async (t) => {
  const node = await started(t)
  answerOperations(node)
  const at = ['--endpoint', node.url]
  const [status, check, show, owners, balance, self, unready, explained] = await Promise.all([
    starling(['cluster', 'status', ...at]),
    starling(['cluster', 'status', '--check', '--json', ...at]),
    starling(['ring', 'show', ...at]),
    starling(['ring', 'owners', 'b', 'k', '--json', ...at]),
    starling(['ring', 'balance', '--json', ...at]),
    starling(['node', 'status', ...at]),
    starling(['node', 'status', '--check', '--json', ...at]),
    starling(['explain', 'b', 'k', ...at]),
  ])
  t.match(text(status), /cluster starling \(c1\), layout 1, converged\nNAME +ID +STATE[^\n]*\nada +aaaaaaaa +alive/)
  t.match(text(status), /! bob is dead and owns 50\.0 %/)
  t.equal(status.code, 0)
  t.match(json(check), { kind: 'ClusterStatus', converged: true, healthy: false, members: [{ owns: 0.5 }, {}] })
  t.equal(check.code, 8)
  t.match(text(show), /PARTITION +OWNERS\n0 +ada, bob\n1 +ada\n/)
  t.match(json(owners), { kind: 'Owners', partition: 1, owners: [{ name: 'ada', memberState: 'alive' }] })
  t.match(json(balance), {
    kind: 'RingBalance',
    maxToTarget: 4 / 3,
    nodes: [{ name: 'ada', partitions: 2, share: 2 / 3 }, {}],
  })
  t.match(text(self), /state +serving\nready +no: clock is off\n/)
  t.equal(self.code, 0)
  t.equal(unready.code, 8)
  t.match(json(unready), { kind: 'NodeStatus', ready: false, reasons: ['clock is off'] })
  t.match(text(explained), /^One owner holds it\.\n[\s\S]*ada +alive +siblings +00ff +2026-01-01T00:00:00\.000Z by ada/)
  t.match(
    text(explained),
    /by ada +2026-01-02T00:00:00\.000Z +- +bob 5 min ago\nFALLBACK[^\n]*\nbob +alive +siblings for ada 00fe\n$/,
  )
})

t.test('--watch shows again and again, and survives a node that cannot be asked', async (t) => {
  const node = await started(t)
  answerOperations(node)
  let asked = 0
  node.trouble = () => (asked++ === 0 ? 'refuse' : undefined)
  const child = spawnStarling(['cluster', 'status', '--watch', '--json', '--endpoint', node.url])
  const errors = buffer(child.stderr as NodeJS.ReadableStream)
  await new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()))
  child.kill('SIGTERM')
  t.match((await errors).toString(), /"code":"draining"/)
})

t.test('scan lists keys; a reader that has enough ends it quietly', async (t) => {
  const node = await started(t)
  const padding = 'x'.repeat(80)
  for (let index = 0; index < 3000; index += 1) node.put('b', `key-${String(index).padStart(5, '0')}-${padding}`, 'v')
  const at = ['--endpoint', node.url]
  const head = spawnStarling(['kv', 'scan', 'b', ...at])
  const said = buffer(head.stderr as NodeJS.ReadableStream)
  head.stdout?.once('data', () => head.stdout?.destroy())
  t.equal(await new Promise((resolve) => head.once('close', resolve)), 0)
  t.equal((await said).toString(), '')
  const [last, rest] = await Promise.all([
    starling(['kv', 'scan', 'b', '--reverse', '--limit', '2', '--json', ...at]),
    starling(['kv', 'scan', 'b', '--limit', '2999', ...at]),
  ])
  const { items, cursor } = json(last) as { items: { key: string }[]; cursor: string }
  t.same(
    items.map(({ key }) => key.slice(0, 9)),
    ['key-02999', 'key-02998'],
  )
  t.match(
    text(await starling(['kv', 'scan', 'b', '--reverse', '--limit', '1', '--cursor', cursor, ...at])),
    /^key-02997/,
  )
  const [, more = ''] = /^more: --cursor (.*)$/m.exec(rest.stderr) ?? []
  t.match(text(await starling(['kv', 'scan', 'b', '--cursor', more, ...at])), /^key-02999-x*\n$/)
  node.missing = [5]
  const [few, partial] = await Promise.all([
    starling(['kv', 'list', 'b', '--prefix', 'key-0001', '--limit', '2', ...at]),
    starling(['kv', 'scan', 'b', '--json', '--values', '--limit', '1', ...at]),
  ])
  t.same(
    text(few)
      .split('\n')
      .map((line) => line.slice(0, 9)),
    ['key-00010', 'key-00011', ''],
  )
  t.equal(few.code, 7)
  t.match(partial, { code: 7, stderr: /partial: 1 partitions/ })
  t.match(json(partial), { kind: 'KeyList', items: [{ siblings: [{ value: 'v' }] }], complete: false, missing: [5] })
  t.match(json(await starling(['kv', 'scan', 'empty', '--json', ...at])), { kind: 'KeyList', items: [], cursor: null })
  node.trouble = () => 'refuse'
  const failed = await starling(['kv', 'scan', 'b', '--json', ...at])
  t.match(failed, { code: 1, stderr: /"kind":"Error"/ })
  t.equal(text(failed), '', 'and no half of a document')
})

t.test('demo refuses ports that are taken', async (t) => {
  const node = await started(t)
  const port = new URL(node.url).port
  const ran = await starling(['demo', '--nodes', '1', '--port', port, '--data', join(directory, 'demo')])
  t.match(ran, { code: 1, stderr: new RegExp(`TCP 127.0.0.1:${port}[\\s\\S]*--port`) })
})

/** Why the command line would not be carried out; undefined: it would. */
async function taken(words: readonly string[]): Promise<string | undefined> {
  const program = createProgram()
  const silence = (command: Command): void => {
    if (command.commands.length === 0) command.action(() => {})
    command.commands.forEach(silence)
  }
  silence(program)
  return program.parseAsync(words, { from: 'user' }).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

function namesBelow(command: Command, path: readonly string[]): readonly (readonly string[])[] {
  return command.commands.flatMap((below) => {
    const name = [...path, below.name()]
    return [name, ...namesBelow(below, name)]
  })
}

/** Takes connections and says nothing. */
async function silentUrl(t: Test): Promise<string> {
  const sockets = new Set<{ destroy(): void }>()
  const silent = createServer((socket) => sockets.add(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    silent.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(silent.address() as { port: number }).port}`
}

function answerOperations(node: FakeNode): void {
  const common = { zone: 'default', weight: 1, version: '0.1.0' }
  const ada = { id: 'a'.repeat(32), name: 'ada', ...common }
  const bob = { id: 'b'.repeat(32), name: 'bob', ...common }
  const place = { peer: '127.0.0.1:7071', http: '127.0.0.1:7070', owns: 0.5, ownsAfter: 0.5, hintsHeld: 0, hintsFor: 0 }
  const members = [
    { ...ada, ...place, state: 'alive' },
    { ...bob, ...place, state: 'dead' },
  ]
  const layout = { number: 1, live: [1], hash: 'ff' }
  const partitions = [[0, 1], [0]]
  const ring = {
    layoutNumber: 1,
    partitionCount: 2,
    replicaCount: 2,
    nodes: [ada, bob].map((node) => ({ ...node, target: 1.5 })),
    partitions,
  }
  const dots = [{ writtenAtMs: Date.UTC(2026, 0, 1), writtenBy: 'ada' }]
  const held = { holds: 'siblings', isRecovering: false, stateHash: '00ff', dots }
  const compared = [{ node: bob.id, name: 'bob', secondsAgo: 300 }]
  const owner = {
    node: ada.id,
    name: 'ada',
    memberState: 'alive',
    ...held,
    comparisons: compared,
    changedAtMs: Date.UTC(2026, 0, 2),
  }
  const hint = {
    holder: bob.id,
    holderName: 'bob',
    target: ada.id,
    targetName: 'ada',
    holds: 'siblings',
    stateHash: '00fe',
  }
  const fallbacks = [{ node: bob.id, name: 'bob', memberState: 'alive', isReachable: true, hints: [hint] }]
  const self = { ...ada, cluster: 'starling', startNumber: 1, storeGeneration: 1, peer: place.peer, state: 'serving' }
  const key = { bucket: 'b', key: 'k', partition: 1, token: '0a', layoutNumber: 1 }
  const answers: Readonly<Record<string, readonly [number, unknown]>> = {
    '/v1/cluster/status': [200, { cluster: 'starling', clusterId: 'c1', converged: true, layout, members }],
    '/v1/cluster/ring': [200, ring],
    '/v1/explain/b/k': [200, { ...key, owners: [owner], fallbacks, agreed: true, summary: 'One owner holds it.' }],
    '/v1/node': [200, { ...self, recoveringPartitions: 0, clockOffsetMs: 0, uptimeSeconds: 1 }],
    '/readyz': [503, { code: 'clock-skew', reasons: ['clock is off'] }],
  }
  for (const [path, [status, body]] of Object.entries(answers)) node.answers.set(path, { status, body })
}
