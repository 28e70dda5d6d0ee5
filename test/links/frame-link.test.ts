import t from 'tap'
import { acceptorSettingsDefault } from '../../lib/links/frame-acceptor.ts'
import { linkSettingsDefault } from '../../lib/links/frame-link.ts'
import { headerBytesMax } from '../../lib/wire/frame.ts'
import type { Frame } from '../../lib/wire/messages.ts'
import {
  adaDigest,
  at,
  bobDigest,
  linking,
  listening,
  newWorld,
  question,
  type RawPeer,
  rawListening,
  request,
  response,
  told,
  welcome,
} from './parties.ts'

const { silenceMsMax, heartbeatEveryMs, handshakeMsMax, backoffMsMin, backoffMsMax } = linkSettingsDefault

t.test('a request', async (t) => {
  await t.test('waits for the connection, and is answered with what was asked', async (t) => {
    const world = newWorld()
    const bob = listening(world, 'bob')
    const ada = linking(world, 'ada')
    const outcomes = [ada.ask('bob', 'one'), ada.ask('bob', 'two')]
    t.equal(ada.pool.inFlight, 2)
    world.run(50)
    t.same(outcomes.map(told), [['answered one'], ['answered two']])
    t.same([ada.pool.inFlight, ada.pool.size, bob.acceptor.connections], [0, 1, 1])
    t.same(ada.told, [`welcome from ${at('bob')}`])
    t.equal(bob.digests.length, 2, 'each request shows the asker’s layout digest')
    t.same(ada.digests[0], { digest: bobDigest, from: at('bob') }, 'each answer the answerer’s')
  })

  await t.test('gets its own answer, in whatever order answers come', async (t) => {
    const { world, ada, bob } = await linked()
    const outcomes = ['one', 'two', 'three'].map((name) => ada.ask('bob', name))
    world.run(10)
    bob.say(...requestsHeard(bob).reverse().map(answerOf))
    world.run(10)
    t.same(outcomes.map(told), [['answered one'], ['answered two'], ['answered three']])
  })

  await t.test('with a key in it never leaves over a connection that others can read', async (t) => {
    const { world, ada, bob } = await linked()
    const key = new Uint8Array(32).fill(7)
    const outcomes: unknown[] = []
    const order = { type: 'change-secret', step: 1, change: 'add', keyId: '0a0b0c0d', key } as const
    ada.pool.request(at('bob'), order, 1000, (outcome) => outcomes.push(outcome))
    world.run(100)
    t.match(outcomes, [{ type: 'not-sent', reason: /others can read/ }])
    t.equal(requestsHeard(bob).length, 0)
  })

  await t.test('leaves together with the others of its turn', async (t) => {
    const { world, ada, bob } = await linked()
    const before = bob.writes
    world.inProcess('ada', () => ['one', 'two', 'three'].map((name) => ada.ask('bob', name)))
    world.run(10)
    t.same([requestsHeard(bob).length, bob.writes - before], [3, 1])
  })

  await t.test('hears one answer when there are two, and nothing of one to a question nobody asked', async (t) => {
    const { world, ada, bob } = await linked()
    const outcome = ada.ask('bob', 'one')
    world.run(10)
    const [asked] = requestsHeard(bob)
    bob.say(response(999, 'never asked'), answerOf(asked), response(idOf(asked), 'again'))
    world.run(10)
    t.same(told(outcome), ['answered one'])
    const next = ada.ask('bob', 'two')
    world.run(10)
    bob.say(answerOf(requestsHeard(bob)[1]))
    world.run(10)
    t.same(told(next), ['answered two'], 'and the connection goes on')
  })

  await t.test(
    'of which nothing is heard in time may have been carried out; the late answer goes nowhere',
    async (t) => {
      const { world, ada, bob } = await linked()
      const outcome = ada.ask('bob', 'one', 500)
      world.run(490)
      t.same(told(outcome), [])
      world.run(60)
      t.same(told(outcome), ['unknown: no answer before the deadline'])
      bob.say(answerOf(requestsHeard(bob)[0]))
      world.run(10)
      t.same([told(outcome).length, ada.pool.inFlight], [1, 0])
    },
  )

  await t.test('that was refused tells why', async (t) => {
    const { world, ada, bob } = await linked()
    const outcome = ada.ask('bob', 'one')
    world.run(10)
    const refusal = {
      type: 'refused',
      code: 'not-owner',
      message: 'no',
      aftermath: 'nothing-changed',
      hint: '',
    } as const
    bob.say({ kind: 'response', id: idOf(requestsHeard(bob)[0]), digest: adaDigest, message: refusal })
    world.run(10)
    t.same(told(outcome), ['refused not-owner'])
  })

  await t.test('that no frame can carry is not sent, and takes none of the others with it', async (t) => {
    const { world, ada, bob } = await linked()
    const outcomes = ['one', 'x'.repeat(headerBytesMax), 'three'].map((name) => ada.ask('bob', name))
    world.run(10)
    t.match(told(outcomes[1] as (typeof outcomes)[number]), [/^not-sent: the frame would have \d+ bytes$/])
    t.equal(ada.pool.inFlight, 2)
    bob.say(...requestsHeard(bob).map(answerOf))
    world.run(10)
    t.same(
      [outcomes[0], outcomes[2]].map((outcome) => outcome && told(outcome)),
      [['answered one'], ['answered three']],
    )
  })

  await t.test('beyond the bound in flight is not sent', async (t) => {
    const { world, ada, bob } = await linked({ inFlightMax: 2 })
    const outcomes = ['one', 'two', 'three'].map((name) => ada.ask('bob', name))
    world.run(10)
    t.same(outcomes.map(told), [[], [], ['not-sent: too many requests in flight']])
    t.equal(requestsHeard(bob).length, 2)
  })
})

t.test('where nobody listens', async (t) => {
  await t.test('a request was surely not sent, and the next is not even tried until the backoff is over', async (t) => {
    const world = newWorld()
    world.portsFor('bob')
    const ada = linking(world, 'ada')
    const first = ada.ask('bob', 'one')
    world.run(5)
    t.match(told(first), [/^not-sent: .*nobody listens/])
    t.ok(ada.pool.isBackingOff(at('bob')))
    const second = ada.ask('bob', 'two')
    world.run(5)
    t.match(told(second), [/^not-sent: the last attempt/])
    world.run(backoffMsMin)
    t.notOk(ada.pool.isBackingOff(at('bob')))
  })

  await t.test('attempts get rarer, up to a bound, each at a moment of its own', async (t) => {
    const world = newWorld()
    world.portsFor('bob')
    const ada = linking(world, 'ada')
    const waits: number[] = []
    for (let attempt = 0; attempt < 10; attempt += 1) {
      ada.ask('bob', 'one')
      world.runUntil(() => ada.pool.isBackingOff(at('bob')), 1000)
      const from = world.nowMs
      while (ada.pool.isBackingOff(at('bob'))) world.run(1)
      waits.push(world.nowMs - from)
    }
    for (const [attempt, waitMs] of waits.entries()) {
      const fullMs = Math.min(backoffMsMax, backoffMsMin * 2 ** attempt)
      t.ok(waitMs >= fullMs / 2 - 2 && waitMs <= fullMs + 2, `${waitMs} of ${fullMs} ms`)
    }
    t.ok(new Set(waits.slice(-3)).size === 3, 'at the bound chance still spreads them')
  })

  await t.test('a sign of life ends the backoff', async (t) => {
    const world = newWorld()
    world.portsFor('bob')
    const ada = linking(world, 'ada')
    ada.ask('bob', 'one')
    world.run(10)
    world.crash('bob', 'kill')
    listening(world, 'bob')
    ada.pool.encourage(at('bob'))
    const outcome = ada.ask('bob', 'two')
    world.run(20)
    t.same(told(outcome), ['answered two'])
  })

  await t.test('a host without power costs no more than the deadline', async (t) => {
    const world = newWorld()
    world.portsFor('bob')
    world.crash('bob', 'power')
    const ada = linking(world, 'ada')
    const outcome = ada.ask('bob', 'one', 300)
    world.run(350)
    t.same(told(outcome), ['not-sent: no connection before the deadline'])
    t.equal(ada.pool.inFlight, 0)
  })
})

t.test('whoever listens and does not keep to the protocol', async (t) => {
  await t.test('by silence, is given up after the time for a handshake', async (t) => {
    const { world, ada, bob } = await met()
    const outcome = ada.ask('bob', 'one', 60_000)
    world.run(handshakeMsMax - 50)
    t.same(told(outcome), [])
    world.run(100)
    t.match(told(outcome), [/^not-sent: no welcome in time/])
    t.equal(bob().closed.length, 1)
  })

  await t.test('by a goodbye, is heard out: nothing was sent', async (t) => {
    const { world, ada, bob } = await met()
    const outcome = ada.ask('bob', 'one')
    world.run(10)
    bob().say({ kind: 'goodbye', message: { type: 'goodbye', reason: 'foreign-cluster', message: 'another one' } })
    world.run(10)
    t.match(told(outcome), [/^not-sent: foreign-cluster: another one/])
    t.same(ada.told, [`goodbye from ${at('bob')}: foreign-cluster`])
  })

  const faults: readonly (readonly [string, Frame])[] = [
    ['by a second welcome', { kind: 'welcome', message: welcome }],
    ['by asking instead of answering', request(1, 'who are you')],
  ]
  for (const [name, fault] of faults) {
    await t.test(`${name}, is left: what was asked may have been carried out`, async (t) => {
      const { world, ada, bob } = await linked()
      const outcome = ada.ask('bob', 'one')
      world.run(10)
      bob.say(fault)
      world.run(10)
      t.match(told(outcome), [/^unknown: /])
      t.same([bob.closed.length, ada.pool.inFlight], [1, 0])
    })
  }

  await t.test('by bytes that are no frame, is left, and said to be malformed', async (t) => {
    const { world, ada, bob } = await linked()
    const outcome = ada.ask('bob', 'one')
    world.run(10)
    bob.sayBytes(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    world.run(10)
    t.match(told(outcome), [/^unknown: malformed frame/])
    t.match(ada.told.at(-1), /^malformed: a frame is larger/)
  })
})

t.test('when the other side dies, what was sent is unknown, what was not is not sent', async (t) => {
  const world = newWorld()
  const bob = listening(world, 'bob')
  bob.isSlow = true
  const ada = linking(world, 'ada')
  const sent = ada.ask('bob', 'sent')
  world.run(50)
  t.equal(bob.served.length, 1)
  world.crash('bob', 'kill')
  world.run(10)
  t.match(told(sent), [/^unknown: /])
  world.run(1000)
  world.portsFor('bob')
  const unsent = ada.ask('bob', 'unsent')
  world.run(20)
  t.match(told(unsent), [/^not-sent: /])
  world.run(1000)
  world.crash('bob', 'kill')
  listening(world, 'bob')
  const next = ada.ask('bob', 'next')
  world.run(50)
  t.same(told(next), ['answered next'], 'and the next one finds it again')
})

t.test('a black hole is noticed by its silence, and left behind when it is gone', async (t) => {
  const world = newWorld()
  const bob = listening(world, 'bob')
  const ada = linking(world, 'ada')
  ada.ask('bob', 'before')
  world.run(3 * silenceMsMax)
  t.ok(ada.pool.isReady(at('bob')), 'heartbeats keep a connection that nobody uses')
  world.network.link(world.machine('bob'), world.machine('ada')).cut()
  const fromMs = world.nowMs
  const during = ada.ask('bob', 'during', 60_000)
  t.ok(
    world.runUntil(() => during.length > 0, 60_000),
    'it ends',
  )
  const tookMs = world.nowMs - fromMs
  t.match(told(during), ['unknown: silent'])
  t.ok(tookMs <= silenceMsMax + heartbeatEveryMs, `${tookMs} ms`)
  world.network.healAll()
  world.run(500)
  const after = ada.ask('bob', 'after')
  world.run(2000)
  t.same(told(after), ['answered after'])
  world.run(2 * acceptorSettingsDefault.idleMsMax)
  t.equal(bob.acceptor.connections, 1, 'the old connection is gone')
})

t.test('while nobody waits for an answer the links are looked at rarely', async (t) => {
  const world = newWorld()
  listening(world, 'bob')
  const ada = linking(world, 'ada')
  ada.ask('bob', 'one')
  world.run(5000)
  const before = world.happened
  world.run(10_000)
  const perSecond = (world.happened - before) / 10
  t.ok(perSecond < 10, `${perSecond} events a second, heartbeats included`)
  world.network.link(world.machine('bob'), world.machine('ada')).cut()
  const outcome = ada.ask('bob', 'two', 30)
  world.run(60)
  t.same(told(outcome), ['unknown: no answer before the deadline'], 'and a short deadline is kept all the same')
})

t.test('whoever asks somebody else when a deadline has passed is told in time as well', async (t) => {
  const world = newWorld()
  listening(world, 'bob')
  listening(world, 'cyd')
  const ada = linking(world, 'ada')
  for (const name of ['bob', 'cyd']) ada.ask(name, 'hello')
  world.run(50)
  for (const name of ['bob', 'cyd']) world.network.link(world.machine(name), world.machine('ada')).cut()
  let toldAtMs = 0
  world.inProcess('ada', () =>
    ada.pool.request(at('cyd'), question('one'), 30, () =>
      ada.pool.request(at('bob'), question('two'), 30, () => {
        toldAtMs = world.nowMs
      }),
    ),
  )
  const askedAtMs = world.nowMs
  world.run(2000)
  t.ok(toldAtMs > 0 && toldAtMs - askedAtMs <= 110, `after ${toldAtMs - askedAtMs} ms`)
})

t.test('a link that nobody uses is dropped, and made again when somebody does', async (t) => {
  const world = newWorld()
  const bob = listening(world, 'bob')
  const ada = linking(world, 'ada')
  ada.ask('bob', 'one')
  world.run(121_000)
  t.same([ada.pool.size, bob.acceptor.connections], [0, 0])
  const outcome = ada.ask('bob', 'two')
  world.run(50)
  t.same(told(outcome), ['answered two'])
})

t.test('closing tells everybody who waits, and refuses whoever comes after', async (t) => {
  const world = newWorld()
  const bob = listening(world, 'bob')
  bob.isSlow = true
  const ada = linking(world, 'ada')
  const sent = ada.ask('bob', 'sent')
  world.run(50)
  const waiting = ada.ask('cyd', 'waiting')
  ada.pool.close('the test is over')
  const late = ada.ask('bob', 'late')
  world.run(10)
  t.same([sent, waiting, late].map(told), [
    ['unknown: the test is over'],
    ['not-sent: the test is over'],
    ['not-sent: the link is closed'],
  ])
  t.same([ada.pool.inFlight, ada.pool.size, bob.acceptor.connections], [0, 0, 0])
})

/** Ada has a connection to Bob, who says what the test wants. */
async function linked(settings: Partial<typeof linkSettingsDefault> = {}) {
  const { world, ada, bob } = await met(settings)
  const first = ada.ask('bob', 'hello')
  world.run(10)
  bob().say({ kind: 'welcome', message: welcome })
  world.run(10)
  bob().say(answerOf(requestsHeard(bob())[0]))
  world.run(10)
  bob().heard.length = 0
  if (told(first)[0] !== 'answered hello') throw new Error(`no connection: ${told(first)}`)
  return { world, ada, bob: bob() }
}

/** Bob accepts and is silent. */
async function met(settings: Partial<typeof linkSettingsDefault> = {}) {
  const world = newWorld()
  const accepted = rawListening(world, 'bob')
  const ada = linking(world, 'ada', settings)
  return { world, ada, bob: () => accepted.at(-1) as RawPeer }
}

type RequestFrame = Extract<Frame, { kind: 'request' }>

function requestsHeard(peer: RawPeer): RequestFrame[] {
  return peer.heard.filter((frame): frame is RequestFrame => frame.kind === 'request')
}

function idOf(asked: RequestFrame | undefined): number {
  if (asked === undefined) throw new Error('nothing was asked')
  return asked.id
}

function answerOf(asked: RequestFrame | undefined): Frame {
  if (asked?.message.type !== 'list-keys') throw new Error('nothing was asked')
  return response(asked.id, asked.message.prefix)
}
