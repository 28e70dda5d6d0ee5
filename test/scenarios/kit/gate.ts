import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { eventually, type Reachable } from '../../node/fixtures/real-nodes.ts'
import type { Lab } from './lab.ts'

const waitedMsMax = 30_000

/** In front of a node's HTTP address: lets nobody through until it is opened, so that several come at the same moment. */
export class Gate implements Reachable {
  readonly peer: string
  readonly #node: Reachable
  readonly #waiting: Socket[] = []
  readonly #sockets = new Set<Socket>()
  #port = 0
  #isOpen = false

  private constructor(node: Reachable) {
    this.#node = node
    this.peer = node.peer
  }

  static async before(lab: Lab, node: Reachable): Promise<Gate> {
    const gate = new Gate(node)
    const server = createServer({ pauseOnConnect: true }, (socket) => gate.#arrived(socket)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    gate.#port = (server.address() as AddressInfo).port
    lab.teardown(() => {
      server.close()
      for (const socket of gate.#sockets) socket.destroy()
    })
    return gate
  }

  get http(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Resolves when somebody stands before it. */
  async waitedFor(): Promise<void> {
    await eventually(
      'somebody comes',
      async () => this.#waiting.length,
      (count) => count > 0,
      waitedMsMax,
    )
  }

  open(): void {
    this.#isOpen = true
    for (const socket of this.#waiting.splice(0)) this.#pass(socket)
  }

  shut(): void {
    this.#isOpen = false
  }

  #arrived(socket: Socket): void {
    this.#keep(socket)
    if (this.#isOpen) this.#pass(socket)
    else this.#waiting.push(socket)
  }

  #pass(socket: Socket): void {
    const [host = '', port = ''] = this.#node.http?.split(':') ?? []
    const through = connect(Number(port), host)
    this.#keep(through)
    socket.pipe(through).pipe(socket)
    socket.resume()
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
