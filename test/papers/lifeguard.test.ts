import t from 'tap'
import { defaultMembershipSettings, type MembershipSettings } from '../../lib/protocol/membership/settings.ts'
import { suspicionBounds, suspicionTimeoutMs } from '../../lib/protocol/membership/suspicion.ts'
import { ClusterModel, nodeId } from '../protocol/membership/cluster-model.ts'
import { claim, OneMachine } from '../protocol/membership/one-machine.ts'

// Dadgar, Phillips, Currey: Lifeguard: Local Health Awareness for More Accurate Failure Detection, arXiv:1707.00788.

/** SWIM as it was: no local health, and the suspicion always lasts its shortest time. */
const plainSwim: Partial<MembershipSettings> = { healthMax: 0, suspicionMaxMult: 1 }

t.test('a member that hears nobody for a while declares the healthy dead in SWIM, and here does not', async (t) => {
  const disturbed = (settings: Partial<MembershipSettings>) => {
    let count = 0
    for (let seed = 1; seed <= 10; seed += 1) {
      const cluster = new ClusterModel({ seed, nodes: 8, settings })
      cluster.form()
      cluster.run(3000)
      cluster.deafen(7)
      cluster.run(12_000)
      cluster.heal()
      cluster.run(30_000)
      // Who was called dead while it ran had to take a new start number.
      count += cluster.nodes.slice(0, 7).filter(({ startNumber }) => startNumber > 1).length
    }
    return count
  }
  const inSwim = disturbed(plainSwim)
  const here = disturbed({})
  t.ok(inSwim > 10, `SWIM: ${inSwim} of 70 healthy members`)
  t.equal(here, 0)
})

t.test('LHA-Probe: a member that misses answers probes ever less often, and recovers with the answers', async (t) => {
  const cluster = new ClusterModel({ seed: 3, nodes: 8 })
  cluster.form()
  cluster.run(3000)
  t.equal(cluster.node(7).machine.health(), 0)
  cluster.deafen(7)
  cluster.run(20_000)
  t.equal(cluster.node(7).machine.health(), 7, 'the worst there is')
  t.ok(
    cluster.nodes.slice(0, 7).every(({ machine }) => machine.health() <= 2),
    'the healthy trust themselves',
  )
  cluster.heal()
  cluster.run(120_000)
  t.equal(cluster.node(7).machine.health(), 0)
})

t.test('LHA-Probe: when helpers report that only the target is silent, the prober trusts itself', async (t) => {
  const cluster = new ClusterModel({ seed: 4, nodes: 8 })
  cluster.form()
  cluster.run(3000)
  cluster.kill(7)
  let worst = 0
  cluster.runUntil(() => {
    worst = Math.max(worst, ...cluster.nodes.slice(0, 7).map(({ machine }) => machine.health()))
    return cluster.everyRunningNodeSees(7, 'dead')
  }, 30_000)
  t.equal(worst, 0, 'every nack comes within the probe period')
})

t.test(
  'LHA-Suspicion: the timeout falls with the logarithm of the independent suspicions, from max to min',
  async (t) => {
    const { minMs, maxMs, confirmationsWanted } = suspicionBounds(50, defaultMembershipSettings)
    for (let confirmations = 0; confirmations <= confirmationsWanted; confirmations += 1) {
      const fraction = Math.log(confirmations + 1) / Math.log(confirmationsWanted + 1)
      const timeoutMs = suspicionTimeoutMs(confirmations, { minMs, maxMs, confirmationsWanted })
      t.ok(Math.abs(timeoutMs - Math.max(minMs, maxMs - (maxMs - minMs) * fraction)) <= 1)
    }
    t.equal(confirmationsWanted, 2)
  },
)

t.test('Buddy system: who probes a suspect tells it so, and the answer objects', async (t) => {
  const one = new OneMachine().withPeers(3).gossip(2, claim(1, 'suspect', 1, 0, 2))
  let probe = one.nextProbe()
  while (probe !== undefined && probe.target !== 1) {
    one.answerProbes()
    probe = one.nextProbe()
  }
  const accusation = probe?.packet.updates[0]
  t.match(accusation, { member: { id: nodeId(1), state: 'suspect' } })
  // The same from the other side.
  const accused = new OneMachine().withPeers(3)
  accused.hear(1, { type: 'probe', sequence: 9, target: nodeId(0) }, [claim(0, 'suspect', 7, 0, 1)])
  t.match(accused.sent('ack')[0]?.packet.updates[0], { member: { id: nodeId(0), state: 'alive', incarnation: 1 } })
})
