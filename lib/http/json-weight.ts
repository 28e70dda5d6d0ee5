const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBrace = 0x7b
const openBracket = 0x5b

/**
 * How many values there are in a text of JSON, about, of which the pieces are told as they come: each costs the parser some
 * hundred times what its bytes cost the network, so sixteen mebibytes of brackets would keep a node busy for a second.
 */
export class JsonWeight {
  #values = 1
  #isInString = false
  #isEscaped = false

  get values(): number {
    return this.#values
  }

  /** Stops counting beyond `max`. */
  add(bytes: Uint8Array, max: number): void {
    let values = this.#values
    let isInString = this.#isInString
    let at = this.#isEscaped ? 1 : 0
    for (; at < bytes.length && values <= max; at += 1) {
      const byte = bytes[at]
      if (isInString) {
        if (byte === backslash) at += 1
        else if (byte === quote) isInString = false
      } else if (byte === quote) isInString = true
      else if (byte === comma || byte === openBrace || byte === openBracket) values += 1
    }
    this.#values = values
    this.#isInString = isInString
    this.#isEscaped = at > bytes.length
  }
}
