import type { Hlc } from '../clock/hlc.ts'
import type { Dot, VersionVector } from './dot.ts'
import type { KeyRecord, StoredRecord } from './record.ts'
import { counterOf } from './version-vector.ts'

/** Who mints: this node, in this life of its store. */
export interface Minter {
  readonly shortId: number
  readonly generation: number
}

/** The name and the moment of one write, and what the record remembers of it. */
export interface Mint {
  readonly dot: Dot
  /** Stored with the record in the same batch. */
  readonly mintAs: number
  readonly hlc: Hlc
}

/**
 * Names a write (rule A2). The copy goes on minting as the actor it is, or begins a new one when it cannot promise to
 * have seen all that its actor ever minted: no readable record, a record that came by merge, another life of the
 * store, or a higher counter of its own in `seen` than in the record (it lost something and meets it again: Riak's
 * amnesia, basho/riak_kv#1643).
 *
 * @param stored the local record; undefined when absent or damaged
 * @param seen the vector of the request's context
 * @param counter drawn from the node's lease for this write: above every counter this generation has used
 */
export function mintDot(
  stored: StoredRecord | undefined,
  seen: VersionVector,
  minter: Minter,
  counter: number,
): { readonly dot: Dot; readonly mintAs: number } {
  const { shortId, generation } = minter
  const mintAs = stored?.mintAs
  if (stored !== undefined && mintAs !== undefined) {
    const actor = { shortId, generation, born: mintAs }
    const latest = counterOf(stored.record.vv, actor)
    // An actor of another generation is not in the vector under this one: a rolled generation needs no sweep.
    const isContinuous = latest > 0 && latest < counter && counterOf(seen, actor) <= latest
    if (isContinuous) return { dot: { shortId, generation, born: mintAs, counter }, mintAs }
  }
  return { dot: { shortId, generation, born: counter, counter }, mintAs: counter }
}

/**
 * What a copy may mint as after a merge (rule A2): not as before when the merge brought a later dot of its actor than
 * the copy itself knew, or when the store has another generation by now. A record that came by merge alone has none.
 */
export function mintAsAfterMerge(before: StoredRecord, merged: KeyRecord, generation: number): number | undefined {
  const { mintAs } = before
  if (mintAs === undefined) return undefined
  const known = latestMint(before.record.vv, generation, mintAs)
  return known > 0 && latestMint(merged.vv, generation, mintAs) === known ? mintAs : undefined
}

/** Of all actors of this generation and birth: the short id matters when minting, and to forget one is always safe. */
function latestMint(vv: VersionVector, generation: number, born: number): number {
  let latest = 0
  for (const entry of vv) {
    if (entry.born === born && entry.generation === generation && entry.counter > latest) latest = entry.counter
  }
  return latest
}
