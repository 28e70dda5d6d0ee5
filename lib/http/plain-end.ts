/** The last lines of a head that Node would add by itself: the date, which changes once a second, and that the connection stays. */
export class PlainEnd {
  readonly #keepAlive: string
  #second = 0
  #text = ''

  constructor(keepAliveTimeoutMs: number) {
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1000)}\r\n\r\n`
  }

  text(): string {
    const nowMs = Date.now()
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#text = `Date: ${new Date(nowMs).toUTCString()}\r\n${this.#keepAlive}`
    }
    return this.#text
  }
}
