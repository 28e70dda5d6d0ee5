import type { Hash } from '../../vocabulary/hash.ts'
import { CanonicalBytes } from './canonical-bytes.ts'
import type { LayoutDocument } from './layout-document.ts'
import type { LayoutDigest } from './layout-version.ts'

/**
 * What goes with every datagram and frame: equal documents have equal digests, whatever order they were merged in.
 * Costs a walk over the document: keep it until the document changes.
 */
export function digestOf(document: LayoutDocument, hash: Hash): LayoutDigest {
  const bytes = new CanonicalBytes().integer(document.live.length)
  for (const { version, hash: versionHash, clusterId } of document.live)
    bytes.integer(version.number).text(versionHash).text(clusterId)
  bytes.texts([...document.candidates.keys()].sort())
  bytes.integer(document.votes.size)
  for (const [node, vote] of byKey(document.votes))
    bytes.text(node).integer(vote.seq).integer(vote.round).text(vote.stance).text(vote.candidate)
  bytes.integer(document.trackers.size)
  for (const [node, tracker] of byKey(document.trackers))
    bytes
      .text(node)
      .integer(tracker.seq)
      .integer(tracker.ack)
      .integer(tracker.sync)
      .integer(tracker.syncAck)
      .integer(tracker.hintsClear)
  bytes.integer(document.staged.size)
  for (const [node, change] of byKey(document.staged)) {
    bytes
      .text(node)
      .integer(change.setAt)
      .text(change.setBy)
      .text(change.action)
      .texts(change.with === undefined ? [] : [change.with])
      .texts(change.zone === undefined ? [] : [change.zone])
      .fraction(change.weight ?? -1)
    // Older nodes know no such thing: where it is not used, their digests are the same.
    if (change.force) bytes.texts(['force'])
  }
  return {
    number: document.live.at(-1)?.version.number ?? 0,
    documentHash: hash.hash32(bytes.bytes()),
  }
}

function byKey<Value>(map: ReadonlyMap<string, Value>): readonly (readonly [string, Value])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}
