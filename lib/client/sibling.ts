import type { Metadata, Sibling as StoredSibling } from '../protocol/causality/record.ts'
import { hlcToMs } from '../protocol/clock/hlc.ts'
import { InvalidBody } from '../vocabulary/errors.ts'
import type { CausalContext } from './causal-context.ts'
import type { Codec } from './codec.ts'

/** One of several values that no write has superseded; usually the only one. */
export interface Sibling<Value> {
  readonly value: Value
  readonly contentType: string
  /** Names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
  /** Milliseconds since the epoch, by the clock of the node that took the write; says nothing about which came first. */
  readonly writtenAtMs: number
  /** Milliseconds since the epoch after which it is not shown any more. */
  readonly expiresAtMs: number | undefined
}

/** What a get finds. */
export interface Found<Value> {
  /** At least one, unless `tombstone` was asked for. */
  readonly siblings: readonly Sibling<Value>[]
  /** Give it with the write that is based on these siblings. */
  readonly context: CausalContext
  /** Of this state, at whatever node: for `ifMatch`. */
  readonly etag: string
}

/** @throws {InvalidBody} when the codec cannot read a value */
export function toSiblings<Value>(stored: readonly StoredSibling[], codec: Codec<Value>): readonly Sibling<Value>[] {
  return stored.map((sibling) => ({
    value: decode(sibling, codec),
    contentType: sibling.contentType,
    metadata: toObject(sibling.metadata),
    writtenAtMs: hlcToMs(sibling.hlc),
    expiresAtMs: sibling.expiresAtMs,
  }))
}

const noMetadata: Readonly<Record<string, string>> = Object.freeze({})

function toObject(metadata: Metadata): Readonly<Record<string, string>> {
  return metadata.length === 0 ? noMetadata : Object.fromEntries(metadata)
}

function decode<Value>({ value, contentType }: StoredSibling, codec: Codec<Value>): Value {
  try {
    return codec.decode(value, contentType)
  } catch (cause) {
    throw new InvalidBody(`the codec of the bucket (${codec.contentType}) cannot read a value of type ${contentType}`, {
      hint: 'read it from a bucket without a codec, and write it anew',
      cause,
    })
  }
}
