import { answerBranches, answerRoots, differingLeaves } from '../../../lib/protocol/anti-entropy/answer.ts'
import type {
  CompareAnswer,
  CompareQuestion,
  LeafCell,
  LeafEntry,
} from '../../../lib/protocol/anti-entropy/exchange-messages.ts'
import { leafOf, XorTree } from '../../../lib/protocol/anti-entropy/xor-tree.ts'
import { type Hlc, hlcFromMs } from '../../../lib/protocol/clock/hlc.ts'
import { partitionOf } from '../../../lib/protocol/ring/partition.ts'
import type { Token } from '../../../lib/vocabulary/key.ts'

export const wallMs = 1_800_000_000_000
const long = hlcFromMs(wallMs - 3_600_000)

export interface Write {
  readonly key: number
  /** One more write that the state has seen, one bit each. */
  readonly seen: number
  readonly at?: Hlc
}

/**
 * What one node holds, without bytes: a state is the set of writes it has seen, as bits, and a merge their union. The
 * newest of them says when it changed.
 */
export class Replica {
  readonly partitionCount: number
  readonly busy = new Set<number>()
  refuses = false
  readonly #trees = new Map<number, XorTree>()
  readonly #states = new Map<bigint, { readonly seen: number; readonly newest: Hlc }>()
  readonly #byLeaf = new Map<string, Set<bigint>>()

  constructor(partitionCount: number) {
    this.partitionCount = partitionCount
  }

  get partitions(): readonly number[] {
    return Array.from({ length: this.partitionCount }, (_, partition) => partition)
  }

  partitionOf(key: number): number {
    return partitionOf(tokenOf(key), this.partitionCount)
  }

  tree(partition: number): XorTree | undefined {
    if (this.busy.has(partition)) return undefined
    let tree = this.#trees.get(partition)
    if (tree === undefined) this.#trees.set(partition, new XorTree())
    tree ??= this.#trees.get(partition)
    return tree
  }

  write({ key, seen, at }: Write): void {
    this.merge(tokenOf(key), seen, at ?? (((long as number) + seen) as Hlc))
  }

  merge(token: Token, seen: number, newest: Hlc): void {
    const before = this.#states.get(token)
    const after = { seen: (before?.seen ?? 0) | seen, newest: Math.max(before?.newest ?? 0, newest) as Hlc }
    const partition = partitionOf(token, this.partitionCount)
    const leaf = leafOf(token, this.partitionCount)
    const isBusy = this.busy.delete(partition)
    this.tree(partition)?.update(
      leaf,
      before === undefined ? 0n : hashOf(token, before.seen),
      hashOf(token, after.seen),
    )
    if (isBusy) this.busy.add(partition)
    this.#states.set(token, after)
    const place = `${partition}/${leaf}`
    this.#byLeaf.set(place, (this.#byLeaf.get(place) ?? new Set()).add(token))
  }

  entries({ partition, leaf }: { readonly partition: number; readonly leaf: number }): readonly LeafEntry[] {
    return [...(this.#byLeaf.get(`${partition}/${leaf}`) ?? [])].map((token) => {
      const { seen, newest } = this.#states.get(token) as { seen: number; newest: Hlc }
      return { token, stateHash: hashOf(token, seen), newest }
    })
  }

  state(token: bigint): { readonly seen: number; readonly newest: Hlc } | undefined {
    return this.#states.get(token)
  }

  stateHash(token: bigint): bigint {
    const state = this.#states.get(token)
    return state === undefined ? 0n : hashOf(token, state.seen)
  }

  states(): ReadonlyMap<bigint, number> {
    return new Map([...this.#states].map(([token, { seen }]) => [token, seen] as const).sort())
  }

  answer(question: CompareQuestion): CompareAnswer {
    const shared = this.partitions
    const isShared = (partition: number): boolean => partition < this.partitionCount
    if (question.type === 'compare-roots') return answerRoots(question, shared, this) as CompareAnswer
    if (question.type === 'compare-branches') return answerBranches(question, isShared, this) as CompareAnswer
    const differing = differingLeaves(question.leaves, isShared, this)
    const leaves = (differing?.indexes ?? []).map((index) => ({
      index,
      entries: this.entries(question.leaves[index] as LeafCell),
    }))
    return { type: 'leaves-compared', busy: differing?.busy ?? [], answered: question.leaves.length, leaves }
  }
}

/** The finalizer of MurmurHash3, 64 bits: good enough to spread tokens and states. */
function mix(value: bigint): bigint {
  let bits = BigInt.asUintN(64, value * 0x9e3779b97f4a7c15n)
  bits = BigInt.asUintN(64, (bits ^ (bits >> 33n)) * 0xff51afd7ed558ccdn)
  bits = BigInt.asUintN(64, (bits ^ (bits >> 33n)) * 0xc4ceb9fe1a85ec53n)
  return bits ^ (bits >> 33n)
}

function tokenOf(key: number): Token {
  return mix(BigInt(key + 1)) as Token
}

function hashOf(token: bigint, seen: number): bigint {
  return mix(token ^ (BigInt(seen) << 20n))
}
