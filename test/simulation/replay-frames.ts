import type { ByteStream, StreamHandlers } from '../../lib/ports/network.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { Time } from '../../lib/ports/time.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Frame, Request } from '../../lib/wire/messages.ts'

/** Whatever brings a state or takes one away must do no harm when it is heard again, late and out of order. */
const replayed: ReadonlySet<Request['type']> = new Set([
  'write-record',
  'store-hint',
  'merge-records',
  'confirm-tombstones',
  'raise-barrier',
  'drop-tombstones',
])
export const replayWithinMs = 6000
/** No request has such an id: whoever asked must take the second answer for nothing. */
const idOffset = 1_000_000_000

/** The same ports, on which now and then a request between nodes is heard once more, up to 6 s later. */
export function withReplays(ports: Ports, random: Random, chance: number): Ports {
  const { streams, hash, time } = ports
  return {
    ...ports,
    streams: {
      connect: (to, handlers, done) => streams.connect(to, handlers, done),
      listen: (at, onStream, done) =>
        streams.listen(
          at,
          (stream: ByteStream) => new Replayer(onStream(stream), { hash, time, random, chance }).handlers,
          done,
        ),
    },
  }
}

class Replayer {
  readonly handlers: StreamHandlers
  readonly #reader: FrameReader
  readonly #parts: { readonly hash: Hash; readonly time: Time; readonly random: Random; readonly chance: number }
  #isOpen = true

  constructor(
    inner: StreamHandlers,
    parts: { readonly hash: Hash; readonly time: Time; readonly random: Random; readonly chance: number },
  ) {
    this.#parts = parts
    this.#reader = new FrameReader(parts.hash)
    this.handlers = {
      onBytes: (bytes) => {
        // Whole frames at a time, so that another one fits between any two.
        const chunks: Uint8Array[] = []
        this.#reader.read(bytes, (frame) => {
          chunks.push(...encodeFrame(frame, parts.hash))
          this.#maybeAgain(frame, inner)
        })
        if (chunks.length > 0) inner.onBytes(joined(chunks))
      },
      onClosed: (reason) => {
        this.#isOpen = false
        inner.onClosed(reason)
      },
      onDrained: () => inner.onDrained?.(),
    }
  }

  #maybeAgain(frame: Frame, inner: StreamHandlers): void {
    const { random, chance, time, hash } = this.#parts
    if (frame.kind !== 'request' || !replayed.has(frame.message.type) || random.fraction() >= chance) return
    const again = joined(encodeFrame({ ...frame, id: frame.id + idOffset }, hash))
    time.after(random.fraction() * replayWithinMs, () => {
      if (this.#isOpen) inner.onBytes(again)
    })
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks))
}
