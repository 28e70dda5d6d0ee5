import { Packr } from 'msgpackr'
import type { OpenCodec } from './codec.ts'

// Plain MessagePack that any other program can read: no extension for record structures.
const packr = new Packr({ useRecords: false })

/** MessagePack: like JSON, and smaller, with bytes, dates and integers of 64 bits. Bytes come back as a `Buffer`. */
export const msgpack: OpenCodec = {
  contentType: 'application/vnd.msgpack',
  encode: (value) => packr.pack(value),
  decode: (stored) => packr.unpack(stored),
}
