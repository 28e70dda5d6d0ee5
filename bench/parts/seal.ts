/**
 * What one datagram costs, in microseconds of one thread: sealed, opened, and dropped for each reason that strangers can
 * cause. CPU time, so that other work on the machine does not count.
 *
 * node dist/bench/parts/seal.js
 */
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { DatagramOpener } from '../../lib/security/datagram-opener.ts'
import { DatagramSealer } from '../../lib/security/datagram-sealer.ts'
import { Keyring, toSecretKey } from '../../lib/security/keyring.ts'
import { sealBytes } from '../../lib/security/sealed-header.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { datagramBytesMax } from '../../lib/vocabulary/limits.ts'

const rounds = 5
const callsPerRound = 20_000

const cryptography = createCryptography()
const keyring = new Keyring([toSecretKey(cryptography.randomBytes(32), cryptography)])
const other = new Keyring([toSecretKey(cryptography.randomBytes(32), cryptography)])
const from = toEndpoint('10.0.0.1:7071')
/** A probe with a little news, and as much as there is room for. */
const sizes = [200, datagramBytesMax - sealBytes]

console.log(`a seal takes ${sealBytes} bytes of ${datagramBytesMax}`)
for (const size of sizes) {
  const plain = cryptography.randomBytes(size)
  const sealer = newSealer()
  measure(`${size} bytes: seal`, () => sealer.seal(plain))
  const opener = newOpener()
  measureEach(`${size} bytes: open, from a sender that is known`, () => sealer.seal(plain), opener)
  measureEach(`${size} bytes: open, from a sender that is new`, () => newSealer().seal(plain), opener)
  const replayed = sealer.seal(plain)
  opener.open(replayed, from)
  measure(`${size} bytes: dropped, it came before`, () => opener.open(replayed, from))
  const foreign = new DatagramSealer(other, 'main', cryptography).seal(plain)
  measure(`${size} bytes: dropped, unknown key`, () => opener.open(foreign, from))
  const forged = sealer.seal(plain)
  forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1
  measure(`${size} bytes: dropped, forged in the name of a known sender`, () => opener.open(forged, from))
  const stranger = newSealer().seal(plain)
  stranger[stranger.length - 1] = (stranger[stranger.length - 1] as number) ^ 1
  measure(`${size} bytes: dropped, forged in any name (cut off)`, () => opener.open(stranger, from))
}

function newSealer(): DatagramSealer {
  return new DatagramSealer(keyring, 'main', cryptography)
}

function newOpener(): DatagramOpener {
  return new DatagramOpener(keyring, 'main', cryptography, { own: new Uint8Array(16), nowMs: () => performance.now() })
}

/** Each of them opens once only, so they are made first. */
function measureEach(name: string, next: () => Uint8Array, opener: DatagramOpener): void {
  const sealed = Array.from({ length: (rounds + 1) * callsPerRound }, next)
  let at = 0
  measure(name, () => {
    const opened = opener.open(sealed[at] as Uint8Array, from)
    if (!(opened instanceof Uint8Array)) throw new Error(`not opened: ${opened.reason}`)
    at += 1
  })
}

/** The best of some rounds, after one for nothing. */
function measure(name: string, call: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round <= rounds; round += 1) {
    const before = process.cpuUsage()
    for (let count = 0; count < callsPerRound; count += 1) call()
    const { user, system } = process.cpuUsage(before)
    if (round > 0) best = Math.min(best, (user + system) / callsPerRound)
  }
  console.log(`${best.toFixed(2).padStart(8)} us  ${name}`)
}
