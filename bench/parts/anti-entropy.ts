/**
 * What anti-entropy costs by itself, among a million keys in 1024 partitions that two nodes share: the bytes and round
 * trips of an exchange that finds nothing and of one that finds ten differences, in real frames, and the time of one
 * update of a tree with the state hashes it needs. Exit code 1 when a promise of docs/benchmarks.md is missed.
 *
 * node dist/bench/parts/anti-entropy.js [keys]
 */

import { createHash } from '../../lib/platform/xxhash.ts'
import { answerBranches, answerRoots, differingLeaves } from '../../lib/protocol/anti-entropy/answer.ts'
import { Exchange, type ExchangeEvent, type ExchangeSummary } from '../../lib/protocol/anti-entropy/exchange.ts'
import type {
  CompareAnswer,
  CompareQuestion,
  LeafCell,
  LeafEntry,
} from '../../lib/protocol/anti-entropy/exchange-messages.ts'
import { leafCount, leafOf, XorTree } from '../../lib/protocol/anti-entropy/xor-tree.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { stateHash } from '../../lib/protocol/causality/state-hash.ts'
import { type Hlc, hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { partitionOf } from '../../lib/protocol/ring/partition.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { type Bucket, type Key, type RecordKey, toRecordKey } from '../../lib/vocabulary/key.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Request, Response } from '../../lib/wire/messages.ts'

const keyCount = Number(process.argv[2] ?? 1_000_000)
const partitionCount = 1024
const wallMs = Date.now()
const digest = { number: 3, documentHash: 0xd16e57ed }
const ada = toNodeId('ada0'.repeat(8))
const layoutHash = '0123456789abcdef'
const hash = await createHash()
const partitions = Array.from({ length: partitionCount }, (_, partition) => partition)
const promises: { readonly what: string; readonly value: number; readonly most: number; readonly unit: string }[] = []

/** The trees of one node, and the state hashes under them. */
class Side {
  readonly #trees = partitions.map(() => new XorTree())
  readonly #states = new Map<number, Map<bigint, bigint>>()

  put(key: RecordKey, before: bigint, after: bigint): void {
    const partition = partitionOf(key.token, partitionCount)
    const leaf = leafOf(key.token, partitionCount)
    this.tree(partition)?.update(leaf, before, after)
    const place = partition * leafCount + leaf
    const states = this.#states.get(place) ?? new Map<bigint, bigint>()
    this.#states.set(place, states.set(key.token, after))
  }

  tree(partition: number): XorTree | undefined {
    return this.#trees[partition]
  }

  entries({ partition, leaf }: { readonly partition: number; readonly leaf: number }): readonly LeafEntry[] {
    const states = this.#states.get(partition * leafCount + leaf) ?? new Map<bigint, bigint>()
    return [...states].map(([token, hash]) => ({ token, stateHash: hash, newest: hlcFromMs(wallMs - 60_000) }))
  }

  answer(question: CompareQuestion): CompareAnswer {
    if (question.type === 'compare-roots') return answerRoots(question, partitions, this) as CompareAnswer
    if (question.type === 'compare-branches') return answerBranches(question, () => true, this) as CompareAnswer
    const differing = differingLeaves(question.leaves, () => true, this)?.indexes ?? []
    const leaves = differing.map((index) => ({ index, entries: this.entries(question.leaves[index] as LeafCell) }))
    return { type: 'leaves-compared', busy: [], answered: question.leaves.length, leaves }
  }
}

const here = new Side()
const there = new Side()
for (let number = 0; number < keyCount; number += 1) {
  const key = keyOf(number)
  const state = stateHash(key, stateOf(1), hash)
  here.put(key, 0n, state)
  there.put(key, 0n, state)
}
const none = exchange()
promise('bytes of an exchange that finds nothing', none.bytes, 1024, 'bytes')
promise('its round trips', none.roundTrips, 1, '')
for (let number = 0; number < 10; number += 1) {
  const key = keyOf(Math.floor((number * keyCount) / 10))
  here.put(key, stateHash(key, stateOf(1), hash), stateHash(key, stateOf(2), hash))
}
const ten = exchange()
if (ten.summary.differences !== 10) throw new Error(`${ten.summary.differences} differences were found`)
promise('bytes of an exchange that finds 10 differences, before it moves them', ten.bytes, 16 * 1024, 'bytes')
promise('its round trips', ten.roundTrips, 3, '')

const key = keyOf(4711)
const [before, after] = [stateOf(1), stateOf(2)]
const tree = new XorTree()
const leaf = leafOf(key.token, partitionCount)
promise(
  'one update of a tree',
  fastest(() => tree.update(leaf, 7n, 11n)),
  1000,
  'ns',
)
promise(
  'one update with both state hashes, of records with three actors',
  fastest(() =>
    tree.update(leafOf(key.token, partitionCount), stateHash(key, before, hash), stateHash(key, after, hash)),
  ),
  1000,
  'ns',
)

let isMissed = false
for (const { what, value, most, unit } of promises) {
  const isKept = value <= most
  isMissed ||= !isKept
  console.log(`${isKept ? 'ok      ' : 'MISSED  '}${what}: ${Math.round(value)} ${unit}, at most ${most}`)
}
process.exit(isMissed ? 1 : 0)

function exchange(): { readonly summary: ExchangeSummary; readonly bytes: number; readonly roundTrips: number } {
  const machine = new Exchange({ partitions, isWhole: true, first: new Set(), isThorough: false, beginAt: 0 }, here)
  const events: ExchangeEvent[] = [{ type: 'begun' }]
  let bytes = 0
  let roundTrips = 0
  for (let event = events.shift(); event !== undefined; event = events.shift()) {
    for (const effect of machine.handle(event)) {
      switch (effect.type) {
        case 'ask': {
          const { question } = effect
          const answer = there.answer(question)
          bytes += requestBytes({ type: 'exchange', from: ada, layoutHash, question })
          bytes += responseBytes({ type: 'exchanged', answer })
          roundTrips += 1
          events.push({ type: 'answered', answer })
          break
        }
        case 'set-timer':
          events.push({ type: 'timer-fired' })
          break
        case 'scan-leaves':
          events.push({ type: 'leaves-scanned', leaves: effect.leaves.map((each) => here.entries(each)), wallMs })
          break
        case 'push':
          events.push({ type: 'pushed', count: effect.tokens.length, failed: 0 })
          break
        case 'pull':
          events.push({ type: 'pulled', records: [], failed: 0 })
          break
        case 'finished':
          return { summary: effect.summary, bytes, roundTrips }
      }
    }
  }
  throw new Error('the exchange does not end')
}

function requestBytes(message: Request): number {
  return lengthOf(encodeFrame({ kind: 'request', id: 123_456, digest, message }, hash))
}

function responseBytes(message: Response): number {
  return lengthOf(encodeFrame({ kind: 'response', id: 123_456, digest, message }, hash))
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function keyOf(number: number): RecordKey {
  return toRecordKey('bench' as Bucket, `key-${number}` as Key, hash)
}

/** What three owners have written in turn, `writes` times. */
function stateOf(writes: number): KeyRecord {
  const vv = [1, 2, 3].map((shortId) => ({
    shortId,
    generation: 0xa0a1a2a3,
    born: 140_000,
    counter: 140_000 + shortId + writes,
  }))
  const sibling = {
    hlc: hlcFromMs(wallMs - 60_000),
    value: new Uint8Array(0),
    contentType: 'text/plain',
    metadata: [],
    checksum: 0xdeadbeef,
  }
  return {
    mode: 'siblings',
    vv,
    siblings: vv.slice(0, 1).map((dot) => ({ dot, ...sibling })),
    deletedHlc: 0 as Hlc,
    done: [],
  }
}

function promise(what: string, value: number, most: number, unit: string): void {
  promises.push({ what, value, most, unit })
}

/** Nanoseconds: the best of some rounds, the others were disturbed. */
function fastest(call: () => unknown): number {
  const calls = 500_000
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 7; round += 1) {
    const begun = process.hrtime.bigint()
    for (let index = 0; index < calls; index += 1) call()
    best = Math.min(best, Number(process.hrtime.bigint() - begun) / calls)
  }
  return best
}
