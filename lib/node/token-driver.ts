import type { Cryptography } from '../ports/cryptography.ts'
import type { Log } from '../ports/log.ts'
import { changeTokens, type TokenChange } from '../security/change-tokens.ts'
import type { NewToken } from '../security/new-token.ts'
import type { Principal } from '../security/principal.ts'
import { excessOf } from '../security/rights.ts'
import type { TokenAuthority } from '../security/token-authority.ts'
import { decodeTokenChange, decodeTokenEntry, encodeTokenChange, encodeTokenEntry } from '../security/token-codec.ts'
import { endedKeptMs, nextNumber, type TokenEntry, type TokenMap, withoutEnded } from '../security/token-map.ts'
import { mintToken } from '../security/token-text.ts'
import { QuorumUnavailable, type StarlingError } from '../vocabulary/errors.ts'
import type { Coordinator } from './coordinator.ts'
import type { DataHandlers } from './data-handlers.ts'
import type { CreatedToken, Done, TokenList } from './node-api.ts'
import { refusalOf } from './refusals.ts'
import type { RequestContext } from './request-context.ts'
import { SharedReader } from './shared-reader.ts'
import type { SharedState } from './shared-state.ts'
import { type SharedChange, SharedWriter } from './shared-writer.ts'

/** A list waits so long for a quorum before it shows what the node knew last. */
const listTimeoutMs = 1_500

export interface TokenDriverParts {
  readonly context: RequestContext
  readonly coordinator: Coordinator
  readonly log: Log
  readonly cryptography: Cryptography
  readonly authority: TokenAuthority
  readonly state: SharedState<TokenMap>
}

/**
 * Makes, lists and revokes the tokens that the cluster shares. A node that asks for tokens reads them at a quorum each 2 s;
 * one that does not, only when it is asked about them.
 */
export class TokenDriver {
  readonly handlers: Pick<DataHandlers, 'change-tokens'>
  readonly #parts: TokenDriverParts
  readonly #reader: SharedReader<TokenMap>
  readonly #writer: SharedWriter<TokenMap>

  constructor(parts: TokenDriverParts) {
    const { context, coordinator, log, state } = parts
    this.#parts = parts
    this.#reader = new SharedReader(context, state, log, context.metrics.tokenRefreshFailures)
    this.#writer = new SharedWriter(context, coordinator, this.#reader)
    this.handlers = {
      'change-tokens': ({ change, hops, timeoutMs }, respond) =>
        this.#change(decodeTokenChange(change), timeoutMs, hops, (error, entry) => {
          if (entry === undefined) respond(refusalOf(error))
          else respond({ type: 'tokens-changed', token: encodeTokenEntry(entry) })
        }),
    }
  }

  start(): void {
    if (this.#parts.authority.isOn) this.#reader.start()
  }

  stop(): void {
    this.#reader.stop()
  }

  /** How long ago the tokens were read at a quorum; infinite: not since the start; 0 where nobody is asked for one. */
  get ageSeconds(): number {
    return this.#parts.authority.isOn ? this.#reader.ageMs / 1000 : 0
  }

  /**
   * `done` once a quorum has the token and it is in force here; its text is told once, and kept nowhere.
   * @param by whoever asks, and has no fewer rights than the token; undefined: nobody was asked
   */
  create(order: NewToken, by: Principal | undefined, timeoutMs: number, done: Done<CreatedToken>): void {
    const { context, cryptography } = this.#parts
    const { time, minting } = context
    const { name, role, scopes, expiresInSeconds } = order
    const createdAtMs = Math.floor(minting.wallMs)
    const expiresAtMs = expiresInSeconds === undefined ? undefined : createdAtMs + expiresInSeconds * 1000
    const excess = by === undefined ? undefined : excessOf(by, { role, scopes, expiresAtMs })
    if (excess !== undefined) return time.soon(() => done(excess, undefined))
    const deadlineMs = time.nowMs() + timeoutMs
    // Its number goes by all tokens that a quorum knows now, and stays the same however often the change is tried.
    this.#reader.readNow(timeoutMs, (isRead) => {
      if (!isRead) return time.soon(() => done(noQuorum(), undefined))
      let minted = mintToken(cryptography)
      while (this.#parts.state.current.entries.has(minted.id)) minted = mintToken(cryptography)
      const { id, text, hash } = minted
      const number = nextNumber(this.#parts.state.current)
      const createdBy = by?.id ?? ''
      const token: TokenEntry = {
        ...{ id, number, hash, name, role, scopes, createdAtMs, createdBy, expiresAtMs },
        revokedAtMs: undefined,
      }
      const remainingMs = Math.max(1, deadlineMs - time.nowMs())
      this.#change({ type: 'create', token }, remainingMs, 0, (error, entry) =>
        done(error, entry === undefined ? undefined : { text, token: entry }),
      )
    })
  }

  /** Revokes for good. `done` once a quorum has it and it is in force here; elsewhere it is within 5 s. */
  revoke(id: string, timeoutMs: number, done: Done<TokenEntry>): void {
    const atMs = Math.floor(this.#parts.context.minting.wallMs)
    this.#change({ type: 'revoke', id, atMs }, timeoutMs, 0, done)
  }

  /** All that a quorum knows, or if none answers what this node knows, the newest first. */
  list(timeoutMs: number, done: (list: TokenList) => void): void {
    const { context, state } = this.#parts
    this.#reader.readNow(Math.min(timeoutMs, listTimeoutMs), (isRead) => {
      const shown = withoutEnded(state.current, context.minting.wallMs, endedKeptMs)
      const tokens = [...shown.entries.values()].sort((one, other) => other.number - one.number)
      const list = { tokens, knownSecondsAgo: isRead ? 0 : this.#reader.ageMs / 1000 }
      context.time.soon(() => done(list))
    })
  }

  #change(change: TokenChange, timeoutMs: number, hops: number, done: Done<TokenEntry>): void {
    this.#writer.run(this.#sharedChangeOf(change), timeoutMs, hops, done)
  }

  #sharedChangeOf(change: TokenChange): SharedChange<TokenMap, TokenEntry> {
    return {
      decide: (known, _remainingMs, done) => {
        const changed = changeTokens(known, change, this.#parts.context.minting.wallMs)
        if (changed.next === undefined) done(changed.refused, undefined)
        else done(undefined, { next: changed.next, answer: changed.token })
      },
      request: (timeoutMs) => ({ type: 'change-tokens', change: encodeTokenChange(change), hops: 1, timeoutMs }),
      answerOf: (message) => (message.type === 'tokens-changed' ? decodeTokenEntry(message.token) : undefined),
    }
  }
}

function noQuorum(): StarlingError {
  return new QuorumUnavailable('too few owners of the tokens could be reached', {
    hint: 'see `starling cluster status`',
  })
}
