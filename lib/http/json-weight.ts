const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBrace = 0x7b
const openBracket = 0x5b

/**
 * How many values there are in a text of JSON, about: each costs the parser some hundred times what its bytes cost the
 * network, so sixteen mebibytes of brackets would keep a node busy for a second. Stops counting beyond `max`.
 */
export function jsonValuesIn(bytes: Uint8Array, max: number): number {
  let count = 1
  let isInString = false
  for (let at = 0; at < bytes.length && count <= max; at += 1) {
    const byte = bytes[at]
    if (isInString) {
      if (byte === backslash) at += 1
      else if (byte === quote) isInString = false
    } else if (byte === quote) isInString = true
    else if (byte === comma || byte === openBrace || byte === openBracket) count += 1
  }
  return count
}
