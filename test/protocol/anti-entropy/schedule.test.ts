import t from 'tap'
import { seededRandom } from '../../../lib/ports/random.ts'
import {
  exchangeAgeMsMax,
  exchangeEveryMs,
  hintsFirstMs,
  type PeerState,
  Schedule,
} from '../../../lib/protocol/anti-entropy/schedule.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'

const ada = node(1)
const bob = node(2)

t.test('the schedule of exchanges', async (t) => {
  t.test('takes the co-owner whose last exchange is the oldest, every ten seconds', async (t) => {
    const world = made([ada, bob])
    world.pass(60_000)
    const begun = world.begun.slice(2)
    t.same(
      begun.map(({ node }) => node),
      [ada, bob, ada, bob, ada].slice(0, begun.length),
    )
    for (const [index, { atMs }] of begun.entries()) {
      if (index > 0) t.ok(atMs - (begun[index - 1]?.atMs ?? 0) >= exchangeEveryMs)
    }
  })

  t.test('lets no pair wait longer than ten minutes, however many there are', async (t) => {
    const peers = Array.from({ length: 200 }, (_, index) => node(index + 1))
    const world = made(peers)
    world.pass(exchangeAgeMsMax * 2)
    const late = peers.filter((peer) => {
      const times = world.begun.filter((begun) => begun.node === peer).map(({ atMs }) => atMs)
      return (
        times.length < 2 || times.some((atMs, index) => atMs - (times[index - 1] ?? atMs) > exchangeAgeMsMax * 1.05)
      )
    })
    t.same(late, [])
  })

  t.test('begins within two seconds with a co-owner that is back', async (t) => {
    const world = made([ada, bob])
    world.pass(30_000)
    world.unreachable.add(bob)
    world.pass(15_000)
    world.begun.length = 0
    world.pass(9_000)
    t.notOk(
      world.begun.some(({ node }) => node === bob),
      'who cannot be reached is not tried',
    )
    world.unreachable.delete(bob)
    world.pass(3_000)
    t.ok(world.begun.some(({ node }) => node === bob))
  })

  t.test('lets hints go first, for a while', async (t) => {
    const world = made([ada, bob])
    world.pass(30_000)
    world.unreachable.add(bob)
    world.pass(10_000)
    world.unreachable.delete(bob)
    world.hinted.add(bob)
    world.begun.length = 0
    world.pass(hintsFirstMs)
    t.notOk(world.begun.some(({ node }) => node === bob))
    world.pass(1_000)
    t.ok(world.begun.some(({ node }) => node === bob))
  })

  t.test(
    'begins at once with one that ranges are marked for, and again every ten seconds while they are',
    async (t) => {
      const world = made([ada, bob])
      world.pass(30_000)
      world.dirty.add(bob)
      world.begun.length = 0
      world.pass(31_000)
      const times = world.begun.filter(({ node }) => node === bob).length
      t.ok(times >= 3 && times <= 6, `${times} times`)
    },
  )

  t.test('goes on with what was not finished, and looks once more at what was repaired', async (t) => {
    for (const outcome of ['incomplete', 'repaired'] as const) {
      const world = made([ada, bob])
      world.pass(25_000)
      const last = world.begun.at(-1)?.node as NodeId
      world.begun.length = 0
      world.schedule.ended(last, outcome, world.nowMs)
      world.pass(2_000)
      t.same(
        world.begun.map(({ node }) => node),
        [last],
        outcome,
      )
    }
  })

  t.test('tries one that failed again, without forgetting the others', async (t) => {
    const world = made([ada, bob])
    world.failing.add(ada)
    world.pass(120_000)
    const times = (peer: NodeId): number => world.begun.filter(({ node }) => node === peer).length
    t.ok(times(ada) >= 5 && times(bob) >= 5, `${times(ada)} and ${times(bob)} times`)
    t.equal(world.schedule.ageMs(ada, world.nowMs), undefined)
    t.ok((world.schedule.ageMs(bob, world.nowMs) ?? Number.POSITIVE_INFINITY) <= 30_000)
  })

  t.test('while it is suspended begins only what is overdue', async (t) => {
    const world = made([ada, bob])
    world.pass(30_000)
    world.isSuspended = true
    world.begun.length = 0
    world.dirty.add(ada)
    world.pass(exchangeAgeMsMax - 30_000)
    t.same(world.begun, [])
    world.pass(60_000)
    t.ok(world.begun.length >= 2, 'or one slow client could keep copies apart for ever')
  })
})

/** Looks every second; every exchange ends at once, equal unless it fails. */
function made(peers: readonly NodeId[]) {
  const schedule = new Schedule(seededRandom([1, 2, 3, 4]))
  const world = {
    schedule,
    nowMs: 1000,
    isSuspended: false,
    unreachable: new Set<NodeId>(),
    dirty: new Set<NodeId>(),
    hinted: new Set<NodeId>(),
    failing: new Set<NodeId>(),
    begun: [] as { node: NodeId; atMs: number }[],
    pass(durationMs: number): void {
      for (const endMs = this.nowMs + durationMs; this.nowMs < endMs; this.nowMs += 1000) {
        const states = peers.map(
          (node): PeerState => ({
            node,
            isReachable: !this.unreachable.has(node),
            isDirty: this.dirty.has(node),
            hasHints: this.hinted.has(node),
          }),
        )
        const chosen = schedule.next(states, this.nowMs, this.isSuspended)
        if (chosen === undefined) continue
        this.begun.push({ node: chosen, atMs: this.nowMs })
        schedule.ended(chosen, this.failing.has(chosen) ? 'failed' : 'equal', this.nowMs)
      }
    },
  }
  return world
}

function node(number: number): NodeId {
  return toNodeId(number.toString(16).padStart(32, '0'))
}
