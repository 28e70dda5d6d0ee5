import { lookup } from 'node:dns'
import { isAddress } from './addresses.ts'

/** How long an answer is used before the name is looked up again, meanwhile still with the old answer. */
const answerFreshMs = 10_000
const namesMax = 1024

interface Entry {
  address: string | undefined
  answeredMs: number
  isAsked: boolean
}

/**
 * Addresses of names, for datagrams. Looking a name up costs a thread of the pool that LevelDB works on as well, for
 * seconds when DNS does not answer: so a name is asked for once at a time, and not for every datagram.
 */
export class AddressBook {
  readonly #entries = new Map<string, Entry>()

  /** Calls back at once if it knows, else when it does; undefined: the name leads nowhere now, or is being asked for. */
  lookUp(host: string, family: 4 | undefined, done: (address: string | undefined) => void): void {
    if (isAddress(host)) return done(host)
    const entry = this.#entryOf(host)
    const nowMs = performance.now()
    if (entry.address !== undefined) {
      done(entry.address)
      if (nowMs - entry.answeredMs > answerFreshMs) this.#ask(host, family, entry, () => undefined)
    } else if (entry.isAsked) done(undefined)
    else this.#ask(host, family, entry, done)
  }

  #ask(host: string, family: 4 | undefined, entry: Entry, done: (address: string | undefined) => void): void {
    if (entry.isAsked) return
    entry.isAsked = true
    lookup(host, { family: family ?? 0 }, (error, address) => {
      entry.isAsked = false
      // An address that worked is better than none.
      if (error === null) entry.address = address
      entry.answeredMs = performance.now()
      done(entry.address)
    })
  }

  #entryOf(host: string): Entry {
    let entry = this.#entries.get(host)
    if (entry === undefined) {
      if (this.#entries.size >= namesMax) this.#entries.clear()
      entry = { address: undefined, answeredMs: 0, isAsked: false }
      this.#entries.set(host, entry)
    }
    return entry
  }
}
