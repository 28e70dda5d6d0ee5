import type { DatagramSocket, Datagrams, NetworkFailure } from '../ports/network.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { datagramBytesMax } from '../vocabulary/limits.ts'
import type { Machine } from './machine.ts'
import type { SimulatedNetwork } from './simulated-network.ts'
import { ProcessCall, ProcessEvent, type SimulatedProcess } from './simulated-process.ts'

/** A process's share of UDP. */
export class SimulatedDatagrams implements Datagrams {
  readonly bytesMax = datagramBytesMax
  readonly #process: SimulatedProcess
  readonly #network: SimulatedNetwork

  constructor(process: SimulatedProcess, network: SimulatedNetwork) {
    this.#process = process
    this.#network = network
  }

  bind(
    at: Endpoint,
    onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
    done: (failure: NetworkFailure | undefined, socket: DatagramSocket | undefined) => void,
  ): void {
    const { host, port } = parseEndpoint(at) as { host: string; port: number }
    const machine = this.#process.machine
    const sockets = machine.datagramSockets
    const chosen = port === 0 ? machine.freePort(sockets) : port
    if (sockets.has(chosen)) {
      this.#later(() => done({ kind: 'in-use', message: `${at} is in use` }, undefined))
      return
    }
    const local = formatEndpoint(host, chosen)
    const socket = new SimulatedDatagramSocket(this.#process, this.#network, local, chosen, onDatagram)
    sockets.set(chosen, socket)
    this.#process.atDeath(() => socket.die())
    this.#later(() => done(undefined, socket))
  }

  #later(callback: () => void): void {
    const world = this.#process.world
    if (this.#process.isAlive) world.at(world.nowMs, new ProcessCall(this.#process, callback))
  }
}

export class SimulatedDatagramSocket implements DatagramSocket {
  readonly local: Endpoint
  readonly process: SimulatedProcess
  readonly #network: SimulatedNetwork
  readonly #port: number
  readonly #source: Endpoint
  readonly #onDatagram: (bytes: Uint8Array, from: Endpoint) => void
  readonly #targets = new Map<Endpoint, { machine: Machine | undefined; port: number }>()
  #isClosed = false

  constructor(
    process: SimulatedProcess,
    network: SimulatedNetwork,
    local: Endpoint,
    port: number,
    onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
  ) {
    this.process = process
    this.#network = network
    this.local = local
    this.#port = port
    this.#source = formatEndpoint(process.machine.name, port)
    this.#onDatagram = onDatagram
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    if (this.#isClosed || !this.process.isAlive || bytes.length > datagramBytesMax) return
    let target = this.#targets.get(to)
    if (target === undefined) {
      const { host, port } = parseEndpoint(to) as { host: string; port: number }
      target = { machine: this.#network.machineOf(host, this.process.machine), port }
      this.#targets.set(to, target)
    }
    if (target.machine === undefined) return
    const { world, machine } = this.process
    const link = this.#network.link(machine, target.machine)
    const from = target.machine === machine ? this.local : this.#source
    // Copied: the sender may use its buffer again, and each receiver keeps its own.
    if (!link.drawsLoss()) {
      const datagram = new Datagram(target.machine, target.port, bytes.slice(), from)
      world.at(world.nowMs + link.drawDelayMs(), datagram)
    }
    if (link.drawsDuplicate() && !link.isCut) {
      const datagram = new Datagram(target.machine, target.port, bytes.slice(), from)
      world.at(world.nowMs + link.drawDelayMs() * 2, datagram)
    }
  }

  receive(bytes: Uint8Array, from: Endpoint): void {
    if (!this.#isClosed) this.#onDatagram(bytes, from)
  }

  close(done: () => void): void {
    const { world } = this.process
    this.die()
    if (this.process.isAlive) world.at(world.nowMs, new ProcessCall(this.process, done))
  }

  die(): void {
    this.#isClosed = true
    const sockets = this.process.machine.datagramSockets
    if (sockets.get(this.#port) === this) sockets.delete(this.#port)
  }
}

/** A packet on its way. */
class Datagram extends ProcessEvent {
  readonly #to: Machine
  readonly #port: number
  readonly #bytes: Uint8Array
  readonly #from: Endpoint
  #socket: SimulatedDatagramSocket | undefined

  constructor(to: Machine, port: number, bytes: Uint8Array, from: Endpoint) {
    super()
    this.#to = to
    this.#port = port
    this.#bytes = bytes
    this.#from = from
  }

  override happen(): void {
    const socket = this.#to.datagramSockets.get(this.#port)
    if (socket === undefined) return
    this.#socket = socket
    socket.process.run(this)
  }

  override deliver(): void {
    this.#socket?.process.world.trace.addBytes(this.#bytes)
    this.#socket?.receive(this.#bytes, this.#from)
  }
}
