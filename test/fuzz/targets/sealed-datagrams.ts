import { createCryptography } from '../../../lib/platform/node-cryptography.ts'
import type { Aead } from '../../../lib/ports/cryptography.ts'
import { seededRandom } from '../../../lib/ports/random.ts'
import { DatagramOpener } from '../../../lib/security/datagram-opener.ts'
import { DatagramSealer } from '../../../lib/security/datagram-sealer.ts'
import { Keyring, secretKeyBytes, toSecretKey } from '../../../lib/security/keyring.ts'
import { nonceOf, sealBytes, sealedHeaderBytes, senderBytes, senderKey } from '../../../lib/security/sealed-header.ts'
import { toEndpoint } from '../../../lib/vocabulary/ids.ts'
import { datagramBytesMax } from '../../../lib/vocabulary/limits.ts'
import { must, type Target, type Trial } from '../target.ts'
import { bytesOf } from './text.ts'

const cluster = 'main'
const home = toEndpoint('10.0.0.1:7071')
/** Fewer than an opener remembers senders: none of them is forgotten, and may say its numbers again. */
const inputsOfOneOpener = 500
const betweenInputsMs = 100
const aeadsMax = 500

const random = seededRandom([1, 2, 3, 4])
const cryptography = createCryptography((count) => Uint8Array.from({ length: count }, () => random.below(256)))
const key = toSecretKey(new Uint8Array(secretKeyBytes).fill(7), cryptography)

/** Gossip of a cluster with a secret. Repaired: somebody who has the secret says what they like. */
export const sealedDatagrams: Target = {
  name: 'sealed-datagrams',
  summary: 'sealed gossip: opened only if it was sealed with the secret, and only once; otherwise why it is dropped',
  seeds: () => {
    const sealer = new DatagramSealer(new Keyring([key]), cluster, cryptography)
    return ['', 'x', 'hello '.repeat(40)].map((text) => sealer.seal(bytesOf(text)))
  },
  repair: resealed,
  bytesMax: datagramBytesMax + 50,
  stepsMax: { base: 5_000, each: 20 },
  inputsInTests: 100_000,
  open,
}

function open(): Trial {
  let inputs = 0
  let nowMs = 0
  let opener = newOpener()
  let opened = new Set<string>()
  function newOpener(): DatagramOpener {
    return new DatagramOpener(new Keyring([key]), cluster, cryptography, {
      own: new Uint8Array(senderBytes),
      nowMs: () => nowMs,
    })
  }
  return {
    run(input) {
      inputs += 1
      nowMs += betweenInputsMs
      if (inputs % inputsOfOneOpener === 0) {
        opener = newOpener()
        opened = new Set()
      }
      const plain = opener.open(Uint8Array.from(input), home)
      if (!(plain instanceof Uint8Array)) return
      must(Buffer.from(resealed(input)).equals(input), 'nothing is opened that was not sealed with the secret')
      const name = Buffer.from(input.subarray(0, sealedHeaderBytes)).toString('hex')
      must(!opened.has(name), 'nothing is opened twice')
      opened.add(name)
    },
  }
}

/** Of the same sender, with the same number: what stands between header and tag is what was said. */
function resealed(input: Uint8Array): Uint8Array {
  const header = new Uint8Array(sealedHeaderBytes)
  header.set(input.subarray(0, sealedHeaderBytes))
  header.set(headOfOurs)
  const number = Buffer.from(header).readUIntBE(sealedHeaderBytes - 6, 6)
  const sender = header.subarray(sealedHeaderBytes - 6 - senderBytes, sealedHeaderBytes - 6)
  const aead = aeadOf(sender)
  // What was sealed is opened and sealed again, so that an untouched datagram stays as it is.
  const rest = input.subarray(sealedHeaderBytes)
  const plain = aead.open(nonceOf(number), header, rest) ?? rest.subarray(0, Math.max(0, input.length - sealBytes))
  return new Uint8Array(Buffer.concat([header, aead.seal(nonceOf(number), header, plain)]))
}

const aeads = new Map<string, Aead>()

/** Most inputs are of a sender that was met before. */
function aeadOf(sender: Uint8Array): Aead {
  const name = Buffer.from(sender).toString('latin1')
  let aead = aeads.get(name)
  if (aead === undefined) {
    aead = cryptography.aead(senderKey(key.bytes, sender, cluster, cryptography))
    if (aeads.size === aeadsMax) aeads.clear()
    aeads.set(name, aead)
  }
  return aead
}

/** Magic, version, cluster and key: the same in all datagrams. */
const headOfOurs = new DatagramSealer(new Keyring([key]), cluster, cryptography)
  .seal(new Uint8Array(0))
  .slice(0, sealedHeaderBytes - 6 - senderBytes)
