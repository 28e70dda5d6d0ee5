/**
 * One of the processes of the floor: the smallest honest quorum store. fastify and a binary door in front, LevelDB
 * behind, N=3, W=2, R=2, the version read before each write; no membership, repair, hints, deadlines or checks.
 *
 * node node.js '{"node": 0, "http": 7070, "peers": [7071, 7081, 7091], "data": "dir", "durability": "os"}'
 */
import { connect, createServer, type Socket } from 'node:net'
import { BatchedLevel } from './batched-level.ts'
import { Coordinator } from './coordinator.ts'
import { endWithParent } from './end-with-parent.ts'
import { type Frame, FrameSocket, frameType } from './frames.ts'
import { createHttpFront } from './http-front.ts'
import { Replica } from './replica.ts'

interface Settings {
  /** From 0: its place in `peers`. */
  readonly node: number
  readonly http: number
  readonly peers: readonly number[]
  readonly data: string
  readonly durability: 'os' | 'disk'
}

const host = '127.0.0.1'
const settings = JSON.parse(process.argv[2] ?? '') as Settings
const level = await BatchedLevel.open(settings.data, settings.durability === 'disk')
const replica = new Replica(level)
const server = createServer(serve)
server.listen(settings.peers[settings.node], host)
const peers = await Promise.all(settings.peers.map((port, node) => (node === settings.node ? undefined : meet(port))))
const coordinator = new Coordinator(settings.node, replica, peers)
await createHttpFront(coordinator).listen({ port: settings.http, host })
endWithParent(() => level.close())
console.log('ready')

/** What the other nodes and the binary clients ask. */
function serve(socket: Socket): void {
  const frames: FrameSocket = new FrameSocket(socket, ({ type, id, key, body }: Frame) => {
    if (type === frameType.keep) replica.keep(key, body, () => frames.send(frameType.kept, id, ''))
    else if (type === frameType.fetch) answer(frames, id, replica.read(key))
    else if (type === frameType.put) coordinator.put(key, body, () => frames.send(frameType.kept, id, ''))
    else if (type === frameType.get) coordinator.get(key, (value) => answer(frames, id, value))
  })
}

function answer(frames: FrameSocket, id: number, body: Uint8Array | undefined): void {
  if (body === undefined) frames.send(frameType.absent, id, '')
  else frames.send(frameType.found, id, '', body)
}

/** All start at once: one that does not listen yet is asked again. */
async function meet(port: number): Promise<FrameSocket> {
  for (;;) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(port, host, () => resolve(attempt))
      attempt.once('error', () => resolve(undefined))
    })
    if (socket !== undefined) return new FrameSocket(socket, (frame) => coordinator.hear(frame))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
