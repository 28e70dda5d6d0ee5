import { InvalidHeader } from '../vocabulary/errors.ts'

/**
 * Under which names a node may be asked for that trusts everybody on its machine. A web page can have its own name lead to
 * 127.0.0.1 (DNS rebinding): then it is of the same origin as the node, for the browser, and may read and write
 * everything. Its requests still say the name of the page.
 */
export class HostNames {
  readonly #names: ReadonlySet<string>
  /** Nearly all requests name the same. */
  #lastGood: string | undefined

  /** @param names besides addresses and localhost */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map((name) => name.toLowerCase()))
  }

  /** @param host the header; without one there is no browser */
  refusal(host: string | undefined): InvalidHeader | undefined {
    if (host === undefined || host === this.#lastGood) return undefined
    if (!this.#isGood(nameIn(host))) return strangeName
    this.#lastGood = host
    return undefined
  }

  #isGood(name: string): boolean {
    return isAddress(name) || name === 'localhost' || name.endsWith('.localhost') || this.#names.has(name)
  }
}

/** Without a port, and as names are compared. */
function nameIn(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()
}

/** An address leads nowhere else. */
function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name)
}

const strangeName = new InvalidHeader('this node serves its own machine, and the header Host names something else', {
  hint: 'Ask by address or as localhost; give --advertise-http with the name, or --token-file, where others are to come.',
})
