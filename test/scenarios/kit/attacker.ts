import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'

/**
 * A process that does nothing but harm, as fast as it is let: `node attacker.js '{"kind": ..., "http": [ports], "peer":
 * [ports]}'`. It comes from an address of its own, and knows no secret. Ends with its parent.
 */
export type AttackKind = 'garbage' | 'slowloris' | 'oversize'

export interface AttackOrder {
  readonly kind: AttackKind
  readonly http: readonly number[]
  readonly peer: readonly number[]
}

const localAddress = '127.0.0.2'
const noiseBytesMax = 1_400
const slowConnections = 1_000
const trickleEveryMs = 500
const datagramsPerTurn = 20
const streamsAtOnce = 20
const noise = randomBytes(1024 * 1024)
const megabyte = Buffer.alloc(1024 * 1024, 'x')

/** Everything that is longer than it may be. */
const oversized: Readonly<Record<'http' | 'peer', readonly (readonly (string | Buffer)[])[]>> = {
  http: [
    [`GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    [`GET /livez HTTP/1.1\r\nHost: a\r\n${'X-Y: z\r\n'.repeat(20_000)}\r\n`],
    [`GET /v1/kv/b/${'k'.repeat(60_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n', megabyte, megabyte],
    [
      'PUT /v1/kv/b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n',
      ...Array(10).fill(megabyte),
    ],
    [
      'POST /v1/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n',
      ...Array(15).fill(Buffer.alloc(1024 * 1024, '[')),
    ],
    ['GET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2_000)],
  ],
  peer: [
    [Buffer.from([0x7f, 0xff, 0xff, 0xff]), megabyte],
    [Buffer.from([0, 0x10, 0, 0]), megabyte],
    [Buffer.alloc(4), noise],
  ],
}

/** The last argument; this file is also imported for its types. */
const given = process.argv[2]
if (given?.startsWith('{"kind"') === true) attack(JSON.parse(given) as AttackOrder)

function attack({ kind, http, peer }: AttackOrder): void {
  process.on('disconnect', () => process.exit(0))
  if (kind === 'slowloris') return creep(http, peer)
  const datagrams = createSocket('udp4')
  datagrams.on('error', () => undefined)
  let open = 0
  const turn = (): void => {
    for (let count = 0; count < datagramsPerTurn; count += 1) {
      const bytes = kind === 'oversize' ? 60_000 : 1 + Math.floor(Math.random() * noiseBytesMax)
      datagrams.send(noiseOf(bytes), pick(peer), '127.0.0.1')
    }
    while (open < streamsAtOnce) {
      open += 1
      const isPeer = Math.random() < 0.5
      const parts = kind === 'garbage' ? [noiseOf(noiseBytesMax)] : pick(oversized[isPeer ? 'peer' : 'http'])
      throwStream(pick(isPeer ? peer : http), parts, () => {
        open -= 1
      })
    }
    setImmediate(turn)
  }
  turn()
}

function throwStream(port: number, parts: readonly (string | Buffer)[], ended: () => void): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.setTimeout(2_000, () => socket.destroy())
  socket.on('error', () => undefined)
  socket.on('close', ended)
  socket.resume()
  for (const part of parts) socket.write(part)
  socket.end()
}

/** A thousand connections of each kind that never come to an end: heads, bodies, greetings, and answers nobody takes. */
function creep(http: readonly number[], peer: readonly number[]): void {
  const sockets: { readonly socket: Socket; readonly trickle: string }[] = []
  const open = (port: number, first: string | Buffer, trickle: string, isReading: boolean): void => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => undefined)
    if (isReading) socket.resume()
    else socket.pause()
    socket.write(first)
    const one = { socket, trickle }
    sockets.push(one)
    socket.on('close', () => {
      sockets.splice(sockets.indexOf(one), 1)
      setTimeout(() => open(port, first, trickle, isReading), 1_000)
    })
  }
  for (let count = 0; count < slowConnections; count += 1) {
    const kind = count % 4
    if (kind === 0) open(pick(http), 'GET /v1/kv/b/k HTTP/1.1\r\nHost: a\r\n', 'X-A: b\r\n', true)
    if (kind === 1)
      open(pick(http), 'PUT /v1/kv/slow/k HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n', 'x', true)
    if (kind === 2) open(pick(http), 'GET /v1/kv/load?values=true HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20), '', false)
    if (kind === 3) open(pick(peer), Buffer.from([0, 0, 8, 0]), 'x', true)
  }
  setInterval(() => {
    for (const { socket, trickle } of sockets) if (trickle !== '' && socket.writable) socket.write(trickle)
  }, trickleEveryMs)
}

function noiseOf(bytes: number): Buffer {
  const from = Math.floor(Math.random() * (noise.length - bytes))
  return noise.subarray(from, from + bytes)
}

function pick<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)] as Item
}
