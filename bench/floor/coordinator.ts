import { type Frame, type FrameSocket, frameType } from './frames.ts'
import { copiesMax, firstOwner, otherOwners } from './owners.ts'
import { makeRecord, type Replica, valueIn, versionOf } from './replica.ts'

interface PendingWrite {
  acks: number
  readonly done: () => void
}

interface PendingRead {
  readonly own: Uint8Array | undefined
  readonly done: (value: Uint8Array | undefined) => void
}

/**
 * Writes at two of three copies, reads at two of three; where there is one node, at one. Up to three nodes every node has
 * every key; beyond, one that does not own a key hands the request on to one that does.
 */
export class Coordinator {
  readonly #node: number
  readonly #replica: Replica
  readonly #peers: readonly (FrameSocket | undefined)[]
  /** By the first owner of a key. */
  readonly #others: readonly (readonly FrameSocket[] | undefined)[]
  readonly #quorum: number
  readonly #writes = new Map<number, PendingWrite>()
  readonly #reads = new Map<number, PendingRead>()
  readonly #forwarded = new Map<number, (frame: Frame) => void>()
  #nextId = 1

  /**
   * @param node from 0
   * @param peers of all nodes in their order, without this one
   */
  constructor(node: number, replica: Replica, peers: readonly (FrameSocket | undefined)[]) {
    this.#node = node
    this.#replica = replica
    this.#peers = peers
    this.#others = peers.map((_, first) =>
      otherOwners(node, first, peers.length)?.map((owner) => peers[owner] as FrameSocket),
    )
    this.#quorum = Math.min(copiesMax, peers.length) === 1 ? 1 : 2
  }

  put(key: string, value: Uint8Array, done: () => void): void {
    const first = firstOwner(key, this.#peers.length)
    const others = this.#others[first]
    if (others === undefined) return this.#forward(first, frameType.put, key, done, value)
    const record = makeRecord(this.#replica.version(key), this.#node, value)
    const id = this.#newId()
    this.#writes.set(id, { acks: 0, done })
    this.#replica.keepNewer(key, record, versionOf(record), () => this.#acked(id))
    for (const peer of others) peer.send(frameType.keep, id, key, record)
  }

  get(key: string, done: (value: Uint8Array | undefined) => void): void {
    const first = firstOwner(key, this.#peers.length)
    const others = this.#others[first]
    if (others === undefined) {
      return this.#forward(first, frameType.get, key, ({ type, body }) => {
        done(type === frameType.found ? body : undefined)
      })
    }
    const own = this.#replica.read(key)
    if (this.#quorum === 1) return done(own === undefined ? undefined : valueIn(own))
    const id = this.#newId()
    this.#reads.set(id, { own, done })
    // Always the same one: what this node asks in one turn then leaves in one write. Everybody asks another.
    others[0]?.send(frameType.fetch, id, key)
  }

  /** An answer of a peer. */
  hear(frame: Frame): void {
    const { type, id, body } = frame
    const forwarded = this.#forwarded.size === 0 ? undefined : this.#forwarded.get(id)
    if (forwarded !== undefined) {
      this.#forwarded.delete(id)
      return forwarded(frame)
    }
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
    if (write.acks < this.#quorum) return
    this.#writes.delete(id)
    write.done()
  }

  #forward(to: number, type: number, key: string, done: (frame: Frame) => void, value?: Uint8Array): void {
    const id = this.#newId()
    this.#forwarded.set(id, done)
    this.#peers[to]?.send(type, id, key, value)
  }

  #newId(): number {
    const id = this.#nextId
    this.#nextId = id === 0xffffffff ? 1 : id + 1
    return id
  }
}
