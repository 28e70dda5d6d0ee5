import type { MemberState } from '../protocol/membership/member.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'
import { callOut } from './call-out.ts'
import type { BreakerState } from './circuit-breaker.ts'

/** What a client tells those who listen, and when. */
export interface DatabaseEvents {
  /** A newer layout is known: keys may have other owners. */
  readonly layout: { readonly number: number; readonly clusterId: string }
  /** A node is known for the first time, is in another state as its peers see it, was started again, or is no member any more. */
  readonly member: {
    readonly id: string
    readonly name: string
    readonly peer: string
    readonly state: MemberState | 'gone'
    /** Undefined: it was not known. */
    readonly before: MemberState | undefined
  }
  /** Requests are kept away from a node that does not answer (`open`), one finds out (`half-open`), all go there again. */
  readonly breaker: { readonly name: string; readonly peer: string; readonly state: BreakerState }
}

export type EventName = keyof DatabaseEvents

type Listener<Name extends EventName> = (event: DatabaseEvents[Name]) => void

/** Who listens to what. Nobody is told of what was before. */
export class Events {
  readonly #listeners: { readonly [Name in EventName]: Set<Listener<Name>> } = {
    layout: new Set(),
    member: new Set(),
    breaker: new Set(),
  }

  /** @throws {InvalidParameter} there is no such event */
  add<Name extends EventName>(name: Name, listener: Listener<Name>): void {
    this.#of(name).add(listener)
  }

  remove<Name extends EventName>(name: Name, listener: Listener<Name>): void {
    this.#of(name).delete(listener)
  }

  emit<Name extends EventName>(name: Name, event: DatabaseEvents[Name]): void {
    for (const listener of [...this.#listeners[name]]) callOut(listener, event)
  }

  #of<Name extends EventName>(name: Name): Set<Listener<Name>> {
    if (!Object.hasOwn(this.#listeners, name)) {
      throw new InvalidParameter(`there is no event "${String(name)}"`, {
        hint: 'layout, member and breaker are events',
      })
    }
    return this.#listeners[name]
  }
}
