import { Overloaded, type StarlingError, ValueTooLarge } from '../vocabulary/errors.ts'
import { valueBytesMax } from '../vocabulary/limits.ts'
import type { Exchange } from './exchange.ts'

const nothing = new Uint8Array(0)
/** As much of a body as comes with its head, or next to it. */
const firstBytesMax = 64 * 1024

/** Reads the value of a PUT. See `readBody`. */
export function readValueBody(exchange: Exchange, done: (value: Uint8Array) => void): void {
  readBody(exchange, valueBytesMax, done)
}

/**
 * Reads a body as bytes, whatever its type says. By hand, because fastify refuses bodies whose Content-Type
 * it cannot parse, and because a client that expects 100-continue is to be refused before it sends the body.
 *
 * Calls `done` once, at once if there is no body; or answers the exchange itself.
 * @param look sees each piece when it comes, and may find what nobody needs to send on
 * @throws {ValueTooLarge} when the declared length is more than `bytesMax`: nothing is read
 * @throws {Overloaded} when too many bytes of bodies are held already
 */
export function readBody(
  exchange: Exchange,
  bytesMax: number,
  done: (body: Uint8Array) => void,
  look?: (chunk: Uint8Array) => StarlingError | undefined,
): void {
  const { incoming } = exchange
  const isChunked = incoming.headers['transfer-encoding'] !== undefined
  const declared = Number(incoming.headers['content-length'] ?? 0)
  if (!isChunked && declared === 0) {
    done(nothing)
    return
  }
  if (declared > bytesMax) throw tooLarge(exchange, bytesMax, 0)
  // What is promised takes no room: else a few who promise much and send nothing would keep all others out.
  let reserved = Math.min(declared, firstBytesMax)
  if (!exchange.reserveBody(reserved)) throw overloaded(exchange)
  exchange.inviteBody()
  const ended = exchange.beginUpload()

  let chunks: Buffer[] | undefined
  let first: Buffer | undefined
  let bytes = 0
  incoming.on('data', (chunk: Buffer) => {
    if (exchange.isAnswered) return
    bytes += chunk.length
    if (bytes > bytesMax) return exchange.fail(tooLarge(exchange, bytesMax, bytes))
    if (bytes > reserved) {
      if (!exchange.reserveBody(bytes - reserved)) {
        chunks = undefined
        return exchange.fail(overloaded(exchange))
      }
      reserved = bytes
    }
    const problem = look?.(chunk)
    if (problem !== undefined) {
      chunks = undefined
      exchange.blame(bytes, false)
      return exchange.fail(problem)
    }
    if (first === undefined) first = chunk
    else if (chunks === undefined) chunks = [first, chunk]
    else chunks.push(chunk)
  })
  incoming.on('end', () => {
    ended()
    if (exchange.isAnswered) return
    exchange.edge.httpMetrics.requestBytes.add(bytes)
    exchange.guard(() => done(chunks === undefined ? (first ?? nothing) : Buffer.concat(chunks, bytes)))
  })
  incoming.on('close', () => {
    ended()
    if (!incoming.complete) exchange.abandon()
  })
}

/** Many clients see an answer only when they have sent everything. */
function tooLarge(exchange: Exchange, bytesMax: number, bytes: number): ValueTooLarge {
  exchange.blame(bytes, true)
  return new ValueTooLarge(`the ${bytesMax === valueBytesMax ? 'value' : 'body'} is larger than ${bytesMax} bytes`)
}

function overloaded({ edge }: Exchange): Overloaded {
  edge.httpMetrics.limitMet('bodiesBytesMax')
  return new Overloaded('too many bytes of request bodies are being held', {
    hint: 'The limit is bodiesBytesMax, for all clients together. Ask again after the time in Retry-After.',
  })
}
