import type { Caller } from '../links/frame-acceptor.ts'
import type { Cryptography } from '../ports/cryptography.ts'
import type { Time } from '../ports/time.ts'
import type { ClusterSecret } from '../security/cluster-secret.ts'
import { keyringKeysMax, type SecretKey, toSecretKey } from '../security/keyring.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { isLoopback } from '../vocabulary/loopback.ts'
import type { Refusal, Response } from '../wire/messages.ts'
import type { RequestOf, Respond } from './data-handlers.ts'
import { refusal } from './refusals.ts'

/** How long keys stay as they are for somebody who wants to change them everywhere and is not heard of again. */
export const keysHeldMsMax = 15_000

type Told = Extract<Response, { type: 'secret-told' }>

/**
 * The keys of this node: tells other nodes which it has, by their ids, and changes them. Each change alone leaves the node
 * able to speak with itself; whether it can still speak with the others, whoever orders the change has to know.
 */
export class SecretService {
  readonly #time: Time
  readonly #cryptography: Cryptography
  readonly #secret: ClusterSecret | undefined
  /** Somebody is about to change keys everywhere, and has to find them as they were told. */
  #held: { readonly step: number; readonly untilMs: number } | undefined

  constructor(parts: {
    readonly time: Time
    readonly cryptography: Cryptography
    readonly secret: ClusterSecret | undefined
  }) {
    this.#time = parts.time
    this.#cryptography = parts.cryptography
    this.#secret = parts.secret
  }

  get keys(): readonly SecretKey[] {
    return this.#secret?.keyring.keys ?? []
  }

  serve(message: RequestOf<'tell-secret' | 'change-secret'>, caller: Caller, respond: Respond): void {
    if (message.type === 'tell-secret') return respond(this.tell(message.step))
    // Whoever could have read it on the way could have it now; whoever could have written it, too.
    if (caller.identity.type === 'plain' && !isLoopback(caller.remote)) {
      return respond(refusal('forbidden', 'keys are not taken over a connection that others can read'))
    }
    respond(this.change(message))
  }

  /** @param step not 0: nobody else changes the keys until that step does, or for some seconds */
  tell(step: number): Told | Refusal {
    if (this.#secret === undefined) return refusal('not-found', noSecret)
    if (step !== 0) {
      if (this.#isHeldAgainst(step)) return refusal('busy', heldMessage)
      this.#held = { step, untilMs: this.#time.nowMs() + keysHeldMsMax }
    }
    // Before they are written over: what people have written there counts from now on.
    this.#secret.reload()
    return this.#told()
  }

  change({ step, change, keyId, key }: Omit<RequestOf<'change-secret'>, 'type'>): Told | Refusal {
    if (this.#secret === undefined) return refusal('not-found', noSecret)
    // What comes late was decided by what others said a while ago, and somebody else may have decided since.
    if (this.#held?.step !== step || this.#time.nowMs() >= this.#held.untilMs) return refusal('busy', tooLate)
    this.#held = undefined
    switch (change) {
      case 'nothing':
        return this.#told()
      case 'add':
        return this.#add(keyId, key)
      case 'use':
        return this.#use(keyId)
      case 'remove':
        return this.#remove(keyId)
      default:
        return unreachable(change)
    }
  }

  #add(keyId: string, bytes: Uint8Array): Told | Refusal {
    if (this.#find(keyId) !== undefined) return this.#told()
    const key = toSecretKey(bytes.slice(), this.#cryptography)
    if (key.id !== keyId) return refusal('malformed', 'the key is not the one that its id says')
    if (this.keys.length >= keyringKeysMax)
      return refusal('precondition-failed', `it has ${keyringKeysMax} keys already`)
    return this.#keep([...this.keys, key])
  }

  #use(keyId: string): Told | Refusal {
    const key = this.#find(keyId)
    if (key === undefined) return refusal('precondition-failed', 'it does not have the key')
    return this.keys[0] === key ? this.#told() : this.#keep([key, ...this.keys.filter((other) => other !== key)])
  }

  #remove(keyId: string): Told | Refusal {
    const key = this.#find(keyId)
    if (key === undefined) return this.#told()
    if (this.keys[0] === key) return refusal('precondition-failed', 'it sends with the key')
    return this.#keep(this.keys.filter((other) => other !== key))
  }

  #keep(keys: readonly SecretKey[]): Told | Refusal {
    const secret = this.#secret as ClusterSecret
    try {
      secret.keep(keys)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return refusal('storage-failed', `its secret file ${secret.place} cannot be written: ${reason}`)
    }
    return this.#told()
  }

  #told(): Told {
    return { type: 'secret-told', keyIds: this.keys.map(({ id }) => id) }
  }

  #find(keyId: string): SecretKey | undefined {
    return this.keys.find(({ id }) => id === keyId)
  }

  #isHeldAgainst(step: number): boolean {
    return this.#held !== undefined && this.#held.step !== step && this.#time.nowMs() < this.#held.untilMs
  }
}

const noSecret = 'it was started without --secret-file'
const tooLate = 'the order came too late, or another one came between'
const heldMessage = 'its keys are being changed by another order'
