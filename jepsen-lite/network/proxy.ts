import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { createHash } from '../../lib/platform/xxhash.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { BytesReader } from '../../lib/wire/bytes-reader.ts'
import { decodeDatagram } from '../../lib/wire/datagram.ts'
import { UnreadableBytes } from '../../lib/wire/unreadable-bytes.ts'
import { frameTypes, notAFrame } from './frame-cutter.ts'
import type { LinkCounts, LinkFaults, Network, Place } from './network.ts'
import { FreePorts, type Ports } from './places.ts'
import { ProxiedLink } from './proxied-link.ts'
import { StreamRelay } from './stream-relay.ts'
import { Timers } from './timers.ts'

const host = '127.0.0.1'
const askMsMax = 1000
const identifyMsMax = 3000
const askAgainMs = 100
const datagramTypes: ReadonlySet<string> = new Set(['probe', 'ack', 'indirect-probe', 'nack', 'gossip'])
const datagramHeaderBytes = 2

interface Outlet {
  readonly name: string
  readonly ports: Ports
  readonly server: Server
  readonly datagrams: DatagramSocket
}

/**
 * Links through this process, without any privilege. Each node advertises an address of the proxy's and listens at
 * another, which it tells nobody; gossip spreads one address per node, so that the proxy must find out who calls:
 *
 * - a datagram comes from the address its sender listens at, and leaves from the one its sender advertises;
 * - a connection begins with `hello`, which has the caller's id. Whose it is, datagrams and welcomes have shown before,
 *   or `GET /v1/node` says.
 *
 * What a kernel does that this cannot: lose a SYN (a connection to the proxy always comes about, and is silent while the
 * link is cut), or forget the state of a connection. Docs: docs/decisions/0060-links-between-real-nodes.md
 */
export class ProxyNetwork implements Network {
  readonly kind = 'proxy'
  readonly canSpoil = [
    'lossChance',
    'duplicateChance',
    'delayMs',
    'jitterMs',
    'reorderChance',
    'dropTypes',
    'dropTypesChance',
  ] as const
  readonly #hash: Hash
  readonly #fraction: () => number
  readonly #timers = new Timers()
  readonly #freePorts = new FreePorts()
  readonly #outlets = new Map<string, Outlet>()
  /** By the port a node listens at. */
  readonly #byPeerPort = new Map<number, Outlet>()
  readonly #namesById = new Map<string, string>()
  readonly #links = new Map<string, ProxiedLink>()
  readonly #relays = new Set<StreamRelay>()

  private constructor(hash: Hash, fraction: () => number) {
    this.#hash = hash
    this.#fraction = fraction
  }

  /** @param fraction chance: what is lost, doubled, and how late the rest is */
  static async open(fraction: () => number): Promise<ProxyNetwork> {
    return new ProxyNetwork(await createHash(), fraction)
  }

  async place(name: string): Promise<Place> {
    if (this.#outlets.has(name)) throw new Error(`${name} has its place already`)
    const ports = await this.#freePorts.next()
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      const target = { name, host, port: ports.peer }
      const relay: StreamRelay = new StreamRelay(socket, target, this.#relayParts(), () => this.#relays.delete(relay))
      this.#relays.add(relay)
    })
    server.listen({ host, port: ports.advertised, exclusive: true })
    const datagrams = createSocket('udp4')
    datagrams.bind({ address: host, port: ports.advertised, exclusive: true })
    await Promise.all([once(server, 'listening'), once(datagrams, 'listening')])
    const outlet: Outlet = { name, ports, server, datagrams }
    this.#outlets.set(name, outlet)
    this.#byPeerPort.set(ports.peer, outlet)
    server.on('error', () => undefined)
    datagrams.on('error', () => undefined)
    datagrams.on('message', (bytes, { port }) => this.#passDatagram(bytes, port, outlet))
    const http = `${host}:${ports.http}`
    const peer = `${host}:${ports.peer}`
    const advertised = `${host}:${ports.advertised}`
    return {
      flags: ['--http', http, '--peer', peer, '--advertise-peer', advertised],
      before: [],
      http,
      peer,
      joinAddress: advertised,
    }
  }

  async cut(from: string, to: string): Promise<void> {
    this.#link(from, to).cut()
  }

  async mend(from: string, to: string): Promise<void> {
    this.#link(from, to).mend()
  }

  async spoil(from: string, to: string, faults: LinkFaults): Promise<void> {
    const unknown = (faults.dropTypes ?? []).find((type) => !frameTypes.has(type) && !datagramTypes.has(type))
    if (unknown !== undefined) throw new Error(`there is no message of type ${unknown}`)
    this.#link(from, to).faults = faults
  }

  async heal(): Promise<void> {
    for (const link of this.#links.values()) {
      link.faults = {}
      link.mend()
    }
  }

  async counts(): Promise<LinkCounts> {
    const sum = { dropped: 0, held: 0, delayed: 0, duplicated: 0 }
    for (const { counts } of this.#links.values()) {
      sum.dropped += counts.dropped
      sum.held += counts.held
      sum.delayed += counts.delayed
      sum.duplicated += counts.duplicated
    }
    return sum
  }

  async countsOf(from: string, to: string): Promise<LinkCounts> {
    return this.#link(from, to).counts
  }

  async close(): Promise<void> {
    this.#timers.close()
    for (const relay of this.#relays) relay.destroy()
    const outlets = [...this.#outlets.values()]
    this.#outlets.clear()
    this.#byPeerPort.clear()
    await Promise.all(
      outlets.map(async ({ server, datagrams }) => {
        const closed = [once(server, 'close'), once(datagrams, 'close')]
        server.close()
        datagrams.close()
        await Promise.all(closed)
      }),
    )
  }

  #link(from: string, to: string): ProxiedLink {
    const name = `${from} ${to}`
    let link = this.#links.get(name)
    if (link === undefined) {
      link = new ProxiedLink(this.#fraction)
      this.#links.set(name, link)
    }
    return link
  }

  #relayParts() {
    return {
      hash: this.#hash,
      timers: this.#timers,
      nameOf: (nodeId: string) => this.#nameOf(nodeId),
      learn: (nodeId: string, name: string) => this.#learn(nodeId, name),
      link: (from: string, to: string) => this.#link(from, to),
    }
  }

  #learn(nodeId: string, name: string): void {
    this.#namesById.set(nodeId, name)
  }

  #passDatagram(bytes: Buffer, fromPort: number, target: Outlet): void {
    const source = this.#byPeerPort.get(fromPort)
    // Nobody's that lives here.
    if (source === undefined) return
    const type = this.#readDatagram(bytes, source)
    for (const delayMs of this.#link(source.name, target.name).drawDatagram(type)) {
      if (delayMs === 0) sendBy(source, bytes, target)
      else this.#timers.after(delayMs, () => sendBy(source, bytes, target))
    }
  }

  #readDatagram(bytes: Buffer, source: Outlet): string {
    try {
      const cluster = new BytesReader(bytes, datagramHeaderBytes).text()
      const packet = decodeDatagram(bytes, this.#hash, { cluster })
      if (typeof packet === 'string') return notAFrame
      this.#learn(packet.header.from, source.name)
      return packet.message.type
    } catch (error) {
      if (error instanceof UnreadableBytes) return notAFrame
      throw error
    }
  }

  /** Undefined if no node says within a few seconds that it is this one. */
  async #nameOf(nodeId: string): Promise<string | undefined> {
    const endMs = performance.now() + identifyMsMax
    while (!this.#namesById.has(nodeId) && performance.now() < endMs) {
      await Promise.all([...this.#outlets.values()].map((outlet) => this.#askWho(outlet)))
      if (!this.#namesById.has(nodeId)) await new Promise((resolve) => this.#timers.after(askAgainMs, () => resolve(0)))
    }
    return this.#namesById.get(nodeId)
  }

  async #askWho({ name, ports }: Outlet): Promise<void> {
    try {
      const response = await fetch(`http://${host}:${ports.http}/v1/node`, { signal: AbortSignal.timeout(askMsMax) })
      const said: unknown = await response.json()
      if (typeof said === 'object' && said !== null && 'id' in said) this.#learn(String(said.id), name)
    } catch {
      // It does not run, or not yet.
    }
  }
}

/** From the address that the sender advertises: its receiver answers there. */
function sendBy(source: Outlet, bytes: Buffer, target: Outlet): void {
  try {
    source.datagrams.send(bytes, target.ports.peer, host)
  } catch {
    // Closed meanwhile.
  }
}
