import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import type { Datagrams } from '../../lib/ports/network.ts'
import { DatagramOpener, type Dropped } from '../../lib/security/datagram-opener.ts'
import { DatagramSealer } from '../../lib/security/datagram-sealer.ts'
import { Keyring, type SecretKey, toSecretKey } from '../../lib/security/keyring.ts'
import { knownSendersMax } from '../../lib/security/known-senders.ts'
import { SealedDatagrams } from '../../lib/security/sealed-datagrams.ts'
import { sealBytes, sealedHeaderBytes } from '../../lib/security/sealed-header.ts'
import { failuresPerSecondMax } from '../../lib/security/stranger-table.ts'
import { type Endpoint, toEndpoint } from '../../lib/vocabulary/ids.ts'
import { datagramBytesMax } from '../../lib/vocabulary/limits.ts'
import { sealedDatagramVersion } from '../../lib/wire/datagram.ts'

const cryptography = createCryptography()
const [one, two] = [keyOf(1), keyOf(2)]
const hello = new TextEncoder().encode('hello, carts/ada')
const home = toEndpoint('10.0.0.1:7071')

t.test('what is sealed with the secret opens with it, and shows nothing of itself', async (t) => {
  const ada = sealer()
  const bob = opener()
  const sealed = ada.seal(hello)
  t.equal(sealed.length, hello.length + sealBytes)
  t.notOk(Buffer.from(sealed).includes('carts'))
  t.same(bob.open(sealed, home), hello)
  t.not(text(sealed), text(ada.seal(hello)), 'nor that it says the same again')
  t.same(bob.open(sealer().seal(hello), home), hello, 'whoever of them sends it')
  t.same(bob.open(ada.seal(new Uint8Array(0)), home), new Uint8Array(0))
})

t.test('it opens once, in any order', async (t) => {
  const ada = sealer()
  const bob = opener()
  const sent = Array.from({ length: 20 }, () => ada.seal(hello))
  for (const sealed of sent.toReversed()) t.same(bob.open(sealed, home), hello)
  for (const sealed of sent) t.match(bob.open(sealed, toEndpoint('10.6.6.6:6')), { reason: 'replayed' })
  for (let number = 0; number < 1_100; number += 1) bob.open(ada.seal(hello), home)
  t.match(
    bob.open(sent[0] as Uint8Array, home),
    { reason: 'replayed' },
    'also when it is older than what is remembered',
  )
})

t.test('nothing of it can be changed', async (t) => {
  const sealed = sealer().seal(hello)
  for (let at = 0; at < sealed.length; at += 1) {
    const altered = sealed.slice()
    altered[at] = (altered[at] as number) ^ 1
    const dropped = opener().open(altered, home)
    const expected = at === 0 ? 'foreign' : at === 1 ? 'unknown-version' : at < 6 ? 'wrong-cluster' : 'damaged'
    t.match(dropped, { reason: at >= 6 && at < 10 ? 'unknown-key' : expected }, `byte ${at}`)
  }
  for (let length = 0; length < sealed.length; length += 1) {
    const dropped = opener().open(sealed.slice(0, length), home)
    t.match(
      dropped,
      { reason: length < 2 ? /foreign|unknown/ : length < sealBytes ? 'foreign' : 'damaged' },
      `cut at ${length}`,
    )
  }
})

t.test('what the header betrays is told without an effort', async (t) => {
  const tries: string[] = []
  const bob = opener({ onTry: () => tries.push('tried') })
  t.match(bob.open(sealer({ cluster: 'other' }).seal(hello), home), { reason: 'wrong-cluster' })
  t.match(bob.open(sealer({ keys: [two] }).seal(hello), home), { reason: 'unknown-key', keyId: two.id })
  t.match(bob.open(Uint8Array.of(0xd7, 1, 2, 3), home), { reason: 'plain' })
  t.match(bob.open(Uint8Array.of(1, 2, 3), home), { reason: 'foreign' })
  t.match(bob.open(Uint8Array.of(0xd7, 9), home), { reason: 'unknown-version' })
  const sealed = sealer().seal(hello)
  bob.open(sealed, home)
  tries.length = 0
  t.match(bob.open(sealed, home), { reason: 'replayed' })
  t.same(tries, [])
})

t.test('what a node said does not come back to it', async (t) => {
  const ada = sealer()
  const own = new DatagramOpener(new Keyring([one]), 'main', cryptography, { own: ada.sender, nowMs: () => 0 })
  t.match(own.open(ada.seal(hello), home), { reason: 'replayed' })
})

t.test('a number that was made up moves no window', async (t) => {
  const ada = sealer()
  const bob = opener()
  const [first, second] = [ada.seal(hello), ada.seal(hello)] as const
  bob.open(second, home)
  const forged = ada.seal(hello)
  forged.set([0xff, 0xff], sealedHeaderBytes - 6)
  t.match(bob.open(forged, home), { reason: 'damaged' })
  t.same(bob.open(first, home), hello)
})

t.test('keys change in three steps, and no datagram is lost on the way', async (t) => {
  const [ada, bob] = [new Keyring([one]), new Keyring([one])]
  const sending = new DatagramSealer(ada, 'main', cryptography)
  const receiving = opener({ ring: bob })
  const says = (): unknown => receiving.open(sending.seal(hello), home)
  t.same(says(), hello)
  bob.replace([one, two])
  t.same(says(), hello)
  ada.replace([two, one])
  t.same(says(), hello, 'a new key from a node that is known already')
  bob.replace([two, one])
  ada.replace([one, two])
  t.same(says(), hello, 'and back again: its numbers go on, none serves twice under a key')
  ada.replace([two])
  bob.replace([two])
  t.same(says(), hello)
  ada.replace([one])
  t.match(says(), { reason: 'unknown-key', keyId: one.id }, 'and what is removed opens nothing any more')
})

t.test('an address that floods is cut off, but nobody who is known there', async (t) => {
  const clock = { nowMs: 1_000 }
  const tried: number[] = []
  const bob = opener({ clock, onTry: () => tried.push(clock.nowMs) })
  const ada = sealer()
  bob.open(ada.seal(hello), home)
  const flood = forgeries(ada.seal(hello))
  let cutOffMs: number | undefined
  for (let count = 0; count <= failuresPerSecondMax; count += 1) {
    const dropped = bob.open(flood(), toEndpoint(`10.0.0.1:${1000 + count}`)) as Dropped
    t.equal(dropped.reason, 'damaged')
    cutOffMs ??= dropped.cutOffMs
  }
  t.equal(cutOffMs, 1_000)
  tried.length = 0
  for (let count = 0; count < 1_000; count += 1) {
    clock.nowMs += 0.9
    bob.open(flood(), home)
  }
  t.ok(tried.length <= 50, `an effort is made for ${tried.length} of 1,000`)
  clock.nowMs += 0.01
  t.match(bob.open(Uint8Array.of(1), home), { reason: 'cut-off' }, 'and about garbage nothing more is said')
  t.same(bob.open(ada.seal(hello), home), hello, 'a member that is known there is heard')
  t.same(
    bob.open(sealer().seal(hello), toEndpoint('10.0.0.2:7071')),
    hello,
    'so is one that introduces itself elsewhere',
  )

  await t.test('and one that starts anew at that address gets through', async (t) => {
    const again = sealer()
    let sent = 0
    for (let isHeard = false; !isHeard && sent < 200; ) {
      // Among ten times as many of the flood.
      for (let count = 0; count < 10; count += 1) {
        clock.nowMs += 1.7
        bob.open(flood(), home)
      }
      clock.nowMs += 1.7
      sent += 1
      isHeard = bob.open(again.seal(hello), home) instanceof Uint8Array
    }
    t.ok(sent < 200, `its datagram number ${sent} was`)
    t.same(bob.open(again.seal(hello), home), hello, 'and from then on each of them')
  })
})

t.test('of senders as many are remembered as there can be, and those who are silent go first', async (t) => {
  const bob = opener()
  const ada = sealer()
  const [first, later] = [ada.seal(hello), ada.seal(hello)] as const
  bob.open(first, home)
  for (let count = 1; count < knownSendersMax; count += 1) bob.open(sealer().seal(hello), home)
  bob.open(later, home)
  bob.open(sealer().seal(hello), home)
  t.match(bob.open(first, home), { reason: 'replayed' }, 'ada was heard after all the others')
})

t.test('as a port: bound, sent, received, counted', async (t) => {
  const inner = new Wire()
  const dropped: string[] = []
  const sealing = { keyring: new Keyring([one]), cluster: 'main', cryptography, nowMs: () => 0 }
  const datagrams = new SealedDatagrams(inner, {
    ...sealing,
    onDropped: ({ reason }, from) => dropped.push(`${reason} ${from}`),
  })
  t.equal(datagrams.bytesMax, datagramBytesMax - sealBytes)
  const heard: string[] = []
  datagrams.bind(
    home,
    (bytes) => heard.push(text(bytes)),
    () => {},
  )
  let send: ((bytes: Uint8Array) => void) | undefined
  datagrams.bind(
    toEndpoint('10.0.0.2:7071'),
    () => {},
    (_failure, socket) => {
      send = (bytes) => socket?.send(home, bytes)
    },
  )
  send?.(hello)
  t.same(heard, [text(hello)])
  t.equal(inner.sent[0]?.[1], sealedDatagramVersion)
  inner.deliver(home, Uint8Array.of(0xd7, 1))
  inner.deliver(home, inner.sent[0] as Uint8Array)
  t.same(dropped, ['plain 10.6.6.6:6', 'replayed 10.6.6.6:6'])
  t.equal(heard.length, 1)
})

/** A network of one process that loses nothing. */
class Wire implements Datagrams {
  readonly bytesMax = datagramBytesMax
  readonly sent: Uint8Array[] = []
  readonly #bound = new Map<Endpoint, (bytes: Uint8Array, from: Endpoint) => void>()

  bind(...[at, onDatagram, done]: Parameters<Datagrams['bind']>): void {
    this.#bound.set(at, onDatagram)
    done(undefined, {
      local: at,
      send: (to, bytes) => {
        this.sent.push(bytes)
        this.#bound.get(to)?.(bytes, at)
      },
      close: (closed) => closed(),
    })
  }

  deliver(to: Endpoint, bytes: Uint8Array): void {
    this.#bound.get(to)?.(bytes, toEndpoint('10.6.6.6:6'))
  }
}

function sealer({ keys = [one], cluster = 'main' }: { keys?: readonly SecretKey[]; cluster?: string } = {}) {
  return new DatagramSealer(new Keyring(keys), cluster, cryptography)
}

function opener(options: { ring?: Keyring; clock?: { nowMs: number }; onTry?: () => void } = {}): DatagramOpener {
  const { ring = new Keyring([one]), clock = { nowMs: 0 }, onTry = () => {} } = options
  const watched = {
    ...cryptography,
    aead: (key: Uint8Array) => {
      const aead = cryptography.aead(key)
      const open: typeof aead.open = (...sealed) => {
        onTry()
        return aead.open(...sealed)
      }
      return { ...aead, open }
    },
  }
  return new DatagramOpener(ring, 'main', watched, { own: new Uint8Array(16), nowMs: () => clock.nowMs })
}

/** From somebody who has seen one datagram, and makes up senders. */
function forgeries(seen: Uint8Array): () => Uint8Array {
  let count = 0
  return () => {
    const forged = seen.slice()
    count += 1
    forged.set([count >> 8, count & 255], 10)
    return forged
  }
}

function keyOf(filling: number): SecretKey {
  return toSecretKey(new Uint8Array(32).fill(filling), cryptography)
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
