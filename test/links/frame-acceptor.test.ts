import t from 'tap'
import { acceptorSettingsDefault } from '../../lib/links/frame-acceptor.ts'
import { headerBytesMax } from '../../lib/wire/frame.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Frame } from '../../lib/wire/messages.ts'
import fc from '../fixtures/fast-check.ts'
import { frame as anyFrame } from '../wire/fixtures/frame-arbitraries.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { adaDigest, adaId, at, bobDigest, hello, listening, newWorld, RawPeer, request, welcome } from './parties.ts'

const greeting: Frame = { kind: 'hello', message: hello() }

t.test('a caller that says hello', async (t) => {
  await t.test('is welcomed, and each answer names its request', async (t) => {
    const { world, bob, ada } = met()
    bob.isSlow = true
    ada.say(greeting, request(7, 'first'), request(9, 'second'))
    world.run(10)
    for (const { message, respond } of [...bob.served].reverse()) {
      respond({ type: 'keys', keys: [message.type === 'list-keys' ? message.prefix : '?'], isComplete: true })
    }
    world.run(10)
    t.match(ada.heard, [
      { kind: 'welcome', message: welcome },
      { kind: 'response', id: 9, digest: bobDigest, message: { keys: ['second'] } },
      { kind: 'response', id: 7, digest: bobDigest, message: { keys: ['first'] } },
    ])
    t.match(bob.served[0]?.caller, { role: 'peer', nodeId: adaId })
  })

  await t.test('hears answers of one turn in one write', async (t) => {
    const { world, bob, ada } = met()
    ada.say(greeting)
    world.run(10)
    const before = ada.writes
    ada.say(...Array.from({ length: 20 }, (_, index) => request(index + 1, `${index}`)))
    world.run(10)
    t.equal(ada.heard.length, 21)
    t.equal(ada.writes - before, 1)
    t.equal(bob.served.length, 20)
  })

  await t.test('hears one answer, however often one is given', async (t) => {
    const { world, bob, ada } = met()
    bob.isSlow = true
    ada.say(greeting, request(1, 'once'))
    world.run(10)
    for (const keys of [['first'], ['second']]) bob.served[0]?.respond({ type: 'keys', keys, isComplete: true })
    world.run(10)
    t.match(ada.heard.slice(1), [{ id: 1, message: { keys: ['first'] } }])
    t.equal(ada.heard.length, 2)
  })

  await t.test('is told when no frame can carry its answer, and what it leaves behind is not known', async (t) => {
    const { world, bob, ada } = met()
    bob.isSlow = true
    ada.say(greeting, request(1, 'large'), request(2, 'small'))
    world.run(10)
    const message = 'x'.repeat(headerBytesMax)
    bob.served[0]?.respond({ type: 'refused', code: 'busy', message, aftermath: 'nothing-changed', hint: '' })
    bob.served[1]?.respond({ type: 'keys', keys: ['small'], isComplete: true })
    world.run(10)
    t.match(ada.heard.slice(1), [
      { id: 1, message: { type: 'refused', code: 'value-too-large', aftermath: 'may-have-changed' } },
      { id: 2, message: { keys: ['small'] } },
    ])
  })

  await t.test('shows its layout digest when it is another one', async (t) => {
    const { world, bob, ada } = met()
    ada.say(greeting, request(1, 'same digest'), { ...(request(2, 'other') as object), digest: adaDigest } as Frame)
    world.run(10)
    t.same(bob.digests, [{ digest: adaDigest, nodeId: adaId }])
  })

  await t.test('is answered when it pings', async (t) => {
    const { world, ada } = met()
    ada.say(greeting, { kind: 'ping' })
    world.run(10)
    t.same(ada.heardKinds, ['welcome', 'pong'])
  })

  await t.test('is told when it asks too much at once, and the rest is served', async (t) => {
    const { world, bob, ada } = met({ ...acceptorSettingsDefault, inFlightPerConnectionMax: 2 })
    bob.isSlow = true
    ada.say(greeting, request(1, 'a'), request(2, 'b'), request(3, 'c'))
    world.run(10)
    t.match(ada.heard.slice(1), [{ id: 3, message: { code: 'busy', aftermath: 'nothing-changed' } }])
    bob.served[0]?.respond({ type: 'keys', keys: ['a'], isComplete: true })
    ada.say(request(4, 'd'))
    world.run(10)
    t.equal(bob.served.length, 3, 'one answer makes room for one request')
  })
})

t.test('a connection ends, with a reason that is told and counted once,', async (t) => {
  const cases: readonly (readonly [string, readonly Frame[], string])[] = [
    ['when a second hello comes', [greeting, greeting], 'a second hello'],
    ['when a request comes before hello', [request(1, 'a')], 'a request before hello'],
    [
      'when a listener speaks',
      [{ kind: 'welcome', message: welcome }],
      'kind welcome is not for the side that listens',
    ],
    ['when an answer comes', [greeting, answer()], 'kind response is not for the side that listens'],
  ]
  for (const [name, frames, reason] of cases) {
    await t.test(name, async (t) => {
      const { world, bob, ada } = met()
      ada.say(...frames, greeting, request(5, 'after the fault'))
      world.run(100)
      t.equal(bob.malformed.length, 1)
      t.match(bob.malformed[0], reason)
      t.match(ada.heard.at(-1), { kind: 'goodbye', message: { reason: 'malformed' } })
      t.same([ada.closed.length, bob.acceptor.connections, bob.served.length], [1, 0, 0])
    })
  }

  await t.test('when the bytes are no frame', async (t) => {
    const { world, bob, ada } = met()
    ada.sayBytes(Buffer.from('GET / HTTP/1.1\r\nHost: starling\r\n\r\n'))
    world.run(100)
    t.same(bob.malformed, ['a frame is larger than a frame may be'])
    t.same([ada.closed.length, bob.acceptor.connections], [1, 0])
  })

  await t.test('when a byte was changed on the way', async (t) => {
    const { world, bob, ada } = met()
    const bytes = Buffer.concat(encodeFrame(greeting, hash))
    bytes[20] = (bytes[20] as number) ^ 4
    ada.sayBytes(bytes)
    world.run(100)
    t.same(bob.malformed, ['a frame is damaged'])
    t.equal(ada.closed.length, 1)
  })
})

t.test('a caller that is not welcome', async (t) => {
  for (const reason of ['wrong-cluster', 'foreign-cluster', 'unknown-version'] as const) {
    await t.test(`is told that it is of ${reason}, and nothing it says after that counts`, async (t) => {
      const world = newWorld()
      let greetings = 0
      const greet = () => {
        greetings += 1
        return greetings > 1 ? welcome : ({ type: 'goodbye', reason, message: 'no' } as const)
      }
      const bob = listening(world, 'bob', { greet })
      const ada = RawPeer.connect(world, world.portsFor('ada'), 'bob')
      ada.say(greeting, greeting, request(1, 'a'))
      world.run(100)
      t.match(ada.heard, [{ kind: 'goodbye', message: { reason } }])
      t.same([ada.heard.length, ada.closed.length, bob.acceptor.connections], [1, 1, 0])
      t.same([bob.served.length, bob.malformed.length], [0, 0])
    })
  }

  await t.test('is cut off when it says nothing', async (t) => {
    const { world, bob, ada } = met()
    const other = RawPeer.connect(world, world.portsFor('cyd'), 'bob')
    other.say(greeting)
    world.run(acceptorSettingsDefault.handshakeMsMax - 100)
    t.equal(ada.closed.length, 0)
    world.run(3200)
    t.same([ada.closed.length, other.closed.length, bob.acceptor.connections], [1, 0, 1])
    t.same(bob.malformed, [])
  })

  await t.test('is sent away when there are too many already', async (t) => {
    const { world, bob, ada } = met({ ...acceptorSettingsDefault, connectionsMax: 1 })
    ada.say(greeting)
    world.run(10)
    const second = RawPeer.connect(world, world.portsFor('cyd'), 'bob')
    world.run(100)
    t.match(second.heard, [{ kind: 'goodbye', message: { reason: 'overloaded' } }])
    t.same([second.closed.length, ada.closed.length, bob.acceptor.connections], [1, 0, 1])
  })
})

t.test('a connection that nobody uses is ended, one with a request under way is not', async (t) => {
  const { world, bob, ada } = met()
  const waiting = RawPeer.connect(world, world.portsFor('cyd'), 'bob')
  const pinging = RawPeer.connect(world, world.portsFor('dan'), 'bob')
  bob.isSlow = true
  ada.say(greeting)
  waiting.say(greeting, request(1, 'slow'))
  pinging.say(greeting)
  for (let second = 0; second < 40; second += 1) {
    pinging.say({ kind: 'ping' })
    world.run(1000)
  }
  t.same([ada.closed.length, waiting.closed.length, pinging.closed.length], [1, 0, 0])
  bob.served[0]?.respond({ type: 'row-kept' })
  world.run(2000)
  t.match(waiting.heard.at(-1), { id: 1, message: { type: 'row-kept' } })
  world.run(35_000)
  t.equal(waiting.closed.length, 1)
})

t.test('who does not read is cut off before its answers fill the memory', async (t) => {
  const { world, bob, ada } = met()
  bob.isSlow = true
  ada.say(greeting, ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => request(id, 'large')))
  world.run(10)
  world.pause('ada')
  const record = new Uint8Array(15 * 1024 * 1024)
  for (const { respond } of bob.served) {
    respond({
      type: 'record-read',
      state: 'found',
      isRecovering: false,
      record,
      asOf: 0 as never,
      gcDeleted: 0 as never,
    })
    world.run(10)
  }
  t.equal(bob.acceptor.connections, 0)
  t.same(bob.malformed, [], 'slow is not malformed')
})

t.test('closing ends what exists and accepts nobody any more', async (t) => {
  const { world, bob, ada } = met()
  ada.say(greeting)
  world.run(10)
  let isClosed = false
  world.inProcess('bob', () => bob.acceptor.close(() => (isClosed = true)))
  world.run(100)
  t.same([isClosed, ada.closed.length, bob.acceptor.connections], [true, 1, 0])
  let failure: string | undefined
  world.restart('ada').streams.connect(at('bob'), new RawPeer().handlers, (failed) => (failure = failed?.kind))
  world.run(100)
  t.equal(failure, 'refused')
})

t.test('whatever bytes come, that connection alone ends, and nothing is left of it', async (t) => {
  const { world, bob, ada } = met()
  ada.say(greeting)
  const strangers = world.portsFor('eve')
  let id = 0
  fc.assert(
    fc.property(hostileBytes(), ({ bytes, isHello, cutAt }) => {
      const countBefore = bob.malformed.length
      const eve = RawPeer.connect(world, strangers, 'bob')
      if (isHello) eve.say(greeting)
      eve.sayBytes(bytes.subarray(0, cutAt))
      world.run(2)
      eve.sayBytes(bytes.subarray(cutAt))
      world.run(20)
      const blamed = bob.malformed.length - countBefore
      if (blamed > 1) throw new Error(`blamed ${blamed} times`)
      if (blamed === 1 && eve.closed.length !== 1) throw new Error('blamed, and not closed')
      if (blamed === 0) eve.stream?.destroy()
      id += 1
      ada.say(request(id, `${id}`))
      world.run(20)
      const last = ada.heard.at(-1)
      if (last?.kind !== 'response' || last.id !== id) throw new Error('a neighbour went without its answer')
      if (bob.acceptor.connections !== 1) throw new Error(`${bob.acceptor.connections} connections are left`)
    }),
    { numRuns: 400, seed: 4711 },
  )
  t.ok(bob.malformed.length > 200, `${bob.malformed.length} of 400 were found out at once`)
  t.equal(ada.closed.length, 0)
})

/** Noise, and well-formed frames with a byte changed, cut short, or simply not for this side. */
function hostileBytes() {
  const noise = fc.uint8Array({ maxLength: 300 })
  const changed = fc.tuple(anyFrame, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([frame, place, xor]) => {
    const bytes = Buffer.concat(encodeFrame(frame, hash))
    const index = place % bytes.length
    bytes[index] = (bytes[index] as number) ^ xor
    return bytes
  })
  const cut = fc.tuple(anyFrame, fc.nat(), noise).map(([frame, place, rest]) => {
    const bytes = Buffer.concat(encodeFrame(frame, hash))
    return Buffer.concat([bytes.subarray(0, place % bytes.length), rest])
  })
  const misplaced = anyFrame
    .filter(({ kind }) => kind !== 'request' && kind !== 'ping' && kind !== 'pong' && kind !== 'goodbye')
    .map((frame) => Buffer.concat(encodeFrame(frame, hash)))
  return fc
    .record({ bytes: fc.oneof(noise, changed, cut, misplaced), isHello: fc.boolean(), place: fc.nat() })
    .map(({ bytes, isHello, place }) => ({ bytes, isHello, cutAt: place % (bytes.length + 1) }))
}

function met(settings = acceptorSettingsDefault) {
  const world = newWorld()
  const bob = listening(world, 'bob', { settings })
  const ada = RawPeer.connect(world, world.portsFor('ada'), 'bob')
  return { world, bob, ada }
}

function answer(): Frame {
  return { kind: 'response', id: 1, digest: bobDigest, message: { type: 'row-kept' } }
}
