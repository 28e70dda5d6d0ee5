import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Member } from './cluster.ts'
import type { Lab } from './lab.ts'

const records = 'starling_transfer_records_total'
const bytes = 'starling_transfer_bytes_total'
const repaired = 'starling_anti_entropy_keys_repaired_total'
const everyMs = 20

export interface Moved {
  /** Copied, and brought by the comparison that ends a transfer. */
  readonly records: number
  /** Of those that were copied. */
  readonly bytes: number
}

/** What the nodes have counted of moved records between two moments, while no process ends. */
export class TransferCount {
  readonly #nodes: readonly Member[]
  readonly #before = new Map<Member, Moved>()

  constructor(nodes: readonly Member[]) {
    this.#nodes = nodes
  }

  async begin(): Promise<void> {
    for (const node of this.#nodes) this.#before.set(node, await received(node))
  }

  async end(): Promise<Moved> {
    let sum: Moved = { records: 0, bytes: 0 }
    for (const [node, before] of this.#before) {
      // Who has left by now has received nothing.
      if (!node.isRunning) continue
      const now = await received(node)
      sum = { records: sum.records + now.records - before.records, bytes: sum.bytes + now.bytes - before.bytes }
    }
    return sum
  }
}

async function received(node: Member): Promise<Moved> {
  const direction = 'received'
  const copied = await node.metric(records, { direction })
  const brought = await node.metric(repaired)
  return { records: copied + brought, bytes: await node.metric(bytes, { direction }) }
}

/**
 * What the nodes send, looked at again and again: a process that is killed takes its counts with it, all but the little
 * that it sent after the last look.
 */
export class TransferWatch {
  readonly #cluster: Cluster
  /** Of processes that are gone. */
  #earlier = 0
  readonly #last = new Map<Member, { readonly pid: number; readonly sent: number }>()
  #isOver = false
  readonly #watching: Promise<void>

  constructor(lab: Lab, cluster: Cluster) {
    this.#cluster = cluster
    lab.teardown(() => {
      this.#isOver = true
    })
    this.#watching = this.#watch()
  }

  /** By this node's process. */
  async sentBy(node: Member): Promise<number> {
    return node.metric(records, { direction: 'sent' })
  }

  /** Until a node has received half of what it knew it had to. @returns what is left then */
  async halfWay(receiver: Member, limitMs: number): Promise<{ readonly partitions: number; readonly bytes: number }> {
    const endMs = performance.now() + limitMs
    let most = 0
    for (;;) {
      const left = await receiver.metric('starling_transfer_bytes_left')
      most = Math.max(most, left)
      if (most > 0 && left <= most / 2)
        return { partitions: await receiver.metric('starling_transfer_partitions'), bytes: left }
      if (performance.now() > endMs) throw new Error(`${receiver.name} has ${left} of ${most} bytes left`)
      await sleep(everyMs)
    }
  }

  /** @returns records sent by all processes there were */
  async end(): Promise<{ readonly sent: number }> {
    this.#isOver = true
    await this.#watching
    await this.#look()
    return { sent: [...this.#last.values()].reduce((sum, { sent }) => sum + sent, this.#earlier) }
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await this.#look()
      await sleep(everyMs)
    }
  }

  async #look(): Promise<void> {
    for (const node of this.#cluster.members) {
      if (!node.isRunning) continue
      const { pid } = node
      const sent = await this.sentBy(node)
      const last = this.#last.get(node)
      if (last !== undefined && last.pid !== pid) this.#earlier += last.sent
      // A process that was killed meanwhile answers nothing, which sums up to 0.
      const isSame = last !== undefined && last.pid === pid
      this.#last.set(node, { pid, sent: isSame ? Math.max(sent, last.sent) : sent })
    }
  }
}
