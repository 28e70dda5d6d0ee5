/** How the values of a bucket become bytes and back. Without one they are bytes already. */
export interface Codec<Value> {
  /** Stored with the value, unless a put names another. */
  readonly contentType: string
  encode(value: Value): Uint8Array
  /** May throw: what it is given was written by anybody. */
  decode(bytes: Uint8Array, contentType: string): Value
}

/** A codec of whatever its format can say; the type is what the bucket's user says it is, and nobody checks it. */
export interface OpenCodec {
  readonly contentType: string
  encode<Value>(value: Value): Uint8Array
  decode<Value>(bytes: Uint8Array, contentType: string): Value
}

/** Values as they are: no copy is made. A value that is kept for long should be copied: it is a piece of a larger array. */
export const bytes: Codec<Uint8Array> = {
  contentType: 'application/octet-stream',
  encode(value) {
    if (!(value instanceof Uint8Array)) throw new TypeError('a value is a Uint8Array, unless the bucket has a codec')
    return value
  },
  decode: (stored) => stored,
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Strings, as UTF-8. */
export const text: Codec<string> = {
  contentType: 'text/plain; charset=utf-8',
  encode(value) {
    // Half a surrogate pair would silently become another character.
    if (typeof value !== 'string' || !value.isWellFormed()) throw new TypeError('not a string of well-formed Unicode')
    return encoder.encode(value)
  },
  decode: (stored) => decoder.decode(stored),
}

/** Whatever JSON can say. */
export const json: OpenCodec = {
  contentType: 'application/json',
  encode(value) {
    const written = JSON.stringify(value)
    if (written === undefined) throw new TypeError('JSON cannot say this value')
    return encoder.encode(written)
  },
  decode: (stored) => JSON.parse(decoder.decode(stored)),
}
