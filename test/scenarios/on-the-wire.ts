import { createSocket } from 'node:dgram'
import { writeFileSync } from 'node:fs'
import { connect as connectStream } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../lib/client/database.ts'
import { type ConnectOptions, connect } from '../../lib/connect.ts'
import { formatSecretKey } from '../../lib/security/keyring.ts'
import { TestAuthority } from '../fixtures/certificates.ts'
import { call, eventually, json, NodeProcess } from '../node/fixtures/real-nodes.ts'
import { CertificateDirectory } from '../platform/fixtures/certificate-directory.ts'
import { Capture } from './kit/capture.ts'
import { freePlaces } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'

const names = ['ada-on-the-wire', 'bob-on-the-wire', 'cyd-on-the-wire']
const bucket = 'bucket-on-the-wire'
const keyBegins = 'key-on-the-wire'
const valueBegins = 'value-on-the-wire'
const writtenMsMax = 60_000
const writesMax = 500
const repeats = 3
const datagramsRepeatedMax = 3_000
const streamsRepeatedMax = 100
const settleMs = 3_000

export const onTheWire: Scenario = {
  name: 'on-the-wire',
  summary:
    'tshark listens at the peer ports: with a secret or certificates it reads no name, key or value; what it has recorded, sent again, changes nothing',
  seconds: 5,
  run,
}

interface Locks {
  readonly name: string
  readonly flags: (lab: Lab, node: string) => readonly string[]
  readonly client: ConnectOptions
}

async function run(lab: Lab): Promise<void> {
  const secret = formatSecretKey(crypto.getRandomValues(new Uint8Array(32)))
  const secretFile = join(lab.directory, 'key-of-the-cluster')
  writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 })
  const authority = new TestAuthority()
  const shown = authority.issue('somebody', { names: ['somebody'], purposes: ['clientAuth'] })
  const words = [...names, bucket, keyBegins, valueBegins]

  const open = await listenTo(lab, { name: 'nothing', flags: () => [], client: {} })
  for (const [word, count] of open.capture.counts(words)) {
    lab.mustHaveSeen(`without any lock the listener reads ${word}`, count, 1)
  }
  await open.end()

  const certified = await listenTo(lab, {
    name: 'certificates',
    client: { tls: { ca: authority.cert, ...shown } },
    flags: (scope, node) => {
      const { cert, key, ca } = new CertificateDirectory(scope, authority, authority.issue(node)).paths
      return ['--secret-file', secretFile, '--tls-cert', cert, '--tls-key', key, '--tls-ca', ca]
    },
  })
  claimSilence(lab, 'a secret and certificates', certified, words)
  await certified.end()

  const sealed = await listenTo(lab, {
    name: 'secret',
    flags: () => ['--secret-file', secretFile],
    client: { secret },
  })
  claimSilence(lab, 'a secret', sealed, words)
  await claimRepeatsChangeNothing(lab, sealed)
  await sealed.end()
}

interface Heard {
  readonly capture: Capture
  readonly nodes: readonly NodeProcess[]
  readonly ports: readonly number[]
  readonly keys: readonly string[]
  end(): Promise<void>
}

/** Three nodes meet, agree on a layout and take writes, and all of it is recorded; the nodes go on. */
async function listenTo(lab: Lab, { name, flags, client }: Locks): Promise<Heard> {
  const places = await freePlaces(names.length, join(lab.directory, name))
  const ports = places.map(({ peerPort }) => peerPort)
  const capture = await Capture.begin(lab, name, ports)
  const peers = ports.map((port) => `127.0.0.1:${port}`)
  const nodes = await Promise.all(
    places.map(({ httpPort, data }, at) => {
      const node = names[at] as string
      const others = peers.filter((_peer, index) => index !== at).join(',')
      return NodeProcess.start(lab, [
        ...['--name', node, '--data', data, '--http', `127.0.0.1:${httpPort}`, '--peer', peers[at] as string],
        ...['--join', others, '--expect', String(names.length), ...flags(lab, node)],
      ])
    }),
  )
  const db = await connect(peers, { connectTimeoutMs: writtenMsMax, ...client })
  const keys = await write(lab, db)
  await db.close()
  await capture.end()
  lab.say(`recorded what three nodes with ${name} say to each other, and to a client that writes ${keys.length} keys`)
  const end = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()))
  }
  return { capture, nodes, ports, keys, end }
}

async function write(lab: Lab, db: Database): Promise<readonly string[]> {
  const values = db.bucket(bucket)
  const put = (key: string): Promise<unknown> => values.put(key, Buffer.from(`${valueBegins}/${key}`), { w: 'all' })
  await eventually(
    'the cluster takes writes',
    () => put(`${keyBegins}/first`).then(() => 'written', String),
    (seen) => seen === 'written',
    writtenMsMax,
  )
  const keys: string[] = []
  const endMs = performance.now() + lab.options.seconds * 1000
  for (let count = 0; count < writesMax && performance.now() < endMs; count += 1) {
    const key = `${keyBegins}/${count}`
    await put(key)
    await values.get(key)
    keys.push(key)
  }
  return keys
}

function claimSilence(lab: Lab, locks: string, { capture, ports, keys }: Heard, words: readonly string[]): void {
  const datagrams = capture.fields('udp', ['frame.number']).length
  const asTls = ports.flatMap((port) => ['-d', `tcp.port==${port},tls`])
  const records = capture.fields('tls.record.opaque_type == 23', ['frame.number'], asTls).length
  lab.mustHaveSeen(`datagrams recorded with ${locks}`, datagrams, 20)
  lab.mustHaveSeen(`packets of TLS recorded with ${locks}`, records, 20)
  lab.mustHaveSeen(`keys written with ${locks}`, keys.length, 10)
  const readable = [...capture.counts(words)].filter(([, count]) => count > 0)
  lab.claim(
    `with ${locks} the listener reads no name of a node, bucket, key or value`,
    readable.length === 0,
    readable.length === 0
      ? `${words.length} words in ${datagrams} datagrams and ${records} packets of TLS`
      : readable.map(([word, count]) => `${word}: ${count}`).join(', '),
  )
}

/** Everything that was recorded comes again, from somebody else: each datagram, and what each connection was told. */
async function claimRepeatsChangeNothing(lab: Lab, { capture, nodes, ports, keys }: Heard): Promise<void> {
  const before = await stateOf(nodes, keys)
  const datagrams = capture
    .fields('udp', ['udp.dstport', 'udp.payload'])
    .filter(([port]) => ports.includes(Number(port)))
    .slice(0, datagramsRepeatedMax)
  const streams = new Map<string, { readonly port: number; readonly parts: Buffer[] }>()
  for (const [stream = '', port, payload = ''] of capture.fields('tcp.len > 0', [
    'tcp.stream',
    'tcp.dstport',
    'tcp.payload',
  ])) {
    if (!ports.includes(Number(port))) continue
    const heard = streams.get(stream) ?? { port: Number(port), parts: [] }
    heard.parts.push(Buffer.from(payload, 'hex'))
    streams.set(stream, heard)
  }
  const repeated = [...streams.values()].slice(0, streamsRepeatedMax)
  lab.mustHaveSeen('datagrams sent again', datagrams.length * repeats, 50)
  lab.mustHaveSeen('connections made again', repeated.length, 3)

  const socket = createSocket('udp4')
  for (let round = 0; round < repeats; round += 1) {
    for (const [port, payload = ''] of datagrams) {
      await new Promise((sent) => socket.send(Buffer.from(payload, 'hex'), Number(port), '127.0.0.1', sent))
    }
  }
  socket.close()
  for (const { port, parts } of repeated) {
    const stream = connectStream(port, '127.0.0.1')
    stream.on('error', () => undefined)
    for (const part of parts) stream.write(part)
    lab.teardown(() => stream.destroy())
  }
  await sleep(settleMs)

  const dropped = await sumOf(nodes, 'starling_datagrams_dropped_total')
  lab.claim(
    'every datagram that comes again is dropped, and counted',
    dropped >= datagrams.length * repeats * 0.9,
    `${dropped} dropped of ${datagrams.length * repeats}; the system may have lost some`,
  )
  const after = await stateOf(nodes, keys)
  lab.claim('nothing has changed: members, layout, and every copy of every key', after === before)
  lab.claim(
    'no node has met a bug',
    (await sumOf(nodes, 'starling_internal_errors_total')) === 0 && nodes.every(({ isRunning }) => isRunning),
  )
}

/** What each node says of the members and the layout, and what it holds of the keys. */
async function stateOf(nodes: readonly NodeProcess[], keys: readonly string[]): Promise<string> {
  const states = await Promise.all(
    nodes.map(async (node) => {
      const { members, layout } = await json(node, '/v1/cluster/status')
      const known = (members as readonly Readonly<Record<string, unknown>>[]).map(({ id, name, state }) => [
        id,
        name,
        state,
      ])
      const copies: unknown[] = []
      for (const key of keys) {
        copies.push((await json(node, `/v1/replica/${bucket}/${encodeURIComponent(key)}`)).stateHash)
      }
      return { known: known.map(String).sort(), layout, copies }
    }),
  )
  return JSON.stringify(states)
}

async function sumOf(nodes: readonly NodeProcess[], metric: string): Promise<number> {
  const texts = await Promise.all(nodes.map((node) => call(node, 'GET', '/metrics')))
  return texts
    .flatMap(({ text }) => text.split('\n'))
    .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
