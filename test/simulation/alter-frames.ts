import type { ByteStream, StreamHandlers } from '../../lib/ports/network.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Frame, Refusal, Request, Response } from '../../lib/wire/messages.ts'

/** What becomes of the messages that arrive at a node, before it sees them. */
export interface FrameAlteration {
  readonly request?: (message: Request) => Request
  /** An answer in the node's name: it never hears of the request. */
  readonly answer?: (message: Request) => Response | Refusal | undefined
  readonly response?: (message: Response | Refusal, asked: Request['type'] | undefined) => Response | Refusal
}

/** The same ports, with somebody between the node and its connections. */
export function withFrames(ports: Ports, alteration: FrameAlteration): Ports {
  const { streams, hash } = ports
  return {
    ...ports,
    streams: {
      connect: (to, handlers, done) => {
        const tap = new StreamTap(alteration, hash)
        streams.connect(to, tap.handlers(handlers), (failure, stream) =>
          done(failure, stream === undefined ? undefined : tap.stream(stream)),
        )
      },
      listen: (at, onStream, done) =>
        streams.listen(
          at,
          (stream) => {
            const tap = new StreamTap(alteration, hash)
            return tap.handlers(onStream(tap.stream(stream)))
          },
          done,
        ),
    },
  }
}

/** Reads one connection in both directions, and changes what comes in. */
class StreamTap {
  readonly #alteration: FrameAlteration
  readonly #hash: Hash
  readonly #incoming: FrameReader
  readonly #outgoing: FrameReader
  readonly #asked = new Map<number, Request['type']>()
  #stream: ByteStream | undefined

  constructor(alteration: FrameAlteration, hash: Hash) {
    this.#alteration = alteration
    this.#hash = hash
    this.#incoming = new FrameReader(hash)
    this.#outgoing = new FrameReader(hash)
  }

  handlers(handlers: StreamHandlers): StreamHandlers {
    return {
      onBytes: (bytes) => {
        const chunks: Uint8Array[] = []
        this.#incoming.read(bytes, (frame) => {
          const altered = this.#alter(frame)
          if (altered !== undefined) chunks.push(...encodeFrame(altered, this.#hash))
        })
        if (chunks.length > 0) handlers.onBytes(joined(chunks))
      },
      onClosed: (reason) => handlers.onClosed(reason),
      onDrained: () => handlers.onDrained?.(),
    }
  }

  stream(stream: ByteStream): ByteStream {
    this.#stream = stream
    const noteRequest = (frame: Frame): void => {
      if (frame.kind === 'request') this.#asked.set(frame.id, frame.message.type)
    }
    return {
      remote: stream.remote,
      identity: stream.identity,
      get unsentBytes() {
        return stream.unsentBytes
      },
      write: (chunks) => {
        this.#outgoing.read(joined(chunks), noteRequest)
        stream.write(chunks)
      },
      end: () => stream.end(),
      destroy: () => stream.destroy(),
    }
  }

  #alter(frame: Frame): Frame | undefined {
    const { request, answer, response } = this.#alteration
    if (frame.kind === 'response') {
      const asked = this.#asked.get(frame.id)
      this.#asked.delete(frame.id)
      return response === undefined ? frame : { ...frame, message: response(frame.message, asked) }
    }
    if (frame.kind !== 'request') return frame
    const message = answer?.(frame.message)
    if (message === undefined) {
      return request === undefined ? frame : { ...frame, message: request(frame.message) }
    }
    const { id, digest } = frame
    this.#stream?.write(encodeFrame({ kind: 'response', id, digest, message }, this.#hash))
    return undefined
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks))
}
