import type { Metadata } from '../protocol/causality/record.ts'
import type { Durability, QuorumLevel, ReadOptions, WriteOptions } from '../protocol/quorum/client-request.ts'
import { InvalidHeader, InvalidParameter, MetadataTooLarge } from '../vocabulary/errors.ts'
import {
  contentTypeBytesMax,
  idempotencyKeyBytesMax,
  metadataBytesMax,
  timeoutMsMax,
  timeoutMsMin,
  ttlSecondsMax,
} from '../vocabulary/limits.ts'
import type { CausalContext } from './causal-context.ts'

export type { Durability, QuorumLevel }

/** Every request takes these. */
export interface RequestOptions {
  /** Milliseconds before giving up, 1 to 60,000, for everything the request needs; default: as `connect` was told. */
  readonly deadlineMs?: number | undefined
  /** Stops waiting; the promise rejects with the signal's reason. What a write did by then is not known. */
  readonly signal?: AbortSignal | undefined
}

interface KeyOptions extends RequestOptions {
  /** False: the request is no part of the session; a get may then find something older than what was seen or written. */
  readonly session?: false | undefined
}

export interface GetOptions extends KeyOptions {
  /** Answers to wait for: 1 to N, 'one', 'quorum' or 'all'. Default: as the bucket says, else 'quorum'. */
  readonly r?: QuorumLevel | undefined
  /** How many of them must come from owners: 0 to N, 'one', 'quorum' or 'all'. Default: as the bucket says, else 0. */
  readonly pr?: QuorumLevel | undefined
  /** False: no fallback counts. Default true. */
  readonly sloppy?: boolean | undefined
  /** True: a deleted key is found too, without siblings, for the sake of its context. */
  readonly tombstone?: boolean | undefined
}

export interface DeleteOptions extends KeyOptions {
  /** Acknowledgements to wait for: 1 to N, 'one', 'quorum' or 'all'. Default: as the bucket says, else 'quorum'. */
  readonly w?: QuorumLevel | undefined
  /** How many of them must come from owners: 0 to N, 'one', 'quorum' or 'all'. Default: as the bucket says, else 0. */
  readonly pw?: QuorumLevel | undefined
  /** False: no fallback counts. Default true. */
  readonly sloppy?: boolean | undefined
  /** 'os': acknowledged once the system has it; 'disk': once it is on the disk. Default: as the bucket says. */
  readonly durability?: Durability | undefined
  /** Of the read this write is based on: it supersedes what that read returned, and nothing else. */
  readonly context?: CausalContext | undefined
  /**
   * The `etag` of a get, or several, or '*' for any value: written only if a quorum read finds that state, else
   * `PreconditionFailed`. Without a context the write supersedes the state that it names. Best effort, not
   * compare-and-swap: of two such writes at once both may succeed, as siblings.
   */
  readonly ifMatch?: string | readonly string[] | undefined
  /**
   * 1 to 64 visible ASCII characters: makes every try of this write the same write for ten minutes, whoever makes it.
   * Default: the client makes one, good for its own tries. False: none; then a write whose answer is lost is not tried
   * again.
   */
  readonly idempotencyKey?: string | false | undefined
}

export interface PutOptions extends DeleteOptions {
  /** Up to 255 bytes. Default: what the bucket's codec says. */
  readonly contentType?: string | undefined
  /** Names without regard to case; up to 8 KiB in all. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Whole seconds after which the value is not shown any more; 1 to 3,155,760,000. */
  readonly ttlSeconds?: number | undefined
  /** '*': written only if a quorum read finds nothing, else `PreconditionFailed`. Best effort, as `ifMatch`. */
  readonly ifNoneMatch?: '*' | undefined
}

/** An update is several writes, so there is no key for all of them. */
export type UpdateOptions = Omit<GetOptions, 'tombstone'> &
  Omit<PutOptions, 'context' | 'idempotencyKey' | 'ifMatch' | 'ifNoneMatch'>

/** What a node reads a level as at most; how many replicas there are is for the node to say. */
const levelMax = 65_535

const readDefault: ReadOptions = { r: undefined, pr: undefined, sloppy: true }
const writeDefault: WriteOptions = { w: undefined, pw: undefined, sloppy: true, durability: undefined }
const noMetadata: Metadata = []

/** @throws {InvalidParameter} */
export function toReadOptions({ r, pr, sloppy }: GetOptions): ReadOptions {
  if (r === undefined && pr === undefined && sloppy === undefined) return readDefault
  return { r: checkedLevel('r', r, 1), pr: checkedLevel('pr', pr, 0), sloppy: sloppy ?? true }
}

/** @throws {InvalidParameter} */
export function toWriteOptions({ w, pw, sloppy, durability }: DeleteOptions): WriteOptions {
  if (w === undefined && pw === undefined && sloppy === undefined && durability === undefined) return writeDefault
  if (durability !== undefined && durability !== 'os' && durability !== 'disk') {
    throw new InvalidParameter(`durability must be 'os' or 'disk', not ${String(durability)}`)
  }
  return {
    w: checkedLevel('w', w, 1),
    pw: checkedLevel('pw', pw, 0),
    sloppy: sloppy ?? true,
    durability,
  }
}

/** @throws {InvalidHeader} the same as over HTTP, where it is a header */
export function checkedIdempotencyKey(key: string): string {
  if (typeof key !== 'string' || !/^[!-~]+$/.test(key) || key.length > idempotencyKeyBytesMax) {
    throw new InvalidHeader(`an idempotency key has 1 to ${idempotencyKeyBytesMax} visible ASCII characters`)
  }
  return key
}

/** @throws {InvalidParameter} */
export function checkedDeadlineMs(deadlineMs: number): number {
  if (!(typeof deadlineMs === 'number' && deadlineMs >= timeoutMsMin && deadlineMs <= timeoutMsMax)) {
    throw new InvalidParameter(`deadlineMs must be ${timeoutMsMin} to ${timeoutMsMax}, not ${String(deadlineMs)}`)
  }
  return deadlineMs
}

/** @throws {InvalidParameter} */
export function checkedTtlSeconds(ttlSeconds: number | undefined): number | undefined {
  if (ttlSeconds === undefined) return undefined
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > ttlSecondsMax) {
    throw new InvalidParameter(`ttlSeconds must be 1 to ${ttlSecondsMax} whole seconds, not ${String(ttlSeconds)}`)
  }
  return ttlSeconds
}

/** State hashes without what an ETag has around them; a weak one matches nothing. @throws {InvalidHeader} */
export function toIfMatch(given: string | readonly string[] | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined
  const etags = typeof given === 'string' ? [given] : given
  return etags.flatMap((etag) => {
    if (etag === '*') return etag
    const parts = /^(W\/)?"([^"]*)"$/.exec(etag)
    if (parts === null) throw new InvalidHeader(`ifMatch takes etags as get gives them, and '*'; not ${etag}`)
    return parts[1] === undefined ? (parts[2] as string) : []
  })
}

/** @throws {InvalidHeader} */
export function toIfNoneMatch(given: '*' | undefined): boolean {
  if (given !== undefined && given !== '*') throw new InvalidHeader("ifNoneMatch of a write can only be '*'")
  return given === '*'
}

/** @throws {InvalidHeader} the same as over HTTP, where it is a header */
export function checkedContentType(contentType: string): string {
  if (contentType === '' || !contentType.isWellFormed() || utf8Bytes(contentType) > contentTypeBytesMax) {
    throw new InvalidHeader(`a content type has 1 to ${contentTypeBytesMax} bytes of well-formed Unicode`)
  }
  return contentType
}

/**
 * @throws {InvalidHeader} for a name or value that HTTP could not carry: names are tokens, values have no line breaks
 * @throws {MetadataTooLarge} beyond 8 KiB of names and values
 */
export function toMetadata(given: Readonly<Record<string, string>> | undefined): Metadata {
  if (given === undefined) return noMetadata
  const sorted = new Map<string, string>()
  let bytes = 0
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (!namePattern.test(name)) throw new InvalidHeader(`"${name}" is not a name that metadata can have`)
    if (typeof value !== 'string' || !valuePattern.test(value) || !value.isWellFormed()) {
      throw new InvalidHeader(`the metadata "${name}" is not one line of text`)
    }
    if (sorted.has(lower)) throw new InvalidHeader(`the metadata "${lower}" is given twice`)
    sorted.set(lower, value)
    bytes += name.length + utf8Bytes(value)
  }
  if (bytes > metadataBytesMax) throw new MetadataTooLarge(`the metadata is larger than ${metadataBytesMax} bytes`)
  return [...sorted].sort(([one], [other]) => (one < other ? -1 : 1))
}

const namePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** No control characters, and no blank at either end: a header would lose it. */
const valuePattern = /^(?:[^\p{Cc}\s](?:[^\p{Cc}]*[^\p{Cc}\s])?)?$/u

const encoder = new TextEncoder()

function utf8Bytes(text: string): number {
  return encoder.encode(text).length
}

function checkedLevel(name: string, level: QuorumLevel | undefined, least: number): QuorumLevel | undefined {
  if (level === undefined || level === 'one' || level === 'quorum' || level === 'all') return level
  if (Number.isInteger(level) && level >= least && level <= levelMax) return level
  throw new InvalidParameter(`${name} must be a whole number from ${least}, 'one', 'quorum' or 'all'`, {
    hint: `${name} was ${String(level)}`,
  })
}
