import { frameBytesMax } from '../../lib/vocabulary/limits.ts'
import { framingBytes } from '../../lib/wire/frame.ts'
import { requestTypes } from '../../lib/wire/request-codec.ts'
import { responseTypes } from '../../lib/wire/response-codec.ts'

/** The numbers of frames that are neither requests nor responses: see lib/wire/frame.ts. */
const controlTypes = { hello: 1, welcome: 2, goodbye: 3, ping: 4, pong: 5 }
const namesByNumber = new Map(
  Object.entries({ ...controlTypes, ...requestTypes, ...responseTypes }).map(([name, number]) => [number, name]),
)

/** As lib/wire/messages.ts calls them. */
export const frameTypes: ReadonlySet<string> = new Set(namesByNumber.values())

/** What stands for bytes that are no frames: somebody else's protocol, which passes as it comes. */
export const notAFrame = 'not-a-frame'

const lengthBytes = 4
const typeAt = framingBytes

/**
 * Cuts a stream into frames without reading them: bytes, and the name of the type. A frame that came in one chunk is a
 * view into it.
 */
export class FrameCutter {
  #chunks: Buffer[] = []
  #heldBytes = 0
  /** Undefined until the length of the frame that is held is known. */
  #neededBytes: number | undefined
  #isOpaque = false

  cut(chunk: Buffer, onFrame: (bytes: Buffer, type: string) => void): void {
    if (this.#isOpaque) return onFrame(chunk, notAFrame)
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < (this.#neededBytes ?? lengthBytes)) return
    let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#heldBytes = 0
    this.#neededBytes = undefined
    while (bytes.length >= lengthBytes) {
      const frameBytes = bytes.readUInt32BE(0) + lengthBytes
      if (frameBytes <= framingBytes || frameBytes > frameBytesMax) {
        this.#isOpaque = true
        return onFrame(bytes, notAFrame)
      }
      if (bytes.length < frameBytes) {
        this.#neededBytes = frameBytes
        break
      }
      const frame = bytes.subarray(0, frameBytes)
      bytes = bytes.subarray(frameBytes)
      onFrame(frame, namesByNumber.get(frame[typeAt] as number) ?? notAFrame)
    }
    if (bytes.length > 0) {
      this.#chunks.push(bytes)
      this.#heldBytes = bytes.length
    }
  }
}
