import type { StorageFailure } from '../ports/storage.ts'
import type { TreeReader } from '../protocol/anti-entropy/answer.ts'
import type { LeafEntry } from '../protocol/anti-entropy/exchange-messages.ts'
import { leafOf, leafTokens } from '../protocol/anti-entropy/xor-tree.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { stateHash } from '../protocol/causality/state-hash.ts'
import { type Hlc, hlcMax } from '../protocol/clock/hlc.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { RecordEntry } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { ReplicaStore } from './replica-store.ts'

export interface Leaf {
  readonly partition: number
  readonly leaf: number
}

/** What reading leaves needs of a node. */
export interface LeafSource {
  readonly store: Pick<ReplicaStore, 'scanTokens'>
  readonly hash: Hash
  readonly trees: TreeReader
  readonly partitionCount: number
}

/** Two leaves are read in one piece if at most so many between them hold something. */
const leavesBetweenMax = 4
const scansAtATime = 4

interface Run {
  readonly partition: number
  readonly first: number
  last: number
  /** By leaf, the place of the answer. */
  readonly wanted: Map<number, number>
}

/**
 * What the store has in each of `leaves`, in their order: what is on its way to the store is not in it.
 * @param seen is told of every key
 */
export function scanLeaves(
  source: LeafSource,
  leaves: readonly Leaf[],
  done: (failure: StorageFailure | undefined, entries: readonly (readonly LeafEntry[])[]) => void,
  seen: (key: RecordKey) => void = ignore,
): void {
  const { store, hash, partitionCount } = source
  const found: LeafEntry[][] = leaves.map(() => [])
  const runs = runsOf(leaves, source.trees)
  let running = 0
  let isDone = false
  let failed: StorageFailure | undefined
  const next = (): void => {
    const run = failed === undefined ? runs.pop() : undefined
    if (run === undefined) {
      if (running > 0 || isDone) return
      isDone = true
      return done(failed, found)
    }
    running += 1
    const { first } = leafTokens(run.partition, run.first, partitionCount)
    const { last } = leafTokens(run.partition, run.last, partitionCount)
    const visit = (key: RecordKey, bytes: Uint8Array): void => {
      const place = run.wanted.get(leafOf(key.token, partitionCount))
      if (place === undefined) return
      seen(key)
      addRecord(found[place] as LeafEntry[], key, bytes, hash)
    }
    store.scanTokens(run.partition, first, last, visit, (failure) => {
      running -= 1
      failed ??= failure
      next()
    })
  }
  if (runs.length === 0) return done(undefined, found)
  for (let started = Math.min(scansAtATime, runs.length); started > 0; started -= 1) next()
}

/**
 * Two keys of one token, should they ever meet, are compared and moved together. Tokens come in order.
 * What this version of Starling cannot read is left out.
 */
export function addRecord(entries: LeafEntry[], key: RecordKey, bytes: Uint8Array, hash: Hash): void {
  let record: KeyRecord
  try {
    record = decodeRecord(bytes, hash)
  } catch (error) {
    if (error instanceof UnreadableBytes) return
    throw error
  }
  const { token } = key
  const state = stateHash(key, record, hash)
  const newest = newestChange(record)
  const last = entries.at(-1)
  if (last?.token !== token) entries.push({ token, stateHash: state, newest })
  else entries[entries.length - 1] = { token, stateHash: last.stateHash ^ state, newest: hlcMax(last.newest, newest) }
}

/** The records of one token. */
export interface TokenRecords {
  /** Combined; 0: there are none. */
  readonly stateHash: bigint
  readonly entries: readonly RecordEntry[]
}

/** The records of each of these tokens as the store has them, in their order. */
export function readTokens(
  { store, hash }: Pick<LeafSource, 'store' | 'hash'>,
  tokens: readonly { readonly partition: number; readonly token: bigint }[],
  done: (failure: StorageFailure | undefined, records: readonly TokenRecords[]) => void,
): void {
  const records: TokenRecords[] = []
  let failed: StorageFailure | undefined
  let left = tokens.length
  for (const [index, { partition, token }] of tokens.entries()) {
    const states: LeafEntry[] = []
    const entries: RecordEntry[] = []
    const visit = (key: RecordKey, record: Uint8Array): void => {
      addRecord(states, key, record, hash)
      entries.push({ key, record })
    }
    store.scanTokens(partition, token, token, visit, (failure) => {
      failed ??= failure
      records[index] = { stateHash: states[0]?.stateHash ?? 0n, entries }
      left -= 1
      if (left === 0) done(failed, records)
    })
  }
}

/** When the newest write that a state shows was made. */
function newestChange(record: KeyRecord): Hlc {
  return record.siblings.reduce((newest, { hlc }) => hlcMax(newest, hlc), record.deletedHlc)
}

/** A short way between two leaves is read with them: a read of its own costs more. */
function runsOf(leaves: readonly Leaf[], trees: TreeReader): Run[] {
  const sorted = leaves.map((leaf, place) => ({ ...leaf, place }))
  sorted.sort((a, b) => a.partition - b.partition || a.leaf - b.leaf)
  const runs: Run[] = []
  for (const { partition, leaf, place } of sorted) {
    const run = runs.at(-1)
    if (run?.partition === partition && isNear(run.last, leaf, partition, trees)) {
      run.last = leaf
      run.wanted.set(leaf, place)
    } else {
      runs.push({ partition, first: leaf, last: leaf, wanted: new Map([[leaf, place]]) })
    }
  }
  return runs.reverse()
}

function isNear(from: number, to: number, partition: number, trees: TreeReader): boolean {
  const tree = trees.tree(partition)
  if (tree === undefined) return to - from <= leavesBetweenMax
  let filled = 0
  for (let leaf = from + 1; leaf < to; leaf += 1) {
    if (tree.leaf(leaf) !== 0n) filled += 1
    if (filled > leavesBetweenMax) return false
  }
  return true
}

function ignore(): void {}
