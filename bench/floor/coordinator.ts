import { type Frame, type FrameSocket, frameType } from './frames.ts'
import { makeRecord, type Replica, valueIn, versionOf } from './replica.ts'

const writeQuorum = 2

interface PendingWrite {
  acks: number
  readonly done: () => void
}

interface PendingRead {
  readonly own: Uint8Array | undefined
  readonly done: (value: Uint8Array | undefined) => void
}

/** Writes at two of three copies, reads at two of three. Three nodes: every node has every key. */
export class Coordinator {
  readonly #node: number
  readonly #replica: Replica
  readonly #peers: readonly FrameSocket[]
  readonly #writes = new Map<number, PendingWrite>()
  readonly #reads = new Map<number, PendingRead>()
  #nextId = 1

  constructor(node: number, replica: Replica, peers: readonly FrameSocket[]) {
    this.#node = node
    this.#replica = replica
    this.#peers = peers
  }

  put(key: string, value: Uint8Array, done: () => void): void {
    const record = makeRecord(this.#replica.version(key), this.#node, value)
    const id = this.#newId()
    this.#writes.set(id, { acks: 0, done })
    this.#replica.keepNewer(key, record, versionOf(record), () => this.#acked(id))
    for (const peer of this.#peers) peer.send(frameType.keep, id, key, record)
  }

  get(key: string, done: (value: Uint8Array | undefined) => void): void {
    const id = this.#newId()
    this.#reads.set(id, { own: this.#replica.read(key), done })
    // Always the same one: what this node asks in one turn then leaves in one write. Everybody asks another.
    this.#peers[0]?.send(frameType.fetch, id, key)
  }

  /** An answer of a peer. */
  hear({ type, id, body }: Frame): void {
    if (type === frameType.kept) return this.#acked(id)
    const read = this.#reads.get(id)
    if (read === undefined) return
    this.#reads.delete(id)
    const other = type === frameType.found ? body : undefined
    const newest = versionOf(other) > versionOf(read.own) ? other : read.own
    read.done(newest === undefined ? undefined : valueIn(newest))
  }

  #acked(id: number): void {
    const write = this.#writes.get(id)
    // The third ack comes when the client has its answer.
    if (write === undefined) return
    write.acks += 1
    if (write.acks < writeQuorum) return
    this.#writes.delete(id)
    write.done()
  }

  #newId(): number {
    const id = this.#nextId
    this.#nextId = id === 0xffffffff ? 1 : id + 1
    return id
  }
}
