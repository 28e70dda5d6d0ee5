import type { QuorumLevel, ReadOptions, WriteOptions } from '../../http-client/http-client.ts'
import { type ClientOptions, requestOptions } from '../client-options.ts'
import { UsageError } from '../exit-code.ts'

export interface ReadFlags extends ClientOptions {
  readonly r?: QuorumLevel
  readonly pr?: QuorumLevel
  readonly sloppy: boolean
}

export interface WriteFlags extends ClientOptions {
  readonly context?: string
  readonly w?: QuorumLevel
  readonly pw?: QuorumLevel
  readonly sloppy: boolean
  readonly durability?: string
  readonly idempotencyKey?: string
}

export interface RangeFlags extends ClientOptions {
  readonly prefix?: string
  readonly start?: string
  readonly end?: string
}

export function readOptions(flags: ReadFlags): ReadOptions {
  return { r: flags.r, pr: flags.pr, ...notSloppy(flags), ...requestOptions(flags) }
}

export function writeOptions(flags: WriteFlags): WriteOptions {
  const { context, w, pw, durability, idempotencyKey } = flags
  if (durability !== undefined && durability !== 'os' && durability !== 'disk')
    throw new UsageError(`--durability ${durability} is not accepted`, 'it is os or disk')
  return { context, w, pw, durability, idempotencyKey, ...notSloppy(flags), ...requestOptions(flags) }
}

/** What is the default is left to the node. */
function notSloppy(flags: { readonly sloppy: boolean }): { readonly sloppy?: false } {
  return flags.sloppy ? {} : { sloppy: false }
}
