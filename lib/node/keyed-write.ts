import { brief, findDone, isDoneFull, mayHaveForgotten, pruneDone } from '../protocol/causality/done.ts'
import type { Dot } from '../protocol/causality/dot.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { isKeyReused, isMadeByClient, markOf, type RequestMark } from '../protocol/causality/request-mark.ts'
import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import { type Hlc, hlcPlusMs } from '../protocol/clock/hlc.ts'
import type { DeleteRequest, PutRequest } from '../protocol/quorum/client-request.ts'
import { IdempotencyKeyReused, Overloaded, type StarlingError } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { clockSkewMsMax } from '../vocabulary/limits.ts'

/** A write that has an idempotency key, as its coordinator knows it (docs/rules.md I2). */
export interface KeyedWrite {
  readonly key: string
  readonly mark: RequestMark
  /** When it came: what is too old by then is forgotten. */
  readonly now: Hlc
  /** Before this moment nobody can have tried it; undefined: surely nobody has. */
  readonly triedSince: Hlc | undefined
}

const noValue = new Uint8Array(0)

/** @param now the clock of this node */
export function keyedWriteOf(request: PutRequest | DeleteRequest, now: Hlc, hash: Hash): KeyedWrite | undefined {
  const { idempotency } = request
  if (idempotency === undefined) return undefined
  const { key, triedForMs } = idempotency
  const isFirst = triedForMs === undefined
  // The first try may have been minted by a clock behind this one: as far as two coordinators may be apart (rule K3).
  const triedSince = isFirst ? undefined : hlcPlusMs(now, -(triedForMs + 2 * clockSkewMsMax))
  // The body of a key that a client made for one write is not asked for, and costs too much to hash for nothing.
  const isHashed = !isFirst || !isMadeByClient(key)
  return { key, mark: markOf(key, isHashed ? bodyHashOf(request, hash) : brief, isFirst), now, triedSince }
}

/** The dots under which this state knows the write; undefined: it knows nothing of it. */
export function dotsOf({ mark, now }: KeyedWrite, record: KeyRecord): readonly Dot[] | undefined {
  if (findDone(record.done, mark.requestId) === undefined) return undefined
  const tries = pruneDone(record.done, now).filter(({ requestId }) => requestId === mark.requestId)
  return tries.length === 0 ? undefined : tries.map(({ dot }) => dot)
}

/** Why a write that this state does not know must not be carried out on it. */
export function problemOfKeyed(
  { key, mark, now, triedSince }: KeyedWrite,
  record: KeyRecord,
): StarlingError | undefined {
  if (record.done.length === 0) return undefined
  const done = pruneDone(record.done, now)
  if (isKeyReused(done, key, mark)) {
    return new IdempotencyKeyReused('the idempotency key belongs to a write with another body', {
      hint: 'use a new key for each write, and the same one only to try that write again',
    })
  }
  if (mark.bodyHash !== brief && isDoneFull(done)) {
    return new Overloaded('the key had too many writes with an idempotency key in the last ten minutes', {
      hint: 'retry later, or write without one',
    })
  }
  if (triedSince !== undefined && isMadeByClient(key) && mayHaveForgotten(done, triedSince)) {
    return new Overloaded('the key is written so often that nobody can say whether this write took effect before', {
      aftermath: 'may-have-changed',
      hint: 'read before writing again',
    })
  }
  return undefined
}

/** Over all that the write asks for; not over its context: that is what it is based on, not what it is. */
function bodyHashOf(request: PutRequest | DeleteRequest, hash: Hash): number {
  if (request.type === 'delete') return siblingChecksum(noValue, 'delete', [], undefined, hash)
  const { value, contentType, metadata, ttlSeconds } = request
  return siblingChecksum(value, contentType, metadata, ttlSeconds, hash)
}
