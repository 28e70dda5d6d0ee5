import { answerBranches, answerRoots, differingLeaves, type TreeReader } from '../protocol/anti-entropy/answer.ts'
import type { ExchangeQuestion, LeafEntry, WantedToken } from '../protocol/anti-entropy/exchange-messages.ts'
import { type Hlc, hlcMax } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Ring } from '../protocol/ring/ring.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Token } from '../vocabulary/key.ts'
import { type ExchangeAnswer, mergeBytesMax, mergeEntriesMax, type RecordEntry } from '../wire/messages.ts'
import type { DataHandlers, RequestOf, Respond } from './data-handlers.ts'
import type { DirtyRanges } from './dirty-ranges.ts'
import { type LeafSource, readTokens, scanLeaves } from './leaf-scan.ts'
import { refusal, storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** Leaves are read in portions; an answer ends with the portion that makes it this large. */
const leavesPerPortion = 32
const entriesPerAnswerMax = 20_000
/** Keys are read so many at a time. */
const tokensPerPortion = 8

type Question<Type extends ExchangeQuestion['type']> = Extract<ExchangeQuestion, { readonly type: Type }>

/** Answers what other nodes ask in their exchanges. It remembers nothing of them: each question stands for itself. */
export class ExchangeService {
  readonly #context: RequestContext
  readonly #trees: TreeReader
  readonly #dirty: DirtyRanges

  constructor(context: RequestContext, trees: TreeReader, dirty: DirtyRanges) {
    this.#context = context
    this.#trees = trees
    this.#dirty = dirty
  }

  readonly handlers: Pick<DataHandlers, 'exchange'> = {
    exchange: (message, respond) => this.#serve(message, respond),
  }

  #serve({ from, layoutHash, question }: RequestOf<'exchange'>, respond: Respond): void {
    const { layout, self } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) return respond(refusal('no-layout', 'the node knows no decided layout yet'))
    const { decided, ring } = inForce
    if (decided.hash !== layoutHash) {
      return respond(refusal('layout-stale', `asked with another layout than ${decided.version.number}`))
    }
    const isFenced = inForce.isExcluded(self) || inForce.isExcluded(from)
    // Who owns it no more may still have what its owners lack (docs/rules.md T5).
    const isShared = (partition: number): boolean =>
      !isFenced && partition < ring.partitionCount && inForce.owns(self, partition)
    const answer = (answer: ExchangeAnswer | undefined): void => {
      if (answer === undefined) respond(refusal('not-owner', 'asked about partitions that not both own'))
      else respond({ type: 'exchanged', answer })
    }
    switch (question.type) {
      case 'compare-roots':
        return answer(this.#compareRoots(question, isFenced ? [] : ring.sharedPartitions(self, from), isShared))
      case 'compare-branches':
        return answer(answerBranches(question, isShared, this.#trees))
      case 'compare-leaves':
        return this.#compareLeaves(question, ring, isShared, answer, respond)
      case 'pull-records':
        return this.#pullRecords(question.wanted, ring, isShared, answer, respond)
      case 'mark-dirty':
        return this.#markDirty(question.partitions, inForce, from, answer, respond)
      default:
        return unreachable(question)
    }
  }

  /**
   * Partitions that are named are those; all but some are those that both own in the newest version: who is in a
   * transition names them, because how far it has come is not the same everywhere at the same time.
   */
  #compareRoots(
    question: Question<'compare-roots'>,
    shared: readonly number[],
    isShared: (partition: number) => boolean,
  ): ExchangeAnswer | undefined {
    if (!question.isOnly) return answerRoots(question, shared, this.#trees)
    if (!question.partitions.every(isShared)) return undefined
    return answerRoots(question, question.partitions, this.#trees)
  }

  #compareLeaves(
    { leaves }: Question<'compare-leaves'>,
    ring: Ring,
    isShared: (partition: number) => boolean,
    answer: (answer: ExchangeAnswer | undefined) => void,
    respond: Respond,
  ): void {
    const differing = differingLeaves(leaves, isShared, this.#trees)
    if (differing === undefined) return answer(undefined)
    const { busy, indexes } = differing
    const found: { index: number; entries: readonly LeafEntry[] }[] = []
    let entryCount = 0
    const step = (from: number): void => {
      const portion = indexes.slice(from, from + leavesPerPortion)
      const last = indexes[from - 1]
      if (portion.length === 0) {
        return answer({ type: 'leaves-compared', busy, answered: leaves.length, leaves: found })
      }
      if (last !== undefined && entryCount >= entriesPerAnswerMax) {
        return answer({ type: 'leaves-compared', busy, answered: last + 1, leaves: found })
      }
      const cells = portion.map((index) => leaves[index] as (typeof leaves)[number])
      scanLeaves(this.#source(ring), cells, (failure, entries) => {
        if (failure !== undefined) return respond(storageRefused(failure))
        for (const [place, index] of portion.entries()) {
          const inLeaf = entries[place] ?? []
          entryCount += inLeaf.length
          found.push({ index, entries: inLeaf })
        }
        step(from + portion.length)
      })
    }
    step(0)
  }

  #pullRecords(
    wanted: readonly WantedToken[],
    ring: Ring,
    isShared: (partition: number) => boolean,
    answer: (answer: ExchangeAnswer | undefined) => void,
    respond: Respond,
  ): void {
    const { store, recovery, minting } = this.#context
    if (!wanted.every(({ token }) => isShared(ring.partitionOf(token as Token)))) return answer(undefined)
    const now = minting.read()
    const pulled: RecordEntry[] = []
    let asOf = now
    let bytes = 0
    const end = (answered: number): void => answer({ type: 'records-pulled', answered, asOf, entries: pulled })
    const step = (from: number): void => {
      const portion = wanted.slice(from, from + tokensPerPortion)
      if (portion.length === 0 || pulled.length >= mergeEntriesMax) return end(from)
      const tokens = portion.map(({ token }) => ({ partition: ring.partitionOf(token as Token), token }))
      readTokens(this.#context, tokens, (failure, records) => {
        if (failure !== undefined) return respond(storageRefused(failure))
        for (const [place, { stateHash, entries }] of records.entries()) {
          if (stateHash === portion[place]?.stateHash) continue
          const more = entries.reduce((sum, { key, record }) => sum + key.bytes.length + record.length, 0)
          if (pulled.length > 0 && bytes + more > mergeBytesMax) return end(from + place)
          bytes += more
          pulled.push(...entries)
          asOf = earlier(asOf, recovery.asOf(tokens[place]?.partition ?? 0, now))
        }
        step(from + portion.length)
      })
    }
    if (store.isFull) return respond(refusal('overloaded', 'too many writes wait for the disk'))
    step(0)
  }

  /** This node may have missed writes that no hint holds: it compares with each of the other owners, and remembers to. */
  #markDirty(
    partitions: readonly number[],
    layout: LayoutInForce,
    from: NodeId,
    answer: (answer: ExchangeAnswer | undefined) => void,
    respond: Respond,
  ): void {
    const { self } = this.#context
    const own = partitions.filter((partition) => partition < layout.partitionCount && layout.owns(self, partition))
    if (own.length < partitions.length) return answer(undefined)
    const marks = own.flatMap((partition) =>
      layout
        .ownersOf(partition)
        .filter((owner) => owner !== self && owner !== from && !layout.isExcluded(owner))
        .map((owner) => ({ owner, partition })),
    )
    let left = marks.length
    let failed = false
    if (left === 0) return answer({ type: 'ranges-marked' })
    for (const { owner, partition } of marks) {
      this.#dirty.mark(owner, partition, (failure) => {
        left -= 1
        if (failure !== undefined && !failed) {
          failed = true
          respond(storageRefused(failure))
        }
        if (left === 0 && !failed) answer({ type: 'ranges-marked' })
      })
    }
  }

  #source(ring: Ring): LeafSource {
    const { store, hash } = this.#context
    return { store, hash, trees: this.#trees, partitionCount: ring.partitionCount }
  }
}

function earlier(a: Hlc, b: Hlc): Hlc {
  return hlcMax(a, b) === a ? b : a
}
