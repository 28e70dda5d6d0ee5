import { createSocket } from 'node:dgram'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { StartProblem } from '../lib/node/start-problem.ts'
import { startNode } from '../lib/start-node.ts'
import { InvalidParameter } from '../lib/vocabulary/errors.ts'
import { call, eventually, get, json, nodeIn, put, ready, within } from './node/fixtures/real-nodes.ts'
import { scratchDirectory } from './platform/fixtures/scratch.ts'

t.test('a node alone serves at once, over HTTP only where that was asked for', async (t) => {
  const directory = scratchDirectory(t)
  const quiet = await startNode({ peer: '127.0.0.1:0', data: join(directory, 'quiet'), logLevel: 'error' })
  t.equal(quiet.http, undefined)
  t.match(quiet.id, /^[0-9a-f]{32}$/)
  await quiet.stop()
  await quiet.stop()
  await quiet.stopped

  const first = await nodeIn(t, join(directory, 'ada'), { name: 'ada' })
  t.match(first.peer, /^127\.0\.0\.1:[1-9]\d+$/)
  await ready([first])
  t.match(await put(first, 'k', 'v'), { status: 204, context: /./ })
  t.match(await get(first, 'k'), { status: 200, text: 'v' })
  const { id } = first
  await first.stop()
  t.equal((await get(first, 'k')).status, 0)
  const second = await nodeIn(t, join(directory, 'ada'), { name: 'ada' })
  t.equal(second.id, id, 'and is the same node the next time')
  await ready([second])
  t.match(await get(second, 'k'), { status: 200, text: 'v' })
})

t.test('a node that cannot start says why, and changes nothing', async (t) => {
  const directory = scratchDirectory(t)
  const living = await nodeIn(t, join(directory, 'living'))
  await ready([living])

  await t.test('an option out of its range', async (t) => {
    const data = join(directory, 'never')
    await t.rejects(startNode({ data, replicas: 0 }), { name: InvalidParameter.name, code: 'invalid-parameter' })
    await t.rejects(startNode({ data, peer: 'nowhere' }), { code: 'invalid-parameter' })
    t.notOk(readdirSync(directory).includes('never'))
  })

  await t.test('a directory that another process holds', async (t) => {
    await refused(t, { data: join(directory, 'living') }, 'directory-locked')
    t.match(await get(living, 'k'), { status: 404 }, 'which is not disturbed')
  })

  await t.test('an address in use', async (t) => {
    const data = join(directory, 'address')
    await refused(t, { data, peer: living.peer }, 'address-in-use')
    await refused(t, { data, http: living.http as string }, 'address-in-use')
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    await refused(t, { data, peer: `127.0.0.1:${socket.address().port}` }, 'address-in-use')
    await new Promise<void>((resolve) => socket.close(() => resolve()))
    const node = await nodeIn(t, data)
    await ready([node])
  })

  await t.test('a directory of something else', async (t) => {
    for (const [name, files] of strangers) {
      const data = join(directory, name)
      mkdirSync(data)
      for (const [file, text] of files) writeFileSync(join(data, file), text)
      const before = contentsOf(data)
      await refused(t, { data }, 'directory-foreign')
      t.same(contentsOf(data), before, `${name} is as it was`)
    }
    writeFileSync(join(directory, 'file'), 'text')
    await refused(t, { data: join(directory, 'file') }, 'directory-foreign')
  })

  await t.test('a node.json that cannot be read, or of another cluster', async (t) => {
    const data = join(directory, 'whole')
    const node = await nodeIn(t, data)
    await ready([node])
    await put(node, 'k', 'v')
    await node.stop()
    const identity = readFileSync(join(data, 'node.json'), 'utf8')
    for (const [code, text] of [
      ['newer-format', identity.replace('"format": 1', '"format": 3')],
      ['identity-unreadable', identity.replace('"format": 1', '"format": "one"')],
      ['identity-unreadable', identity.replace(/[0-9a-f]{32}/, 'x')],
      ['foreign-cluster', identity.replace('"cluster": "starling"', '"cluster": "other"')],
    ] as const) {
      t.not(text, identity)
      writeFileSync(join(data, 'node.json'), text)
      const before = contentsOf(data)
      await refused(t, { data }, code)
      t.same(contentsOf(data), before)
    }
    writeFileSync(join(data, 'node.json'), identity)
    await refused(t, { data, cluster: 'other' }, 'foreign-cluster')
    const again = await nodeIn(t, data)
    await ready([again])
    t.match(await get(again, 'k'), { text: 'v' })
  })

  await t.test('a store that cannot be opened', async (t) => {
    const data = join(directory, 'broken')
    const node = await nodeIn(t, data)
    await node.stop()
    for (const name of readdirSync(join(data, 'db'))) {
      if (name.startsWith('MANIFEST')) writeFileSync(join(data, 'db', name), 'nonsense')
    }
    await refused(t, { data }, 'store-unreadable')
    await refused(t, { data }, 'store-unreadable')
  })
})

t.test('whatever comes to its ports, a node serves on', async (t) => {
  const directory = scratchDirectory(t)
  const node = await nodeIn(t, join(directory, 'ada'))
  await ready([node])
  const [, port] = node.peer.split(':')
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const noise = noiseOf(4711)
  for (let count = 0; count < 200; count += 1) {
    await new Promise((resolve) => socket.send(noise(count * 5), Number(port), '127.0.0.1', resolve))
  }
  for (let count = 0; count < 20; count += 1) {
    const stranger = connect(Number(port), '127.0.0.1')
    const closed = new Promise<void>((resolve) => stranger.once('close', () => resolve()))
    stranger.on('error', () => undefined)
    // What begins like no frame can is enough to be shown the door.
    stranger.write(Buffer.concat([Uint8Array.of(0xff, 0xff), noise(10 + count * 100)]))
    await within(5000, 'a stranger is shown the door', closed)
  }
  const otherCluster = await nodeIn(t, join(directory, 'other'), { cluster: 'other', join: [node.peer], expect: 2 })
  const refusedSeen = await eventually(
    'the other cluster is refused',
    () => metric(node, 'starling_refused_handshakes_total{reason="wrong-cluster"}'),
    (value) => value > 0,
  )
  t.ok(refusedSeen)
  t.ok((await metric(node, 'starling_malformed_frames_total')) >= 20)
  await eventually(
    'the noise is counted',
    () => metric(node, 'starling_datagrams_dropped_total{reason="foreign"}'),
    (value) => value > 100,
  )
  t.equal(await metric(node, 'starling_internal_errors_total'), 0)
  const { members } = await json(node, '/v1/cluster/status')
  t.equal((members as unknown[]).length, 1, 'and knows nobody of them')
  t.equal(((await json(otherCluster, '/v1/cluster/status')).members as unknown[]).length, 1)
  t.match(await put(node, 'k', 'v'), { status: 204 })
  t.match(await get(node, 'k'), { status: 200, text: 'v' })
})

const strangers: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['photos', [['holiday.jpg', 'jpg']]],
  ['project', [['node.json', '[1, 2]']]],
  ['text', [['node.json', 'not json']]],
]

async function refused(t: Test, options: Parameters<typeof startNode>[0], code: StartProblem['code']): Promise<void> {
  const all = { http: '127.0.0.1:0', peer: '127.0.0.1:0', logLevel: 'error', partitions: 64, ...options }
  await t.rejects(
    startNode(all).then((node) => node.stop()),
    { name: StartProblem.name, code, hint: /./ },
    code,
  )
}

/** Every file below, with its bytes; but for the lock, which whoever looks has to take. */
function contentsOf(path: string): Readonly<Record<string, string>> {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const files = entries.map((entry) => join(entry.parentPath, entry.name)).filter((file) => !file.includes('/lock/'))
  return Object.fromEntries(files.map((file) => [file, readFileSync(file, 'hex')]))
}

async function metric(
  node: { readonly http: string | undefined; readonly peer: string },
  name: string,
): Promise<number> {
  const { text } = await call(node, 'GET', '/metrics')
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1) ?? 0,
  )
}

/** The same bytes every time. */
function noiseOf(seed: number): (length: number) => Uint8Array {
  let state = seed
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state >>> 24
    })
}
