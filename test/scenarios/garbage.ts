import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { json, NodeProcess } from '../node/fixtures/real-nodes.ts'
import { Cluster, type Member } from './kit/cluster.ts'
import { awaitCopies } from './kit/copies.ts'
import { Http } from './kit/http.ts'
import type { Lab } from './kit/lab.ts'
import { Ledger } from './kit/ledger.ts'
import { Load } from './kit/load.ts'
import type { Scenario } from './kit/scenario.ts'
import { firstOf } from './one-owner-away.ts'

const keys = 2_000
const datagramsPerSecond = 200
const streamsPerSecond = 20
const tickMs = 50
const recordSeconds = 4
const recordedMax = 200
const noiseBytesMax = 1_400
const copiesWithinMs = 30_000

export const garbage: Scenario = {
  name: 'garbage',
  summary:
    'noise, cut and flipped messages, and those of a stranger come to the peer ports under load: counted, and nothing is lost',
  seconds: 20,
  run,
}

async function run(lab: Lab): Promise<void> {
  const { seconds, rate } = lab.options
  const http = new Http(lab)
  const ledger = new Ledger()
  const recorded = await recordStranger(lab)
  lab.mustHaveSeen('messages recorded of a stranger', recorded.datagrams.length + recorded.streams.length, 2)
  const cluster = await Cluster.start(lab)
  const pids = cluster.members.map(({ pid }) => pid)
  const load = new Load(lab, http, ledger, { through: () => cluster.members, rate, keys })
  const sent = await throwAt(lab, cluster.members, recorded, seconds)
  lab.measure('datagrams thrown', sent.datagrams, 'datagrams')
  lab.measure('streams thrown', sent.streams, 'streams')
  await load.stop()
  lab.mustHaveSeen('writes acknowledged meanwhile', ledger.counts.acknowledged, (rate * seconds) / 2)
  const share =
    ledger.counts.acknowledged / (ledger.counts.acknowledged + ledger.counts.refused + ledger.counts.unknown)
  lab.claim('the nodes serve on', share > 0.99, `${(share * 100).toFixed(2)} % of the writes are acknowledged`)

  for (const [at, node] of cluster.members.entries()) {
    const dropped = await node.metric('starling_datagrams_dropped_total')
    const malformed = await node.metric('starling_malformed_frames_total')
    const refused = await node.metric('starling_refused_handshakes_total')
    lab.claim(`${node.name} counts the datagrams it drops`, dropped > 0, `${dropped}`)
    lab.claim(
      `${node.name} counts the streams it ends`,
      malformed + refused > 0,
      `${malformed} malformed, ${refused} refused`,
    )
    const internal = await node.metric('starling_internal_errors_total')
    lab.claim(`${node.name} meets no error of its own`, internal === 0, `${internal}`)
    lab.claim(`${node.name} is the process it was`, node.isRunning && node.pid === pids[at])
    const { members } = await json(node, '/v1/cluster/status')
    lab.claim(`${node.name} knows nobody else`, (members as unknown[]).length === cluster.members.length)
    const held = await awaitCopies(http, node, ledger.demands(), copiesWithinMs)
    lab.claim(
      `the copies of ${node.name} hold every acknowledged write`,
      held.heldAfterMs !== undefined && held.invented === 0,
      `${held.demanded} keys, ${ledger.counts.acknowledged} writes; ${firstOf(held.wrong)}`,
    )
  }
}

interface Recorded {
  readonly datagrams: readonly Buffer[]
  /** What a node says first on a connection. */
  readonly streams: readonly Buffer[]
}

/** What a real node of no cluster says to a peer that is none. */
async function recordStranger(lab: Lab): Promise<Recorded> {
  const datagrams: Buffer[] = []
  const streams: Buffer[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      if (streams.length < recordedMax) streams.push(bytes)
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  lab.teardown(() => server.close())
  const { port } = server.address() as { readonly port: number }
  const socket = createSocket('udp4')
  socket.on('message', (bytes) => {
    if (datagrams.length < recordedMax) datagrams.push(bytes)
  })
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve))
  const flags = ['--name', 'stranger', '--data', join(lab.directory, 'stranger'), '--expect', '9']
  const stranger = await NodeProcess.start(lab, [...flags, '--join', `127.0.0.1:${port}`])
  await sleep(recordSeconds * 1000)
  await stranger.kill()
  socket.close()
  lab.say(`recorded ${datagrams.length} datagrams and ${streams.length} streams of a stranger`)
  return { datagrams, streams }
}

async function throwAt(lab: Lab, nodes: readonly Member[], recorded: Recorded, seconds: number) {
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  const sent = { datagrams: 0, streams: 0 }
  const endMs = performance.now() + seconds * 1000
  while (performance.now() < endMs) {
    for (let count = 0; count < (datagramsPerSecond * tickMs) / 1000; count += 1) {
      const { peer } = lab.pick(nodes)
      socket.send(spoilt(lab, recorded.datagrams), Number(peer.split(':')[1]), '127.0.0.1')
      sent.datagrams += 1
    }
    for (let count = 0; count < (streamsPerSecond * tickMs) / 1000; count += 1) {
      throwStream(lab, lab.pick(nodes), [spoilt(lab, recorded.streams), spoilt(lab, recorded.streams)])
      sent.streams += 1
    }
    await sleep(tickMs)
  }
  socket.close()
  return sent
}

/** Half of them stay open until the node has had enough of them. */
function throwStream(lab: Lab, node: Member, parts: readonly Uint8Array[]): void {
  const stream = connect(Number(node.peer.split(':')[1]), '127.0.0.1')
  stream.on('error', () => undefined)
  for (const part of parts) stream.write(part)
  if (lab.fraction() < 0.5) stream.end()
  lab.teardown(() => stream.destroy())
}

/** Noise; or what was recorded: as it was, cut, or with a bit the other way. */
function spoilt(lab: Lab, recorded: readonly Buffer[]): Uint8Array {
  const kind = lab.pick(['noise', 'same', 'cut', 'flipped'])
  if (kind === 'noise' || recorded.length === 0) {
    return Uint8Array.from({ length: 1 + Math.floor(lab.fraction() * noiseBytesMax) }, () => lab.fraction() * 256)
  }
  const bytes = Uint8Array.from(lab.pick(recorded))
  const at = Math.floor(lab.fraction() * bytes.length)
  if (kind === 'cut') return bytes.subarray(0, at)
  if (kind === 'flipped') bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(lab.fraction() * 8))
  return bytes
}
