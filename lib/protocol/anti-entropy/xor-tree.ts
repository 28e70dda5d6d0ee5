import { invariant } from '../../vocabulary/invariant.ts'
import type { Token } from '../../vocabulary/key.ts'

/** The shape of every tree: a root over 64 branches over 64 leaves each. A key's leaf is 12 bits of its token. */
export const branchCount = 64
export const leavesPerBranch = 64
export const leafCount = branchCount * leavesPerBranch
const leafBits = 12

/**
 * One buffer holds a tree, in words of 32 bits: a bit for each leaf that has a cell, how many cells the leaves of earlier
 * branches have, and then the cells, two words each: the root, the branches, the leaves that were ever touched, ascending.
 */
const bitsWords = leafCount / 32
const cellsAt = bitsWords + branchCount
const branchesAt = 1
const leavesAt = branchesAt + branchCount
/** Room for so many leaves more, at least, is made at a time; and for a fifth of those there are. */
const leavesAddedMin = 8

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
 * does not matter, and two replicas that hold the same have the same tree. An empty tree holds nothing, others only the
 * leaves that were touched: 1.3 KiB and 8 bytes for each, so that a node's trees grow with its keys and not with the
 * number of its partitions. A full one has 34 KiB.
 *
 * (Merkle, A Digital Signature Based on a Conventional Encryption Function, CRYPTO 1987; Dynamo, SOSP 2007, 4.7. The
 * XOR, which lets a tree be updated in place, is Riak's Tictac tree. It finds accidents, it does not stop forgers.)
 */
export class XorTree {
  #words = noWords
  #wholes = noWholes
  #leafCells = 0

  /** @param leavesExpected room is made for so many at once */
  constructor(leavesExpected = 0) {
    if (leavesExpected > 0) this.#makeRoom(leavesExpected)
  }

  /** A record of `leaf` changed: `before` and `after` are its state hashes, 0 where there is no record. */
  update(leaf: number, before: bigint, after: bigint): void {
    const place = this.#placeOf(leaf)
    const cell = this.#has(leaf) ? leavesAt + place : this.#addCell(leaf, place)
    wholes[0] = before
    wholes[1] = after
    const first = (halves[0] as number) ^ (halves[2] as number)
    const second = (halves[1] as number) ^ (halves[3] as number)
    this.#toggle(0, first, second)
    this.#toggle(branchesAt + (leaf >>> 6), first, second)
    this.#toggle(cell, first, second)
  }

  get root(): bigint {
    return this.#cell(0)
  }

  branch(branch: number): bigint {
    return this.#cell(branchesAt + branch)
  }

  leaf(leaf: number): bigint {
    return this.#has(leaf) ? this.#cell(leavesAt + this.#placeOf(leaf)) : 0n
  }

  /** Leaves that are not 0, of all branches or one, ascending. */
  *leaves(branch?: number): Generator<readonly [leaf: number, hash: bigint]> {
    const from = branch === undefined ? 0 : branch * leavesPerBranch
    const to = branch === undefined ? leafCount : from + leavesPerBranch
    let place = this.#placeOf(from)
    for (let leaf = from; leaf < to; leaf += 1) {
      if (!this.#has(leaf)) continue
      const hash = this.#cell(leavesAt + place)
      place += 1
      if (hash !== 0n) yield [leaf, hash]
    }
  }

  #cell(cell: number): bigint {
    return this.#wholes[cellsAt / 2 + cell] ?? 0n
  }

  #has(leaf: number): boolean {
    // Of an empty tree there are no words: `undefined & 1` is 0.
    return ((this.#words[leaf >>> 5] as number) & (1 << (leaf & 31))) !== 0
  }

  /** How many leaves before `leaf` have a cell. */
  #placeOf(leaf: number): number {
    if (this.#words.length === 0) return 0
    const branch = leaf >>> 6
    const low = this.#words[branch * 2] as number
    const before = this.#words[bitsWords + branch] as number
    const below = (1 << (leaf & 31)) - 1
    if ((leaf & 32) === 0) return before + bitCount(low & below)
    return before + bitCount(low) + bitCount((this.#words[branch * 2 + 1] as number) & below)
  }

  #toggle(cell: number, first: number, second: number): void {
    const words = this.#words
    const at = cellsAt + cell * 2
    words[at] = (words[at] as number) ^ first
    words[at + 1] = (words[at + 1] as number) ^ second
  }

  /** @returns the new cell, which is 0 */
  #addCell(leaf: number, place: number): number {
    invariant(leaf >= 0 && leaf < leafCount, 'a leaf is one of the tree', { leaf })
    const end = cellsAt + (leavesAt + this.#leafCells) * 2
    if (end >= this.#words.length) {
      this.#makeRoom(this.#leafCells + Math.max(leavesAddedMin, Math.ceil(this.#leafCells / 5)))
    }
    const words = this.#words
    const at = cellsAt + (leavesAt + place) * 2
    words.copyWithin(at + 2, at, end)
    words[at] = 0
    words[at + 1] = 0
    words[leaf >>> 5] = (words[leaf >>> 5] as number) | (1 << (leaf & 31))
    for (let branch = (leaf >>> 6) + 1; branch < branchCount; branch += 1) {
      words[bitsWords + branch] = (words[bitsWords + branch] as number) + 1
    }
    this.#leafCells += 1
    return leavesAt + place
  }

  #makeRoom(leaves: number): void {
    const words = new Uint32Array(cellsAt + (leavesAt + Math.min(leafCount, leaves)) * 2)
    words.set(this.#words)
    this.#words = words
    this.#wholes = new BigUint64Array(words.buffer)
  }
}

const noWords = new Uint32Array(0)
const noWholes = new BigUint64Array(0)

/** Of 32 bits those that are set. (Warren, Hacker's Delight, 5-1) */
function bitCount(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
