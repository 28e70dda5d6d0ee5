import { brief, findDone, isDoneFull, mayHaveForgotten, pruneDone } from '../protocol/causality/done.ts'
import type { Dot } from '../protocol/causality/dot.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { isKeyReused, isMadeByClient, markOf, type RequestMark } from '../protocol/causality/request-mark.ts'
import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { DeleteRequest, Idempotency, PutRequest } from '../protocol/quorum/client-request.ts'
import { IdempotencyKeyReused, Overloaded, type StarlingError } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'

/** A write that has an idempotency key, as its coordinator knows it (docs/rules.md I2). */
export interface KeyedWrite {
  readonly key: string
  readonly mark: RequestMark
  /** Surely nobody has tried it before. */
  readonly isFirst: boolean
  /** Its first try lies above this. */
  readonly since: Hlc
  /** When it came: what is too old by then is forgotten. */
  readonly now: Hlc
}

const noValue = new Uint8Array(0)

/** @param now the clock of this node */
export function keyedWriteOf(
  request: PutRequest | DeleteRequest,
  { key, isFirst, since }: Idempotency,
  now: Hlc,
  hash: Hash,
): KeyedWrite {
  // The body of an id that a client made for one write is not asked for, and costs too much to hash for nothing.
  const isHashed = !isFirst || !isMadeByClient(key)
  const mark = markOf(key, isHashed ? bodyHashOf(request, hash) : brief, isFirst)
  return { key, mark, isFirst, since, now }
}

/** The dots under which this state knows the write; undefined: it knows nothing of it. */
export function dotsOf({ mark, now }: KeyedWrite, record: KeyRecord): readonly Dot[] | undefined {
  if (findDone(record.done, mark.requestId) === undefined) return undefined
  const tries = pruneDone(record.done, now).filter(({ requestId }) => requestId === mark.requestId)
  return tries.length === 0 ? undefined : tries.map(({ dot }) => dot)
}

/** Why a write that this state does not know must not be carried out on it. */
export function problemOfKeyed(
  { key, mark, isFirst, since, now }: KeyedWrite,
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
  if (!isFirst && isMadeByClient(key) && mayHaveForgotten(done, since)) {
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
