/**
 * What protection costs a connection between nodes: a put or a get of 1 KiB over frames, as bytes: 1,100 one way and 60
 * back, so many in flight. CPU time of the whole process, which is both sides; windows of the three kinds take turns, so
 * that other work on the machine falls on all of them alike. And what a connection costs that is made anew.
 *
 * node dist/bench/parts/tls.js
 */
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { createStreams } from '../../lib/platform/tcp.ts'
import { clientSecurity } from '../../lib/platform/tls/client-security.ts'
import { ResolvedNames } from '../../lib/platform/tls/resolved-names.ts'
import type { StreamSecurity } from '../../lib/platform/tls/stream-security.ts'
import type { ByteStream, StreamListener } from '../../lib/ports/network.ts'
import { formatSecretKey } from '../../lib/security/keyring.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { TestAuthority } from '../../test/fixtures/certificates.ts'

const windows = 15
const roundsPerWindow = 300
const inFlight = 32
const question = new Uint8Array(1_100).fill(7)
const answer = new Uint8Array(60).fill(7)
const connectionsPerWindow = 40

const cryptography = createCryptography()
const parts = { cryptography, resolvedNames: new ResolvedNames() }
const authority = new TestAuthority()
const secret = formatSecretKey(cryptography.randomBytes(32))
const kinds: readonly (readonly [string, StreamSecurity | undefined])[] = [
  ['plain', undefined],
  ['secret', clientSecurity({ secret }, parts)],
  ['certificates', clientSecurity({ tls: { ca: authority.cert, ...authority.issue('ada') } }, parts)],
]

interface Side {
  readonly name: string
  readonly security: StreamSecurity | undefined
  readonly listener: StreamListener
  readonly stream: ByteStream
  onAnswer: () => void
  readonly perRequest: number[]
  readonly perConnection: number[]
}

const sides: Side[] = []
for (const [name, security] of kinds) sides.push(await open(name, security))
for (let window = 0; window < windows; window += 1) {
  for (const side of sides) {
    side.perRequest.push(await cpuOf(() => ask(side), roundsPerWindow * inFlight))
    side.perConnection.push(await cpuOf(() => connectAgain(side), connectionsPerWindow))
  }
}
const [plain] = sides
console.log(`CPU of both sides in microseconds, median of ${windows} windows; against plain: median of the pairs`)
for (const side of sides) {
  const more = side.perRequest.map((cost, window) => cost - (plain?.perRequest[window] ?? cost))
  const columns = [
    `${median(side.perRequest).toFixed(2).padStart(8)} a request`,
    `${median(more).toFixed(2).padStart(6)} more`,
    `${median(side.perConnection).toFixed(0).padStart(6)} a connection`,
  ]
  console.log(`${side.name.padEnd(14)}${columns.join('  ')}`)
  side.stream.destroy()
  side.listener.close(() => undefined)
}

/** Each question is answered when all of it has come. */
function open(name: string, security: StreamSecurity | undefined): Promise<Side> {
  const streams = createStreams({ security })
  return new Promise((resolve, reject) => {
    streams.listen(
      toEndpoint('127.0.0.1:0'),
      (stream) => {
        let bytes = 0
        return {
          onBytes(part) {
            bytes += part.length
            const answers = Math.floor(bytes / question.length)
            bytes -= answers * question.length
            if (answers > 0) stream.write(Array.from({ length: answers }, () => answer))
          },
          onClosed: () => undefined,
        }
      },
      (failure, listener) => {
        if (listener === undefined) return reject(new Error(failure?.message))
        const side = { name, security, listener, onAnswer: () => undefined, perRequest: [], perConnection: [] }
        let bytes = 0
        const handlers = {
          onBytes(part: Uint8Array) {
            bytes += part.length
            for (; bytes >= answer.length; bytes -= answer.length) whole.onAnswer()
          },
          onClosed: () => undefined,
        }
        let whole: Side
        streams.connect(listener.local, handlers, (problem, stream) => {
          if (stream === undefined) return reject(new Error(problem?.message))
          whole = { ...side, stream }
          resolve(whole)
        })
      },
    )
  })
}

/** The questions of one turn leave together, as frames do. */
function ask(side: Side): Promise<void> {
  return new Promise((resolve) => {
    let left = roundsPerWindow * inFlight
    let waiting = 0
    const askAll = (): void => {
      waiting = inFlight
      side.stream.write(Array.from({ length: inFlight }, () => question))
    }
    side.onAnswer = () => {
      left -= 1
      waiting -= 1
      if (left === 0) resolve()
      else if (waiting === 0) askAll()
    }
    askAll()
  })
}

async function connectAgain({ security, listener }: Side): Promise<void> {
  const streams = createStreams({ security })
  for (let count = 0; count < connectionsPerWindow; count += 1) {
    await new Promise<void>((resolve, reject) => {
      const handlers = { onBytes: () => undefined, onClosed: () => resolve() }
      streams.connect(listener.local, handlers, (problem, stream) => {
        if (stream === undefined) reject(new Error(problem?.message))
        else stream.destroy()
      })
    })
  }
}

/** Microseconds for each of `count`. */
async function cpuOf(act: () => Promise<void>, count: number): Promise<number> {
  const before = process.cpuUsage()
  await act()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
