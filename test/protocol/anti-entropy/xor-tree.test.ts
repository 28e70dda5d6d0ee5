import t from 'tap'
import { TreeBuild } from '../../../lib/protocol/anti-entropy/tree-build.ts'
import {
  branchCount,
  branchOf,
  leafCount,
  leafOf,
  leafTokens,
  XorTree,
} from '../../../lib/protocol/anti-entropy/xor-tree.ts'
import { partitionOf } from '../../../lib/protocol/ring/partition.ts'
import type { Token } from '../../../lib/vocabulary/key.ts'
import fc from '../../fixtures/fast-check.ts'

const token = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((bits) => bits as Token)
const partitionCount = fc.nat(16).map((bits) => 2 ** bits)
const leaf = fc.nat(leafCount - 1)
const stateHash = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n })
/** A state written to one of a few keys; 0: removed. */
const change = fc.record({ key: fc.nat(20), hash: fc.oneof(fc.constant(0n), stateHash) })

t.test('a leaf is the 12 bits of the token behind its partition', async (t) => {
  fc.assert(
    fc.property(token, partitionCount, (token, count) => {
      const { first, last } = leafTokens(partitionOf(token, count), leafOf(token, count), count)
      t.ok(first <= token && token <= last)
      t.equal(last - first + 1n, 2n ** 64n / BigInt(count) / BigInt(leafCount))
    }),
    { numRuns: 300 },
  )
})

t.test('a tree', async (t) => {
  t.test('is that of its records, whatever changed before and in which order', async (t) => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.array(leaf, { minLength: 21, maxLength: 21 }),
        (changes, leaves) => {
          const tree = new XorTree()
          const records = new Map<number, bigint>()
          for (const { key, hash } of changes) {
            tree.update(leaves[key] as number, records.get(key) ?? 0n, hash)
            records.set(key, hash)
          }
          const made = new XorTree()
          for (const [key, hash] of [...records].reverse()) made.update(leaves[key] as number, 0n, hash)
          t.same(cellsOf(tree), cellsOf(made))
        },
      ),
      { numRuns: 300 },
    )
  })

  t.test('has in each cell the XOR of what is under it', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(leaf, stateHash), { maxLength: 200 }), (updates) => {
        const tree = new XorTree()
        for (const [leaf, hash] of updates) tree.update(leaf, 0n, hash)
        const xor = (hashes: readonly bigint[]): bigint => hashes.reduce((all, hash) => all ^ hash, 0n)
        const under = (isUnder: (leaf: number) => boolean): bigint =>
          xor(updates.filter(([leaf]) => isUnder(leaf)).map(([, hash]) => hash))
        t.equal(
          tree.root,
          under(() => true),
        )
        for (const [leaf] of updates) {
          t.equal(
            tree.leaf(leaf),
            under((other) => other === leaf),
          )
          t.equal(
            tree.branch(branchOf(leaf)),
            under((other) => branchOf(other) === branchOf(leaf)),
          )
        }
      }),
      { numRuns: 100 },
    )
  })

  t.test('differs at every level above a leaf that differs (Merkle 1987; Dynamo 4.7)', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(leaf, stateHash)), leaf, stateHash, (updates, leaf, hash) => {
        const one = treeOf(updates)
        const other = treeOf(updates)
        other.update(leaf, 0n, hash)
        t.not(one.root, other.root)
        const branches = Array.from({ length: branchCount }, (_, branch) => branch)
        t.same(
          branches.filter((branch) => one.branch(branch) !== other.branch(branch)),
          [branchOf(leaf)],
        )
        t.not(one.leaf(leaf), other.leaf(leaf))
      }),
    )
  })

  t.test('is the same whatever room was made for it', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(leaf, stateHash), { maxLength: 50 }), fc.nat(leafCount), (updates, room) => {
        const tree = new XorTree(room)
        for (const [leaf, hash] of updates) tree.update(leaf, 0n, hash)
        t.same(cellsOf(tree), cellsOf(treeOf(updates)))
      }),
    )
  })

  t.test('of an empty partition is all zeros, and so is one whose records are all gone', async (t) => {
    const tree = new XorTree()
    t.same([tree.root, tree.branch(63), tree.leaf(4095), [...tree.leaves()]], [0n, 0n, 0n, []])
    tree.update(7, 0n, 5n)
    tree.update(7, 5n, 0n)
    t.same([tree.root, [...tree.leaves()]], [0n, []])
  })
})

t.test('a tree built from a store that is written meanwhile is that of the records', async (t) => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 80 }),
      fc.array(leaf, { minLength: 21, maxLength: 21 }),
      (actions, leaves) => {
        const world = new BuildWorld(leaves)
        for (const act of actions) world.act(act)
        world.finish()
        t.same(cellsOf(world.build.tree), cellsOf(treeOf(world.decided())))
      },
    ),
    { numRuns: 1500 },
  )
})

type Action =
  | { readonly type: 'change'; readonly key: number; readonly hash: bigint }
  /** The oldest write reaches the store. */
  | { readonly type: 'store' }
  /** The build goes on: begins a step, or reads, or ends the step at this leaf. */
  | { readonly type: 'go-on'; readonly leaf: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  change.map((made) => ({ type: 'change' as const, ...made })),
  fc.constant({ type: 'store' as const }),
  leaf.map((leaf) => ({ type: 'go-on' as const, leaf })),
)

/** A store that is behind what was decided, and a build that reads it. */
class BuildWorld {
  readonly build = new TreeBuild()
  readonly #leaves: readonly number[]
  readonly #decided = new Map<number, bigint>()
  readonly #stored = new Map<number, bigint>()
  readonly #onTheirWay: { readonly key: number; readonly hash: bigint }[] = []
  /** Writes that must be stored before the step may read; undefined: no step has begun. */
  #awaited: number | undefined
  #read: { keyId: string; leaf: number; stateHash: bigint }[] | undefined

  constructor(leaves: readonly number[]) {
    this.#leaves = leaves
  }

  act(action: Action): void {
    if (action.type === 'change') {
      const { key, hash } = action
      this.build.changed(`k${key}`, this.#leafOf(key), this.#decided.get(key) ?? 0n, hash)
      this.#decided.set(key, hash)
      this.#onTheirWay.push({ key, hash })
    } else if (action.type === 'store') {
      const write = this.#onTheirWay.shift()
      if (write === undefined) return
      this.#stored.set(write.key, write.hash)
      if (this.#awaited !== undefined && this.#awaited > 0) this.#awaited -= 1
    } else if (!this.build.isComplete) {
      this.#goOn(action.leaf)
    }
  }

  finish(): void {
    while (!this.build.isComplete) {
      this.act({ type: 'store' })
      this.#goOn(leafCount - 1)
    }
  }

  decided(): readonly (readonly [number, bigint])[] {
    return [...this.#decided].map(([key, hash]) => [this.#leafOf(key), hash] as const)
  }

  #goOn(leaf: number): void {
    if (this.#awaited === undefined) {
      this.build.beginStep()
      this.#awaited = this.#onTheirWay.length
    } else if (this.#read === undefined) {
      if (this.#awaited > 0) return
      const { nextLeaf } = this.build
      this.#read = [...this.#stored]
        .map(([key, stateHash]) => ({ keyId: `k${key}`, leaf: this.#leafOf(key), stateHash }))
        .filter((record) => record.leaf >= nextLeaf && record.stateHash !== 0n)
    } else {
      this.build.endStep(this.#read, Math.max(this.build.nextLeaf, leaf + 1))
      this.#read = undefined
      this.#awaited = undefined
    }
  }

  #leafOf(key: number): number {
    return this.#leaves[key] as number
  }
}

function treeOf(records: Iterable<readonly [leaf: number, hash: bigint]>): XorTree {
  const tree = new XorTree()
  for (const [leaf, hash] of records) tree.update(leaf, 0n, hash)
  return tree
}

function cellsOf(tree: XorTree) {
  const branches = Array.from({ length: branchCount }, (_, branch) => tree.branch(branch))
  return { root: tree.root, branches, leaves: [...tree.leaves()] }
}
