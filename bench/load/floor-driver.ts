import { connect } from 'node:net'
import { type Frame, FrameSocket, frameType } from '../floor/frames.ts'
import { copiesMax, firstOwner } from '../floor/owners.ts'
import type { KeySpace } from './key-space.ts'
import type { Driver, Lane, OperationOutcome } from './lane.ts'

interface Pending {
  readonly key: number
  readonly done: (outcome: OperationOutcome) => void
}

/** The floor's binary client: one connection to each node, and an owner of the key is asked. */
export async function openFloorDriver(keys: KeySpace, ports: readonly number[], laneCount: number): Promise<Driver> {
  const connections = await Promise.all(ports.map((port) => FloorConnection.open(keys, port)))
  const byOwner: Lane = {
    put: (key, done) => connections[firstOwner(keys.name(key), ports.length)]?.put(key, done),
    get: (key, done) => connections[firstOwner(keys.name(key), ports.length)]?.get(key, done),
  }
  const isOwnedByAll = ports.length <= copiesMax
  return {
    lanes: Array.from({ length: laneCount }, (_, index) => {
      return isOwnedByAll ? (connections[index % connections.length] as FloorConnection) : byOwner
    }),
    close: async () => {
      for (const connection of connections) connection.close()
    },
  }
}

class FloorConnection implements Lane {
  readonly #keys: KeySpace
  readonly #frames: FrameSocket
  readonly #pending = new Map<number, Pending>()
  #nextId = 1

  private constructor(keys: KeySpace, frames: (onFrame: (frame: Frame) => void) => FrameSocket) {
    this.#keys = keys
    this.#frames = frames((frame) => this.#hear(frame))
  }

  static open(keys: KeySpace, port: number): Promise<FloorConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.removeListener('error', reject)
        const connection = new FloorConnection(keys, (onFrame) => new FrameSocket(socket, onFrame))
        socket.once('close', () => connection.failAll())
        resolve(connection)
      })
      socket.once('error', reject)
    })
  }

  put(key: number, done: (outcome: OperationOutcome) => void): void {
    const value = Buffer.allocUnsafe(this.#keys.valueBytes)
    this.#keys.fillValue(key, value, 0)
    this.#frames.send(frameType.put, this.#expect({ key, done }), this.#keys.name(key), value)
  }

  get(key: number, done: (outcome: OperationOutcome) => void): void {
    this.#frames.send(frameType.get, this.#expect({ key, done }), this.#keys.name(key))
  }

  failAll(): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { done } of pending) done('failed')
  }

  close(): void {
    this.#frames.destroy()
  }

  #expect(pending: Pending): number {
    const id = this.#nextId
    this.#nextId = id === 0xffffffff ? 1 : id + 1
    this.#pending.set(id, pending)
    return id
  }

  #hear({ type, id, body }: Frame): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    const isRight = type === frameType.kept || this.#keys.isValueOf(pending.key, body, 0, body.length)
    pending.done(isRight ? 'done' : 'failed')
  }
}
