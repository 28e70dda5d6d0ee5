import { seededRandom, seedFor } from '../../../lib/ports/random.ts'
import { FirstLayout, type FirstLayoutEffect } from '../../../lib/protocol/layout/first-layout.ts'
import type { FirstLayoutRules } from '../../../lib/protocol/layout/first-layout-rules.ts'
import { emptyDocument, type LayoutDocument } from '../../../lib/protocol/layout/layout-document.ts'
import type { DecidedLayout } from '../../../lib/protocol/layout/layout-version.ts'
import type { Member, MemberState } from '../../../lib/protocol/membership/member.ts'
import type { Hash } from '../../../lib/vocabulary/hash.ts'
import { type NodeId, toEndpoint, toNodeId } from '../../../lib/vocabulary/ids.ts'
import type { Random } from '../../../lib/vocabulary/random.ts'

/** Good enough to tell a few layouts apart, and quick without WebAssembly. */
export const testHash: Hash = {
  hash64: (bytes) => (BigInt(fnv(bytes, 0x811c9dc5)) << 32n) | BigInt(fnv(bytes, 0x01234567)),
  hash32: (bytes, seed = 0) => fnv(bytes, 0x811c9dc5 ^ seed),
}

export function nodeId(number: number): NodeId {
  return toNodeId(number.toString(16).padStart(32, '0'))
}

export function starter(
  number: number,
  expect: number,
  { zone = 'default', isFresh = true, state = 'alive' as MemberState } = {},
): Member {
  return {
    id: nodeId(number),
    startNumber: 1,
    incarnation: 0,
    state,
    metadata: {
      name: `node-${number}`,
      peer: toEndpoint(`127.0.0.1:${7000 + number}`),
      http: undefined,
      zone,
      weight: 1,
      version: '0.1.0',
      isFresh,
      expect,
      storeGeneration: 1,
    },
  }
}

export interface WorldOptions {
  readonly rules?: FirstLayoutRules
  /** How many nodes are about, and what `--expect` most of them were given. */
  readonly nodeCount: number
  readonly expect: number
  /** In percent of the nodes. */
  readonly otherExpectPercent: number
  readonly aborts: boolean
  readonly steps: number
}

interface Starting {
  machine: FirstLayout
  readonly number: number
  readonly expect: number
  zone: string
  /** What would be there after a crash. */
  disk: LayoutDocument
  persisting: { readonly ticket: number; readonly document: LayoutDocument } | undefined
  timer: number | undefined
  /** Every document it ever showed: each of them may still be on its way to somebody. */
  readonly sent: LayoutDocument[]
  readonly decided: DecidedLayout[]
}

/**
 * Starters in a world that does its worst: members are seen and lost at random, documents come late, twice or never,
 * disks are slow, processes die before or after a document is durable, people abort.
 */
export class FirstLayoutWorld {
  readonly nodes: Starting[] = []
  readonly #options: WorldOptions
  readonly #random: Random

  constructor(seed: number, options: WorldOptions) {
    this.#options = options
    this.#random = seededRandom(seedFor(seed, 'first-layout'))
    for (let number = 1; number <= options.nodeCount; number += 1) {
      const differs = this.#random.below(100) < options.otherExpectPercent
      const expect = differs ? 1 + this.#random.below(options.nodeCount + 1) : options.expect
      this.nodes.push(this.#newNode(number, expect))
    }
  }

  /** Every layout that some node told its node to use. */
  decided(): ReadonlyMap<string, DecidedLayout> {
    return new Map(this.nodes.flatMap(({ decided }) => decided.map((layout) => [layout.hash, layout])))
  }

  rage(): void {
    for (let step = 0; step < this.#options.steps; step += 1) this.#step()
  }

  /** From here on all see each other, and everything arrives. */
  calm(): void {
    for (let round = 0; round < 12; round += 1) {
      for (const node of this.nodes) {
        this.#flush(node)
        this.#see(node, this.nodes)
        this.#fireTimer(node)
        this.#flush(node)
        for (const other of this.nodes) this.#receive(node, other.machine.document)
        this.#flush(node)
      }
    }
  }

  #newNode(number: number, expect: number): Starting {
    const zone = `zone-${this.#random.below(2)}`
    const node: Starting = {
      machine: this.#machine(number, expect, emptyDocument),
      number,
      expect,
      zone,
      disk: emptyDocument,
      persisting: undefined,
      timer: undefined,
      sent: [],
      decided: [],
    }
    this.#apply(node, node.machine.handle({ type: 'started', nowMs: 0 }))
    return node
  }

  #machine(number: number, expect: number, document: LayoutDocument): FirstLayout {
    const settings = {
      self: nodeId(number),
      expect,
      joins: this.#options.nodeCount > 1,
      isFresh: true,
      partitionCount: 1,
      replicaCount: 3,
    }
    return new FirstLayout(settings, document, testHash, this.#options.rules)
  }

  #step(): void {
    const node = this.#pick(this.nodes)
    const dice = this.#random.below(100)
    if (dice < 40) this.#receive(node, this.#pick(this.#pick(this.nodes).sent))
    else if (dice < 60)
      this.#see(
        node,
        this.nodes.filter((other) => other === node || this.#random.below(3) > 0),
      )
    else if (dice < 75) this.#fireTimer(node)
    else if (dice < 93) this.#persisted(node)
    else if (dice < 97) this.#restart(node)
    else if (this.#options.aborts) this.#apply(node, node.machine.handle({ type: 'abort-requested', nowMs: 0 }))
  }

  #see(node: Starting, seen: readonly Starting[]): void {
    const members = seen.map(({ number, expect, zone, decided }) =>
      starter(number, expect, { zone, isFresh: decided.length === 0 }),
    )
    this.#apply(node, node.machine.handle({ type: 'members-changed', nowMs: 0, members }))
  }

  #receive(node: Starting, document: LayoutDocument | undefined): void {
    if (document !== undefined)
      this.#apply(node, node.machine.handle({ type: 'document-received', nowMs: 0, document }))
  }

  #fireTimer(node: Starting): void {
    if (node.timer === undefined) return
    const attempt = node.timer
    node.timer = undefined
    this.#apply(node, node.machine.handle({ type: 'timer-fired', nowMs: 0, attempt }))
  }

  #persisted(node: Starting): void {
    if (node.persisting === undefined) return
    const { ticket, document } = node.persisting
    node.persisting = undefined
    node.disk = document
    this.#apply(node, node.machine.handle({ type: 'persisted', nowMs: 0, ticket }))
  }

  #flush(node: Starting): void {
    while (node.persisting !== undefined) this.#persisted(node)
  }

  /** What was being written when the process died is on the disk, or not. */
  #restart(node: Starting): void {
    if (node.persisting !== undefined && this.#random.below(2) === 0) node.disk = node.persisting.document
    node.persisting = undefined
    node.timer = undefined
    node.zone = `zone-${this.#random.below(2)}`
    node.machine = this.#machine(node.number, node.expect, node.disk)
    this.#apply(node, node.machine.handle({ type: 'started', nowMs: 0 }))
  }

  #apply(node: Starting, effects: readonly FirstLayoutEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'persist-document') node.persisting = effect
      if (effect.type === 'document-changed') node.sent.push(effect.document)
      if (effect.type === 'set-timer') node.timer = effect.attempt
      if (effect.type === 'decided') node.decided.push(effect.layout)
    }
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item
  }
}

/** Two of them with a node in common: the one thing that must never happen. */
export function conflictAmong(layouts: Iterable<DecidedLayout>): string | undefined {
  const decidedFor = new Map<NodeId, string>()
  for (const { hash, version } of layouts) {
    for (const { id } of version.nodes) {
      const other = decidedFor.get(id)
      if (other !== undefined) return `${id} is a member of ${other} and of ${hash}`
      decidedFor.set(id, hash)
    }
  }
  return undefined
}

function fnv(bytes: Uint8Array, seed: number): number {
  let state = seed >>> 0
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193)
  state = Math.imul(state ^ (state >>> 15), 0x85ebca6b)
  return (state ^ (state >>> 13)) >>> 0
}
