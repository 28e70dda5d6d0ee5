import { invariant } from '../../vocabulary/invariant.ts'
import type { Token } from '../../vocabulary/key.ts'

/** The shape of every tree: a root over 64 branches over 64 leaves each. A key's leaf is 12 bits of its token. */
export const branchCount = 64
export const leavesPerBranch = 64
export const leafCount = branchCount * leavesPerBranch
const leafBits = 12

/** Cell 0 is the root, the branches follow; then blocks of the leaves of one branch, as they are needed. */
const branchesAt = 1
const blocksAt = branchesAt + branchCount

// One buffer in two views: halves are combined without making a bigint.
const wholes = new BigUint64Array(2)
const halves = new Uint32Array(wholes.buffer)
const highHalf = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** The leaf of `token` in its partition's tree: the 12 bits behind those that name the partition. */
export function leafOf(token: Token, partitionCount: number): number {
  wholes[0] = token
  const partitionBits = 31 - Math.clz32(partitionCount)
  return ((halves[highHalf] as number) >>> (32 - partitionBits - leafBits)) & (leafCount - 1)
}

export function branchOf(leaf: number): number {
  return leaf >>> 6
}

/** The tokens of `leaf`: from `first` to `last`, both included. */
export function leafTokens(
  partition: number,
  leaf: number,
  partitionCount: number,
): { readonly first: bigint; readonly last: bigint } {
  const partitionBits = 31 - Math.clz32(partitionCount)
  const shift = BigInt(64 - partitionBits - leafBits)
  const first = ((BigInt(partition) << BigInt(leafBits)) | BigInt(leaf)) << shift
  return { first, last: first | ((1n << shift) - 1n) }
}

/**
 * What a replica holds of one partition, in 64 bits at each of three levels: a cell is the XOR of the state hashes
 * (rule A9) of the records under it. So a change costs three XORs whatever the partition holds, the order of changes
 * does not matter, and two replicas that hold the same have the same tree. An empty tree holds nothing, a small one
 * only the branches that were touched; a full one 33 KiB.
 *
 * (Merkle, A Digital Signature Based on a Conventional Encryption Function, CRYPTO 1987; Dynamo, SOSP 2007, 4.7. The
 * XOR, which lets a tree be updated in place, is Riak's Tictac tree. It finds accidents, it does not stop forgers.)
 */
export class XorTree {
  #cells = noCells
  #halves = noHalves
  /** For each branch, which block holds its leaves; 0: none yet. */
  readonly #blocks = new Uint8Array(branchCount)
  #blockCount = 0

  /** A record of `leaf` changed: `before` and `after` are its state hashes, 0 where there is no record. */
  update(leaf: number, before: bigint, after: bigint): void {
    const branch = leaf >>> 6
    let block = this.#blocks[branch] as number
    if (block === 0) block = this.#addBlock(branch)
    wholes[0] = before
    wholes[1] = after
    const first = (halves[0] as number) ^ (halves[2] as number)
    const second = (halves[1] as number) ^ (halves[3] as number)
    this.#toggle(0, first, second)
    this.#toggle(branchesAt + branch, first, second)
    this.#toggle(blocksAt + (block - 1) * leavesPerBranch + (leaf & 63), first, second)
  }

  get root(): bigint {
    return this.#cells[0] ?? 0n
  }

  branch(branch: number): bigint {
    return this.#cells[branchesAt + branch] ?? 0n
  }

  leaf(leaf: number): bigint {
    const block = this.#blocks[leaf >>> 6] as number
    return block === 0 ? 0n : (this.#cells[blocksAt + (block - 1) * leavesPerBranch + (leaf & 63)] as bigint)
  }

  /** Leaves that are not 0, of all branches or one, ascending. */
  *leaves(branch?: number): Generator<readonly [leaf: number, hash: bigint]> {
    const from = branch ?? 0
    const to = branch === undefined ? branchCount : branch + 1
    for (let at = from; at < to; at += 1) {
      if (this.#blocks[at] === 0) continue
      for (let leaf = at * leavesPerBranch; leaf < (at + 1) * leavesPerBranch; leaf += 1) {
        const hash = this.leaf(leaf)
        if (hash !== 0n) yield [leaf, hash]
      }
    }
  }

  #toggle(cell: number, first: number, second: number): void {
    const cells = this.#halves
    cells[cell * 2] = (cells[cell * 2] as number) ^ first
    cells[cell * 2 + 1] = (cells[cell * 2 + 1] as number) ^ second
  }

  #addBlock(branch: number): number {
    invariant(branch >= 0 && branch < branchCount, 'a leaf is one of the tree', { branch })
    this.#blockCount += 1
    this.#blocks[branch] = this.#blockCount
    const needed = blocksAt + this.#blockCount * leavesPerBranch
    if (needed > this.#cells.length) {
      const blocks = Math.min(branchCount, nextPowerOfTwo(this.#blockCount))
      const cells = new BigUint64Array(blocksAt + blocks * leavesPerBranch)
      cells.set(this.#cells)
      this.#cells = cells
      this.#halves = new Uint32Array(cells.buffer)
    }
    return this.#blockCount
  }
}

const noCells = new BigUint64Array(0)
const noHalves = new Uint32Array(0)

function nextPowerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(count))
}
