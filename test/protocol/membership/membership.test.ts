import t from 'tap'
import type { Member } from '../../../lib/protocol/membership/member.ts'
import { type Endpoint, toClusterId } from '../../../lib/vocabulary/ids.ts'
import { endpointOf, metadataOf, nodeId } from './cluster-model.ts'
import { claim, member, OneMachine } from './one-machine.ts'

// The machine under test is node 0 at start number 7; the others are played by the test and are at start number 1.

t.test('a probe', async (t) => {
  t.test('is answered to where it came from, with our clock', async (t) => {
    const one = new OneMachine().hear(1, { type: 'probe', sequence: 5, target: nodeId(0) }, [], {}, 1234)
    const [ack] = one.sent('ack')
    t.equal(ack?.to, endpointOf(1))
    t.same(ack?.packet.message, { type: 'ack', sequence: 5, wallMs: 1234 })
    t.match(ack?.packet.header, { cluster: 'test', from: nodeId(0), startNumber: 7 })
  })
  t.test('for somebody else is dropped: addresses change hands', async (t) => {
    const one = new OneMachine().hear(1, { type: 'probe', sequence: 5, target: nodeId(9) })
    t.equal(one.sent('ack').length, 0)
    t.equal(one.machine.drops().misaddressed, 1)
  })
  t.test('leaves once per interval, while all is well', async (t) => {
    const one = new OneMachine().withPeers(4)
    let probes = 0
    for (let passed = 0; passed < 10_000; passed += 100) {
      probes += one.pass(100).sent('probe').length
      one.answerProbes()
    }
    t.equal(probes, 10)
    t.same(one.machine.counts(), { alive: 5, suspect: 0, dead: 0, left: 0 })
  })
  t.test('that is not answered in time goes to three helpers, and over a stream', async (t) => {
    const one = new OneMachine().withPeers(5)
    const probe = one.nextProbe()
    one.pass(500)
    const asked = one.sent('indirect-probe')
    t.equal(new Set(asked.map(({ to }) => to)).size, 3)
    t.notOk(asked.some(({ to }) => to === endpointOf(probe?.target ?? 0)))
    const targetEndpoint = endpointOf(probe?.target ?? 0)
    const target = nodeId(probe?.target ?? 0)
    t.match(asked[0]?.packet.message, { sequence: probe?.sequence, target, targetEndpoint })
    t.match(one.did('probe-by-stream'), [{ id: probe?.sequence, target, endpoint: targetEndpoint }])
  })
  t.test('answered by its target, by a helper or over a stream suspects nobody', async (t) => {
    for (const by of ['target', 'helper', 'stream'] as const) {
      const one = new OneMachine().withPeers(5)
      const { target, sequence } = one.nextProbe() ?? { target: 0, sequence: 0 }
      const helper = indexOf(one.pass(600).sent('indirect-probe')[0]?.to)
      if (by === 'stream') {
        one.tell({ type: 'stream-probe-acked', id: sequence, node: nodeId(target), startNumber: 1 })
      } else {
        one.hear(by === 'target' ? target : helper, { type: 'ack', sequence, wallMs: 0 })
      }
      one.pass(400)
      t.equal(one.view(target), 'alive/1/0', by)
    }
  })
  t.test('answered by nobody makes a suspect, and everybody hears of it', async (t) => {
    const one = new OneMachine().withPeers(5)
    const { target } = one.nextProbe() ?? { target: 0 }
    one.pass(1000)
    t.equal(one.view(target), 'suspect/1/0')
    t.ok(one.machine.isAlive(nodeId(target)), 'who is still believed to run')
    t.ok(one.pass(400).told(target).includes('suspect/1/0'))
  })
  t.test('answered by somebody who was not asked, or by an earlier start, is unanswered', async (t) => {
    const one = new OneMachine()
      .withPeers(2)
      .gossip(1, claim(1, 'alive', 3))
      .gossip(2, claim(2, 'alive', 3))
    const { target, sequence } = one.nextProbe() ?? { target: 0, sequence: 0 }
    one.hear(3 - target, { type: 'ack', sequence, wallMs: 0 }, [], { startNumber: 3 })
    one.hear(target, { type: 'ack', sequence, wallMs: 0 }, [], { startNumber: 2 })
    one.pass(1000)
    t.equal(one.view(target), 'suspect/3/0')
  })
  t.test('tells a suspect that it is one, before any other news', async (t) => {
    const one = new OneMachine().withPeers(2).gossip(2, claim(1, 'suspect', 1, 0, 2), claim(3, 'alive'))
    for (let probe = one.nextProbe(); probe !== undefined; probe = one.nextProbe()) {
      if (probe.target !== 1) continue
      t.match(probe.packet.updates[0], { member: { id: nodeId(1), state: 'suspect' }, from: nodeId(2) })
      break
    }
  })
})

t.test('a helper', async (t) => {
  t.test('probes the target and passes its answer on, with the clock of the target', async (t) => {
    const one = asHelper()
    const [probe] = one.sent('probe')
    t.equal(probe?.to, endpointOf(2))
    const sequence = sequenceOf(one)
    one.hear(2, { type: 'ack', sequence, wallMs: 99 })
    t.match(one.sent('ack'), [{ to: endpointOf(1), packet: { message: { type: 'ack', sequence: 70, wallMs: 99 } } }])
    one.hear(2, { type: 'ack', sequence, wallMs: 99 })
    t.same(one.sent('ack'), [], 'once')
  })
  t.test('says that it is there itself after 0.6 of the probe timeout, in time for the asker', async (t) => {
    const one = asHelper()
    const sequence = sequenceOf(one)
    t.same(one.pass(299).sent('nack'), [])
    t.match(one.pass(2).sent('nack'), [{ to: endpointOf(1), packet: { message: { sequence: 70 } } }])
    one.hear(2, { type: 'ack', sequence, wallMs: 99 })
    t.equal(one.sent('ack').length, 1, 'an answer that comes still later is passed on too')
  })
  t.test('takes an answer from nobody but the target', async (t) => {
    const one = asHelper()
    one.hear(3, { type: 'ack', sequence: sequenceOf(one), wallMs: 0 })
    t.same(one.sent('ack'), [])
  })
  t.test('helps only so many at once', async (t) => {
    const one = new OneMachine({ relaysMax: 2 }).withPeers(3)
    for (const sequence of [1, 2, 3]) askForHelp(one, sequence)
    t.same(one.sent('probe'), [])
    t.equal(one.machine.drops()['relays-full'], 1)
    one.pass(1000)
    askForHelp(one, 4)
    t.equal(one.sent('probe').length, 1, 'who asked long ago waits no longer')
  })
})

t.test('a suspect', async (t) => {
  t.test('dies after the longest timeout when nobody confirms, and one last probe', async (t) => {
    const one = suspecting(1)
    t.equal(aliveUntilMs(one, 1), 24_000 + 500)
  })
  t.test('dies after the shortest when two others confirm', async (t) => {
    const one = suspecting(1)
      .gossip(3, claim(1, 'suspect', 1, 0, 3))
      .gossip(4, claim(1, 'suspect', 1, 0, 4))
    t.equal(aliveUntilMs(one, 1), 4000 + 500)
  })
  t.test('is confirmed by our own failed probe of it', async (t) => {
    const one = suspecting(1)
    const sinceMs = one.nowMs
    while (one.machine.isAlive(nodeId(1)) && one.nowMs - sinceMs < 60_000) one.passAnswered(10, 1)
    t.equal(one.nowMs - sinceMs, 11_390 + 500)
  })
  t.test('is not confirmed twice by the same accuser', async (t) => {
    const one = suspecting(1)
      .gossip(3, claim(1, 'suspect', 1, 0, 2))
      .gossip(4, claim(1, 'suspect', 1, 0, 2))
    t.equal(aliveUntilMs(one, 1), 24_000 + 500)
  })
  t.test('spreads with each new accuser, so that others can count them', async (t) => {
    const one = suspecting(1).pass(5000)
    t.same(one.pass(1000).told(1).length, 0, 'old news')
    one.gossip(3, claim(1, 'suspect', 1, 0, 3))
    const updates = one
      .pass(200)
      .did('send-datagram')
      .flatMap(({ packet }) => packet.updates)
    t.match(updates[0], { member: { id: nodeId(1), state: 'suspect' }, from: nodeId(3) })
  })
  t.test('lives when it objects with a higher incarnation, and the old timer does nothing', async (t) => {
    const one = suspecting(1).gossip(1, claim(1, 'alive', 1, 1))
    t.equal(one.view(1), 'alive/1/1')
    one.passAnswered(30_000)
    t.equal(one.view(1), 'alive/1/1')
  })
  t.test('does not live by an objection at the same incarnation', async (t) => {
    t.equal(
      suspecting(1)
        .gossip(1, claim(1, 'alive', 1, 0))
        .view(1),
      'suspect/1/0',
    )
  })
  t.test('is suspected anew, with all its time, at the incarnation of its objection', async (t) => {
    const one = suspecting(1)
      .gossip(3, claim(1, 'suspect', 1, 0, 3))
      .gossip(4, claim(1, 'suspect', 1, 0, 4))
    one.passAnswered(3000)
    one.gossip(3, claim(1, 'suspect', 1, 1, 3))
    t.equal(one.view(1), 'suspect/1/1')
    t.equal(aliveUntilMs(one, 1), 24_000 + 500)
  })
  t.test('gets the time that we stood still ourselves on top', async (t) => {
    const one = suspecting(1)
      .gossip(3, claim(1, 'suspect', 1, 0, 3))
      .gossip(4, claim(1, 'suspect', 1, 0, 4))
    one.pass(3800)
    one.stall(10_000)
    t.equal(one.view(1), 'suspect/1/0', 'its objection may be waiting in our own socket')
    t.equal(one.pass(499).view(1), 'suspect/1/0', 'nor was the last probe sent yet when we woke up')
    one.gossip(1, claim(1, 'alive', 1, 1))
    t.equal(one.view(1), 'alive/1/1')
  })
})

t.test('an accusation of this node', async (t) => {
  t.test('of suspicion is refuted one incarnation above it, and costs us trust in ourselves', async (t) => {
    const one = new OneMachine().withPeers(3).gossip(1, claim(0, 'suspect', 7, 4, 1))
    t.equal(one.view(0), 'alive/7/5')
    t.equal(one.machine.health(), 1)
    t.ok(one.pass(300).told(0).includes('alive/7/5'))
  })
  t.test('below our incarnation is old; but whoever still holds it is told again', async (t) => {
    const one = new OneMachine().withPeers(2).gossip(1, claim(0, 'suspect', 7, 4, 1))
    one.passAnswered(5000)
    one.hear(2, { type: 'probe', sequence: 5, target: nodeId(0) }, [claim(0, 'suspect', 7, 4, 2)])
    t.equal(one.view(0), 'alive/7/5')
    t.match(one.sent('ack')[0]?.packet.updates, [{ member: { state: 'alive', incarnation: 5 } }])
  })
  t.test('is answered in the very packet that answers the probe it came with', async (t) => {
    const one = new OneMachine().withPeers(3)
    one.hear(1, { type: 'probe', sequence: 5, target: nodeId(0) }, [claim(0, 'suspect', 7, 0, 2)])
    t.match(one.sent('ack')[0]?.packet.updates, [{ member: { state: 'alive', incarnation: 1 } }])
  })
  t.test('of being somebody else at our incarnation is refuted', async (t) => {
    const update = claim(0, 'alive', 7, 0, 1)
    t.equal(new OneMachine().gossip(1, update).view(0), 'alive/7/0', 'the same')
    const other = { ...update.member, metadata: { ...metadataOf(0), zone: 'elsewhere' } }
    const one = new OneMachine().gossip(1, { member: other, from: nodeId(1) })
    t.equal(one.view(0), 'alive/7/1')
    t.equal(one.machine.self().metadata.zone, 'default')
  })
  t.test('of death needs a new start number: dead is final for one start', async (t) => {
    const one = new OneMachine().withPeers(3).gossip(1, claim(0, 'dead', 7, 0, 2))
    t.same(one.did('raise-start-number'), [{ type: 'raise-start-number', to: 8 }])
    t.equal(one.view(0), 'alive/7/0', 'not before it is on disk')
    t.same(one.gossip(2, claim(0, 'dead', 7, 0, 2)).did('raise-start-number'), [], 'asked for once')
    one.tell({ type: 'identity-adopted', id: nodeId(0), startNumber: 8 })
    t.equal(one.view(0), 'alive/8/0')
    const first = one.sent('gossip')
    t.same(
      first.map(({ to }) => to),
      [endpointOf(1), endpointOf(2)],
      'the accusers are told first',
    )
    t.match(first[0]?.packet.updates[0], { member: { id: nodeId(0), state: 'alive', startNumber: 8 } })
    t.equal(first[0]?.packet.header.startNumber, 8)
  })
  t.test(
    'of death at an incarnation that we have surpassed needs one too: its holders believe no incarnation',
    async (t) => {
      const one = new OneMachine().gossip(1, claim(0, 'suspect', 7, 4, 1)).gossip(2, claim(0, 'dead', 7, 1, 2))
      t.match(one.did('raise-start-number'), [{ to: 8 }])
    },
  )
  t.test('of a later start than ours makes ours higher (rule M1)', async (t) => {
    const one = new OneMachine().gossip(1, claim(0, 'dead', 11, 0, 1))
    t.match(one.did('raise-start-number'), [{ to: 12 }])
    t.match(one.gossip(1, claim(0, 'alive', 15, 0, 1)).did('raise-start-number'), [{ to: 16 }])
    one.tell({ type: 'identity-adopted', id: nodeId(0), startNumber: 12 })
    t.equal(one.view(0), 'alive/12/0')
    one.tell({ type: 'identity-adopted', id: nodeId(0), startNumber: 16 })
    t.equal(one.view(0), 'alive/16/0')
  })
  t.test('of an earlier start is answered with the present one, and changes nothing', async (t) => {
    const one = new OneMachine().gossip(1, claim(0, 'dead', 6, 90, 1))
    t.equal(one.view(0), 'alive/7/0')
    t.same(one.did('raise-start-number'), [])
    t.ok(one.told(0).includes('alive/7/0'))
  })
})

t.test('death', async (t) => {
  t.test('claimed in a packet is believed, with its last incarnation or a later one', async (t) => {
    const one = new OneMachine().withPeers(3).gossip(1, claim(1, 'alive', 1, 2))
    t.equal(one.gossip(2, claim(1, 'dead', 1, 1, 2)).view(1), 'alive/1/2')
    t.equal(one.gossip(2, claim(1, 'dead', 1, 2, 2)).view(1), 'dead/1/2')
    t.notOk(one.machine.isAlive(nodeId(1)))
    t.ok(one.pass(300).told(1).includes('dead/1/2'))
  })
  t.test('claimed by a whole list is a suspicion only (rule M2)', async (t) => {
    const one = new OneMachine().withPeers(3)
    one.tell({
      type: 'members-received',
      from: nodeId(2),
      members: [member(2, 'alive'), member(1, 'dead')],
      isJoin: false,
      isReply: true,
    })
    t.equal(one.view(1), 'suspect/1/0')
    t.equal(one.gossip(1, claim(1, 'alive', 1, 1)).view(1), 'alive/1/1')
  })
  t.test('announced by the member itself is believed from a list too', async (t) => {
    const one = new OneMachine().withPeers(3)
    one.tell({ type: 'members-received', from: nodeId(2), members: [member(1, 'left')], isJoin: false, isReply: true })
    t.equal(one.view(1), 'left/1/0')
  })
  t.test('of somebody unknown is heard by who joins, and by nobody else', async (t) => {
    const members = [member(2, 'alive'), member(8, 'dead'), member(9, 'left')]
    const event = { type: 'members-received', from: nodeId(2), members, isReply: true } as const
    t.equal(
      introduced(new OneMachine())
        .tell({ ...event, isJoin: false })
        .machine.members().length,
      2,
    )
    t.equal(new OneMachine().tell({ ...event, isJoin: false }).view(9), 'left/1/0', 'who has just started is told, too')
    const joining = new OneMachine().tell({ ...event, isJoin: true })
    t.equal(joining.view(8), 'suspect/1/0', 'even so it may still object')
    t.equal(joining.view(9), 'left/1/0')
    joining.passAnswered(4600, 8)
    t.equal(joining.view(8), 'dead/1/0', 'but not for long: others have waited for it')
    t.equal(new OneMachine().gossip(2, claim(8, 'dead', 1, 0, 2)).view(8), undefined)
  })
  t.test('does not stop a later start, which brings its new address at once', async (t) => {
    const one = new OneMachine().withPeers(2).gossip(2, claim(1, 'dead', 1, 0, 2))
    const moved: Member = { ...member(1, 'alive', 2), metadata: { ...metadataOf(1), peer: endpointOf(77) } }
    one.gossip(2, { member: moved, from: nodeId(1) })
    t.equal(one.view(1), 'alive/2/0')
    t.equal(one.machine.member(nodeId(1))?.metadata.peer, endpointOf(77))
    t.equal(one.machine.members().length, 3, 'and it is the same member, not one more')
  })
  t.test('is told to who speaks in the name of the dead start', async (t) => {
    const one = new OneMachine()
      .withPeers(2)
      .gossip(2, claim(1, 'dead', 1, 0, 2))
      .pass(60_000)
    one.hear(1, { type: 'probe', sequence: 1, target: nodeId(0) })
    t.same(one.sent('ack')[0]?.packet.updates[0]?.member.state, 'dead', 'with the answer to its probe')
    one.gossip(1)
    t.same(one.told(1), ['dead/1/0'], 'and to its gossip')
    t.same(one.gossip(1).told(1), [], 'not more than once per interval')
  })
  t.test('is told to whom a third party calls alive', async (t) => {
    const one = new OneMachine()
      .withPeers(2)
      .gossip(2, claim(1, 'dead', 1, 0, 2))
      .pass(60_000)
    one.gossip(2, claim(1, 'alive', 1, 5))
    t.equal(one.view(1), 'dead/1/0')
    t.ok(
      one.sent('gossip').some(({ to, packet }) => to === endpointOf(1) && packet.updates[0]?.member.state === 'dead'),
    )
  })
})

t.test('local health', async (t) => {
  t.test('suffers when helpers are silent too, and not when they report', async (t) => {
    for (const nacks of [0, 1, 3]) {
      const one = new OneMachine().withPeers(5)
      const { sequence } = one.nextProbe() ?? { sequence: 0 }
      one.pass(500)
      const helpers = one.sent('indirect-probe').map(({ to }) => indexOf(to))
      for (const helper of helpers.slice(0, nacks)) one.hear(helper, { type: 'nack', sequence })
      one.pass(500)
      t.equal(one.machine.health(), 3 - nacks, `${nacks} of 3 nacks`)
    }
  })
  t.test('suffers by one for a failed probe without helpers', async (t) => {
    const one = new OneMachine().withPeers(1)
    one.nextProbe()
    t.equal(one.pass(1000).machine.health(), 1)
  })
  t.test('slows probing down, and recovers with answered probes', async (t) => {
    const one = new OneMachine().withPeers(3)
    for (let incarnation = 0; incarnation < 3; incarnation += 1) one.gossip(1, claim(0, 'suspect', 7, incarnation, 1))
    t.equal(one.machine.health(), 3)
    one.nextProbe()
    one.answerProbes()
    t.equal(one.machine.health(), 2, 'the probe before had been answered')
    const sinceMs = one.nowMs
    one.nextProbe()
    t.equal(one.nowMs - sinceMs, 3000)
    t.equal(one.machine.health(), 1)
  })
  t.test('suffers with each period in which the event loop was delayed', async (t) => {
    const one = new OneMachine().withPeers(3)
    one.nextProbe()
    one.answerProbes()
    one.tell({ type: 'event-loop-delayed', delayMs: 100 }).pass(1000)
    one.answerProbes()
    t.equal(one.machine.health(), 0, '100 ms are fine')
    one.tell({ type: 'event-loop-delayed', delayMs: 101 }).pass(1000)
    t.equal(one.machine.health(), 1)
  })
  t.test('a failed probe is discarded when our own process stood still for longer than its timeout', async (t) => {
    for (const delayMs of [400, 501]) {
      const one = new OneMachine().withPeers(3)
      const { target } = one.nextProbe() ?? { target: 0 }
      one.tell({ type: 'event-loop-delayed', delayMs }).pass(1000)
      t.equal(one.view(target), delayMs > 500 ? 'alive/1/0' : 'suspect/1/0', `${delayMs} ms`)
    }
  })
  t.test('late timers show a standstill by themselves', async (t) => {
    const one = new OneMachine().withPeers(3)
    const { target } = one.nextProbe() ?? { target: 0 }
    one.stall(5000)
    t.equal(one.view(target), 'alive/1/0')
    t.equal(one.machine.health(), 1)
  })
})

t.test('whole lists', async (t) => {
  t.test('are exchanged with every seed at the start, and again and again while nobody is found', async (t) => {
    const seeds = [endpointOf(0), endpointOf(1), endpointOf(2)]
    const one = new OneMachine({}, seeds)
    const joins = [endpointOf(1), endpointOf(2)].map((endpoint) => {
      return { type: 'exchange-members', endpoint, node: undefined, isJoin: true }
    })
    t.same(one.did('exchange-members'), joins, 'not with ourselves')
    t.same(one.pass(1000).did('exchange-members').slice(0, 2), joins)
    t.ok(one.pass(60_000).did('exchange-members').length >= 20)
    one.gossip(1, claim(1, 'alive'))
    one.passAnswered(6000)
    one.passAnswered(20_000)
    t.notOk(one.did('exchange-members').some(({ endpoint, isJoin }) => isJoin && endpoint === endpointOf(1)))
  })
  t.test('are exchanged with seeds that become known later', async (t) => {
    const one = new OneMachine().withPeers(1)
    one.tell({ type: 'seeds-resolved', seeds: [endpointOf(1), endpointOf(5)] })
    t.match(one.did('exchange-members'), [{ endpoint: endpointOf(5), isJoin: true }])
    one.tell({ type: 'seeds-resolved', seeds: [endpointOf(1), endpointOf(5)] })
    t.same(one.did('exchange-members'), [], 'once')
  })
  t.test('are exchanged with one living member every 30 s', async (t) => {
    const one = new OneMachine().withPeers(3)
    let exchanges = 0
    for (let passed = 0; passed < 300_000; passed += 100) {
      exchanges += one
        .pass(100)
        .did('exchange-members')
        .filter(({ node }) => node !== undefined).length
      one.answerProbes()
    }
    t.equal(exchanges, 10)
  })
  t.test('are exchanged with a stranger who speaks to us', async (t) => {
    const one = new OneMachine().withPeers(1).gossip(5)
    t.match(one.did('exchange-members'), [{ endpoint: endpointOf(5), node: nodeId(5), isJoin: false }])
    t.same(one.gossip(6).did('exchange-members'), [], 'at most one per interval')
  })
  t.test('are exchanged with who speaks of itself at a later start', async (t) => {
    const one = new OneMachine().withPeers(1)
    one.hear(1, { type: 'gossip' }, [], { startNumber: 2 })
    t.match(one.did('exchange-members'), [{ endpoint: endpointOf(1), node: nodeId(1) }])
  })
  t.test('are exchanged with who comes back after a long absence, as after a partition', async (t) => {
    for (const absentMs of [10_000, 40_000]) {
      const one = new OneMachine().withPeers(2).gossip(2, claim(1, 'dead', 1, 0, 2))
      one.passAnswered(absentMs)
      one.hear(1, { type: 'gossip' }, [claim(1, 'alive', 2)], { startNumber: 2 })
      t.equal(one.did('exchange-members').length, absentMs > 30_000 ? 1 : 0, `after ${absentMs} ms`)
    }
  })
  t.test('that say something new are gossiped on', async (t) => {
    const one = new OneMachine().withPeers(1)
    const members = [member(1, 'alive'), member(4, 'alive')]
    one.tell({ type: 'members-received', from: nodeId(1), members, isJoin: true, isReply: false })
    t.ok(one.pass(300).told(4).includes('alive/1/0'))
  })
})

t.test('gossip', async (t) => {
  t.test('goes to three members every 200 ms while there is news, and then stops', async (t) => {
    const one = new OneMachine().withPeers(9)
    one.passAnswered(3000)
    one.pass(200)
    t.same(one.sent('gossip'), [])
    one.tell({ type: 'metadata-changed', metadata: { ...metadataOf(0), zone: 'new' } })
    one.pass(200)
    t.equal(new Set(one.sent('gossip').map(({ to }) => to)).size, 3)
    t.ok(one.told(0).includes('alive/7/1'))
    t.equal(one.pass(200).sent('gossip').length, 3)
    one.pass(200)
    t.equal(one.pass(200).sent('gossip').length, 0)
  })
  t.test('wakes nobody while there is no news', async (t) => {
    const one = new OneMachine().withPeers(3)
    one.passAnswered(3000)
    t.same(
      one
        .passAnswered(60_000)
        .did('set-timer')
        .filter(({ timer }) => timer.type === 'gossip-due'),
      [],
    )
  })
  t.test('tells all members in turn', async (t) => {
    const one = new OneMachine().withPeers(6)
    one.passAnswered(3000)
    // Whatever place the round is at, 12 turns hold each of the 6 at least once.
    const told = new Set<string>()
    for (const zone of ['a', 'b']) {
      one.tell({ type: 'metadata-changed', metadata: { ...metadataOf(0), zone } }).pass(600)
      for (const { to } of one.sent('gossip')) told.add(to)
    }
    t.equal(told.size, 6)
  })
  t.test('goes to the dead for 30 s, so that they can object, and to the left never', async (t) => {
    const one = new OneMachine()
      .withPeers(2)
      .gossip(1, claim(1, 'left'))
      .gossip(2, claim(2, 'dead', 1, 0, 1))
    t.same(
      new Set(
        one
          .pass(400)
          .sent('gossip')
          .map(({ to }) => to),
      ),
      new Set([endpointOf(2)]),
    )
    one.pass(30_000)
    one.tell({ type: 'metadata-changed', metadata: { ...metadataOf(0), zone: 'new' } }).pass(400)
    t.same(one.sent('gossip'), [])
  })
})

t.test('leaving', async (t) => {
  t.test('is told directly to many, three times, and then done within half a second', async (t) => {
    const one = new OneMachine().withPeers(4).tell({ type: 'leave-requested' })
    t.same(one.told(0), Array(4).fill('left/7/0'))
    t.same(one.did('left'), [])
    one.pass(400)
    t.same(one.told(0), Array(8).fill('left/7/0'))
    t.equal(one.did('left').length, 1)
    t.same(one.hear(1, { type: 'probe', sequence: 1, target: nodeId(0) }).effects, [], 'then nothing is answered')
  })
  t.test('still answers probes, asks nobody, and no claim keeps it', async (t) => {
    const one = new OneMachine().withPeers(4).tell({ type: 'leave-requested' })
    one.hear(1, { type: 'probe', sequence: 1, target: nodeId(0) }, [claim(0, 'dead', 7, 0, 1)])
    t.equal(one.sent('ack').length, 1)
    t.same(one.did('raise-start-number'), [])
    t.equal(one.view(0), 'left/7/0')
    t.same(one.pass(300).sent('probe'), [])
  })
  t.test('alone is done at once', async (t) => {
    t.equal(new OneMachine().tell({ type: 'leave-requested' }).did('left').length, 1)
  })
  t.test('makes others neither probe nor suspect the one that left', async (t) => {
    const one = new OneMachine().withPeers(1).gossip(1, claim(1, 'left'))
    t.equal(one.nextProbe(), undefined)
    t.equal(one.view(1), 'left/1/0')
  })
})

t.test('identity', async (t) => {
  t.test('an id resumed by name lives on at a new start, and the former id leaves', async (t) => {
    const one = new OneMachine().withPeers(3).gossip(2, claim(1, 'dead', 1, 0, 2))
    one.tell({ type: 'identity-adopted', id: nodeId(1), startNumber: 2 })
    t.equal(one.view(0), 'left/7/0')
    t.equal(one.view(1), 'alive/2/0')
    t.equal(one.machine.self().id, nodeId(1))
    one.pass(400)
    t.ok(one.told(0).includes('left/7/0') && one.told(1).includes('alive/2/0'))
    t.equal(one.did('send-datagram')[0]?.packet.header.from, nodeId(1))
    const probed = new Set<number | undefined>()
    for (let probe = 0; probe < 8; probe += 1) {
      probed.add(one.nextProbe()?.target)
      one.answerProbes()
    }
    t.same(probed, new Set([2, 3]))
  })
  t.test('an id resumed below a start that others know is refused first', async (t) => {
    const one = new OneMachine()
      .withPeers(3)
      .gossip(2, claim(1, 'dead', 4, 0, 2))
      .gossip(1, claim(1, 'alive', 4))
    one.tell({ type: 'identity-adopted', id: nodeId(1), startNumber: 4 })
    t.match(one.did('raise-start-number'), [{ to: 5 }])
    t.equal(one.machine.self().id, nodeId(0))
  })
  t.test('our id alive at another address is worth a direct probe', async (t) => {
    const one = new OneMachine()
    const twin: Member = { ...member(0, 'alive', 7), metadata: { ...metadataOf(0), peer: endpointOf(66) } }
    const heard = one.gossip(1, { member: twin, from: nodeId(0) })
    t.same(heard.did('duplicate-identity-suspected'), [
      { type: 'duplicate-identity-suspected', endpoint: endpointOf(66) },
    ])
    t.same(one.gossip(2, { member: twin, from: nodeId(0) }).did('duplicate-identity-suspected'), [], 'now and then')
  })
  t.test('a packet in our own name is dropped; from elsewhere it is worth a direct probe too', async (t) => {
    const one = new OneMachine()
    one.hear(0, { type: 'gossip' }, [claim(1, 'alive')], { startNumber: 7 })
    t.same(one.effects, [], 'our own, looped back')
    one.hear(0, { type: 'gossip' }, [claim(1, 'alive')], { startNumber: 9 })
    t.match(one.did('duplicate-identity-suspected'), [{ endpoint: endpointOf(0) }])
    t.equal(one.machine.drops()['own-identity'], 2)
    t.equal(one.machine.members().length, 1)
  })
})

t.test('what is dropped unread', async (t) => {
  const [ours, theirs] = [toClusterId('00000000000000aa'), toClusterId('00000000000000bb')]
  const news = [claim(1, 'alive')]
  t.test('packets of another cluster name', async (t) => {
    const one = new OneMachine().hear(1, { type: 'gossip' }, news, { cluster: 'other' })
    t.equal(one.machine.members().length, 1)
    t.equal(one.machine.drops()['foreign-cluster'], 1)
    t.equal(one.did('log').length, 1, 'and somebody is told')
  })
  t.test('packets of another cluster id, once we have one', async (t) => {
    const one = new OneMachine()
    one.tell({ type: 'layout-changed', clusterId: ours, digest: { number: 1, documentHash: 5 } })
    t.equal(one.hear(1, { type: 'gossip' }, news, { clusterId: theirs }).machine.members().length, 1)
    t.equal(one.hear(1, { type: 'gossip' }, news, { clusterId: '' }).machine.members().length, 2, 'none is no other')
    t.equal(one.hear(2, { type: 'gossip' }, [claim(2, 'alive')], { clusterId: ours }).machine.members().length, 3)
  })
  t.test('members with impossible numbers, addresses or too much to say', async (t) => {
    const metadata = metadataOf(1)
    const impossible: readonly Member[] = [
      member(1, 'alive', -1),
      member(1, 'alive', 1.5),
      member(1, 'alive', 1, Number.NaN),
      { ...member(1, 'alive'), metadata: { ...metadata, weight: -1 } },
      { ...member(1, 'alive'), metadata: { ...metadata, peer: 'nowhere' as typeof metadata.peer } },
      { ...member(1, 'alive'), metadata: { ...metadata, http: '' as typeof metadata.peer } },
      { ...member(1, 'alive'), metadata: { ...metadata, name: 'n'.repeat(500) } },
    ]
    const one = new OneMachine()
    for (const claimed of impossible) one.gossip(1, { member: claimed, from: nodeId(1) })
    t.equal(one.machine.members().length, 1)
    t.equal(one.machine.drops()['invalid-member'], impossible.length)
  })
  t.test('members beyond the bound, unless a dead one can make room', async (t) => {
    const one = new OneMachine({ membersMax: 3 }).withPeers(3)
    t.equal(one.view(3), undefined)
    t.equal(one.machine.drops()['table-full'], 1)
    one.gossip(1, claim(2, 'dead', 1, 0, 1)).gossip(3, claim(3, 'alive'))
    t.same([one.view(2), one.view(3)], [undefined, 'alive/1/0'])
    t.match(one.did('member-changed'), [{ before: { id: nodeId(2) }, after: undefined }, { after: { id: nodeId(3) } }])
  })
})

t.test('pitfalls that others fell into', async (t) => {
  t.test('a mass restart: stale accusations of the former start reach nobody who runs now', async (t) => {
    const one = new OneMachine().withPeers(2).gossip(1, claim(1, 'alive', 2))
    t.equal(one.gossip(2, claim(1, 'dead', 1, 100, 2)).view(1), 'alive/2/0')
  })
  t.test('a restarted node that fell back to an earlier start number is told so', async (t) => {
    const one = new OneMachine().withPeers(2).gossip(2, claim(1, 'dead', 9, 0, 2))
    t.same(one.gossip(1, claim(1, 'alive', 3)).told(1), ['dead/9/0'])
  })
  t.test('one forged message does not use up the numbers of a member, nor ours', async (t) => {
    const one = new OneMachine().withPeers(1)
    one.gossip(1, claim(1, 'alive', 1, 2 ** 32 - 1)).gossip(1, claim(1, 'dead', 2 ** 32 - 1))
    one.gossip(1, claim(0, 'dead', 2 ** 32 - 1), claim(0, 'suspect', 7, 2 ** 50), claim(5, 'alive', 2 ** 40))
    t.same([one.view(0), one.view(1), one.view(5)], ['alive/7/0', 'alive/1/0', undefined])
    t.equal(one.machine.drops()['incarnation-jump'], 5)
    t.equal(one.gossip(1, claim(1, 'alive', 1, 2 ** 20)).view(1), `alive/1/${2 ** 20}`)
  })
  t.test('the left are forgotten after 24 h like the dead, and lists do not bring them back', async (t) => {
    const one = introduced(new OneMachine({ deadKeptMs: 100_000 }).withPeers(3))
    one.gossip(1, claim(2, 'left', 1, 0, 2), claim(3, 'dead', 1, 0, 1))
    one.passAnswered(95_000)
    t.same([one.view(2), one.view(3)], ['left/1/0', 'dead/1/0'])
    one.passAnswered(40_000)
    t.same([one.view(2), one.view(3)], [undefined, undefined])
    const members = [member(1, 'alive'), member(2, 'left'), member(3, 'dead')]
    one.tell({ type: 'members-received', from: nodeId(1), members, isJoin: false, isReply: true })
    t.equal(one.machine.members().length, 2)
  })
  t.test('one dead member and one seed are tried every 30 s, however long they have been gone', async (t) => {
    const one = new OneMachine({}, [endpointOf(1), endpointOf(2)]).withPeers(1)
    one.gossip(1, claim(3, 'alive')).gossip(1, claim(3, 'dead', 1, 0, 1))
    one.passAnswered(3_600_000)
    const before = { probes: 0, joins: 0 }
    for (let passed = 0; passed < 90_000; passed += 100) {
      one.pass(100)
      before.probes += one.sent('probe').filter(({ to }) => to === endpointOf(3)).length
      before.joins += one.did('exchange-members').filter(({ endpoint }) => endpoint === endpointOf(2)).length
      one.answerProbes()
    }
    t.same(before, { probes: 3, joins: 3 })
  })
  t.test('the queue of an isolated node stays bounded', async (t) => {
    const one = new OneMachine({ queuedUpdatesMax: 10, gossipNodes: 0 })
    for (let of = 1; of <= 100; of += 1) one.gossip(of, claim(of, 'alive'))
    const [ack] = one.hear(1, { type: 'probe', sequence: 1, target: nodeId(0) }).sent('ack')
    t.ok((ack?.packet.updates.length ?? 0) <= 10)
    t.equal(one.machine.members().length, 101, 'lists carry the rest')
  })
  t.test('what no packet can carry is left to the lists', async (t) => {
    const one = new OneMachine({ packetBytesMax: 250 }).gossip(1, claim(1, 'alive'))
    t.ok(one.machine.drops()['update-too-large'] > 0)
    t.equal(one.view(1), 'alive/1/0')
  })
  t.test('an accusation and the news share one budget', async (t) => {
    const one = new OneMachine({ packetBytesMax: 350 }).withPeers(3)
    one.gossip(2, claim(1, 'suspect', 1, 0, 2), claim(4, 'alive'), claim(5, 'alive'))
    one.hear(1, { type: 'probe', sequence: 1, target: nodeId(0) })
    t.match(one.sent('ack')[0]?.packet.updates, [{ member: { id: nodeId(1) } }])
    t.equal(one.sent('ack')[0]?.packet.updates.length, 1)
  })
})

t.test('what the node asks of it', async (t) => {
  t.test('members sorted by id, itself included, the same array while nothing changes', async (t) => {
    const one = new OneMachine().gossip(3, claim(3, 'alive'), claim(1, 'alive'))
    t.same(
      one.machine.members().map(({ id }) => id),
      [nodeId(0), nodeId(1), nodeId(3)],
    )
    t.equal(one.machine.members(), one.machine.members())
    t.ok(one.machine.isAlive(nodeId(0)))
    t.notOk(one.machine.isAlive(nodeId(9)))
  })
  t.test('each change, once', async (t) => {
    const one = new OneMachine()
    t.match(one.did('member-changed'), [{ before: undefined, after: { id: nodeId(0) } }])
    one.gossip(1, claim(1, 'alive'), claim(1, 'alive'))
    t.match(one.did('member-changed'), [{ before: undefined, after: { id: nodeId(1), state: 'alive' } }])
    t.same(one.gossip(2, claim(1, 'alive')).did('member-changed'), [])
    one.gossip(2, claim(1, 'suspect', 1, 0, 2))
    t.match(one.did('member-changed'), [{ before: { state: 'alive' }, after: { state: 'suspect' } }])
  })
  t.test('the round trip and the clock of who answers directly (rule K3)', async (t) => {
    const one = new OneMachine().withPeers(2)
    const ownMs = 12_000
    const clocks = () => ({ nowMs: one.nowMs, wallMs: ownMs + one.nowMs })
    for (const [theirMs, offsetMs] of [
      [50_000, 38_020],
      [12_000, 20],
    ] as const) {
      // Twice, so that each of the two is measured.
      for (const _ of [1, 2]) {
        const { target, sequence } = one.nextProbe() ?? { target: 0, sequence: 0 }
        one.nowMs += 40
        one.hear(target, { type: 'ack', sequence, wallMs: theirMs + one.nowMs }, [], {}, clocks().wallMs)
        t.equal(one.machine.clockOffsets(clocks()).get(nodeId(target)), offsetMs)
      }
    }
    t.equal(one.machine.clockSkewMs(clocks()), -20)
    one.nowMs += 60_000
    t.equal(one.machine.clockSkewMs(clocks()), -20, 'however long ago that was')
    const { nowMs, wallMs } = clocks()
    t.equal(
      one.machine.clockSkewMs({ nowMs, wallMs: wallMs + 7_200_000 }),
      7_161_980,
      'a jump of our own shows at once',
    )
    const rttMs = one.machine.rttMs(nodeId(1)) ?? 0
    t.ok(rttMs > 0 && rttMs <= 90, `smoothed round trip ${rttMs}`)
    t.equal(one.machine.rttMs(nodeId(9)), undefined)
    one.gossip(2, claim(1, 'dead', 1, 0, 2))
    t.equal(one.machine.clockOffsets(clocks()).size, 1, 'the clocks of the living only')
    t.equal(one.machine.clockSkewMs(clocks()), undefined)
  })
  t.test('the clock of a newcomer, without waiting for its turn (rule K3)', async (t) => {
    const one = new OneMachine()
    const clocks = () => ({ nowMs: one.nowMs, wallMs: one.nowMs })
    for (const from of [1, 2]) {
      one.gossip(from, claim(from, 'alive'))
      const [probe] = one.sent('probe')
      t.equal(probe?.to, endpointOf(from))
      t.same(one.gossip(from, claim(from, 'alive')).sent('probe'), [], 'once, while the answer may be on its way')
      const { sequence } = (probe?.packet.message ?? { sequence: 0 }) as { readonly sequence: number }
      one.hear(from, { type: 'ack', sequence, wallMs: one.nowMs - 60_000 }, [], {}, one.nowMs)
    }
    t.same([...one.machine.clockOffsets(clocks()).values()], [-60_000, -60_000])
    t.equal(one.machine.clockSkewMs(clocks()), 60_000, 'before the first period is over')
    t.same(one.gossip(1, claim(1, 'alive')).sent('probe'), [], 'and no more')
  })
  t.test('who knows another layout', async (t) => {
    const one = new OneMachine().withPeers(1)
    const digest = { number: 2, documentHash: 9 }
    one.hear(1, { type: 'gossip' }, [], { digest })
    t.same(one.did('layout-differs'), [{ type: 'layout-differs', node: nodeId(1), endpoint: endpointOf(1), digest }])
    one.tell({ type: 'layout-changed', clusterId: '', digest }).hear(1, { type: 'gossip' }, [], { digest })
    t.same(one.did('layout-differs'), [])
  })
  t.test('never to say more of itself than a datagram holds: that is our own bug', async (t) => {
    const metadata = { ...metadataOf(0), name: 'n'.repeat(600) }
    t.throws(() => new OneMachine().tell({ type: 'metadata-changed', metadata }), /invariant/)
  })
})

/** Node 0, asked by node 1 to probe node 2. */
/** Has heard the lists that introduce a newcomer to the dead. */
function introduced(one: OneMachine): OneMachine {
  for (let list = 0; list < 3; list += 1) {
    one.tell({ type: 'members-received', from: nodeId(2), members: [member(2, 'alive')], isJoin: false, isReply: true })
  }
  return one
}

function asHelper(): OneMachine {
  const one = new OneMachine().withPeers(3)
  askForHelp(one, 70)
  return one
}

function askForHelp(one: OneMachine, sequence: number): void {
  one.hear(1, { type: 'indirect-probe', sequence, target: nodeId(2), targetEndpoint: endpointOf(2) })
}

function sequenceOf(one: OneMachine): number {
  const message = one.sent('probe')[0]?.packet.message
  return message?.type === 'probe' ? message.sequence : -1
}

/** Among six, node 2 has accused node `of`. */
function suspecting(of: number): OneMachine {
  return new OneMachine().withPeers(5).gossip(2, claim(of, 'suspect', 1, 0, 2))
}

/** How long `of` lives on while it answers probes, but never objects: no accuser is added then. */
function aliveUntilMs(one: OneMachine, of: number): number {
  const sinceMs = one.nowMs
  while (one.machine.isAlive(nodeId(of)) && one.nowMs - sinceMs < 60_000) one.passAnswered(10)
  return one.nowMs - sinceMs
}

function indexOf(endpoint: Endpoint | undefined): number {
  return [1, 2, 3, 4, 5].find((index) => endpointOf(index) === endpoint) ?? -1
}
