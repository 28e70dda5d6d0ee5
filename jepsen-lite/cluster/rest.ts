import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './member.ts'
import type { RealCluster } from './real-cluster.ts'

const lookEveryMs = 300
/**
 * Rest must last so long. A write whose client has been answered still waits for its slowest replica, two seconds of its
 * own time and three of a silent peer at most, and only then keeps a hint or repairs: until then all may look finished.
 */
const restMs = 5_000
/** Asked for again: what a hint has brought to one owner since, the others may lack. */
const exchangeEveryMs = 10_000

/**
 * Until all members are ready, see each other alive, agree on one layout, and nothing is on its way between them, for five
 * seconds without a break.
 * @returns what still was not so after `limitMs`; empty: they are at rest
 */
export async function awaitRest(cluster: RealCluster, limitMs: number): Promise<readonly string[]> {
  const endMs = performance.now() + limitMs
  let nextExchangeMs = performance.now()
  let sinceMs = Number.POSITIVE_INFINITY
  for (;;) {
    if (performance.now() >= nextExchangeMs) {
      await compareCopies(cluster)
      nextExchangeMs = performance.now() + exchangeEveryMs
    }
    const reasons = (await Promise.all(cluster.members.map((member) => unrestOf(member, cluster)))).flat()
    const nowMs = performance.now()
    sinceMs = reasons.length === 0 ? Math.min(sinceMs, nowMs) : Number.POSITIVE_INFINITY
    if (nowMs - sinceMs >= restMs || nowMs > endMs) return reasons
    await sleep(lookEveryMs)
  }
}

/** Has every node compare its copies with every other owner now, without waiting for its schedule. */
export async function compareCopies(cluster: RealCluster): Promise<void> {
  await Promise.all(
    cluster.running.map(async ({ http }) => {
      try {
        const signal = AbortSignal.timeout(5_000)
        await (await fetch(`http://${http}/v1/cluster/anti-entropy`, { method: 'POST', signal })).text()
      } catch {
        // One that does not answer is told of by whoever looks at it next.
      }
    }),
  )
}

/** The same, and resolves when nobody compares any more, or after so long. */
export async function compareToTheEnd(cluster: RealCluster, limitMs: number): Promise<void> {
  await compareCopies(cluster)
  const endMs = performance.now() + limitMs
  while (performance.now() < endMs) {
    const isComparing = await Promise.all(cluster.running.map(compares))
    if (!isComparing.includes(true)) return
    await sleep(lookEveryMs)
  }
}

async function compares(member: Member): Promise<boolean> {
  try {
    const { exchanges } = await member.json('/v1/cluster/anti-entropy')
    return (exchanges as readonly { readonly state: string }[]).some(({ state }) => state === 'running')
  } catch {
    return true
  }
}

async function unrestOf(member: Member, cluster: RealCluster): Promise<readonly string[]> {
  const { name } = member
  if (!member.isRunning) return [`${name} does not run`]
  try {
    const response = await fetch(`http://${member.http}/readyz`, { signal: AbortSignal.timeout(5_000) })
    const readyz = await response.text()
    if (response.status !== 200) return [`${name} is not ready: ${readyz}`]
    const [status, self, hints, transfers] = await Promise.all([
      member.json('/v1/cluster/status'),
      member.json('/v1/node'),
      member.json('/v1/cluster/hints'),
      member.json('/v1/cluster/transfers'),
    ])
    const reasons: string[] = []
    const known = status.members as readonly { readonly name: string; readonly state: string }[]
    for (const other of cluster.members) {
      // Who resumes an identity by its name has had another one for a moment, which has left.
      const states = known.filter((one) => one.name === other.name).map((one) => one.state)
      const state = states.find((one) => one !== 'left') ?? states[0] ?? 'unknown'
      if (state !== 'alive') reasons.push(`${name} sees ${other.name} ${state}`)
    }
    if (status.converged !== true) reasons.push(`${name} does not find that all agree on the layout`)
    if (status.transition !== null) reasons.push(`${name} says that owners still change`)
    if (self.state !== 'serving') reasons.push(`${name} is ${String(self.state)}`)
    if (self.recoveringPartitions !== 0)
      reasons.push(`${name} recovers ${String(self.recoveringPartitions)} partitions`)
    const held = (hints.held as { readonly count: number }).count
    if (held > 0) reasons.push(`${name} keeps ${held} hints`)
    const moving = (transfers.transfers as readonly unknown[]).length
    if (moving > 0) reasons.push(`${name} has ${moving} transfers`)
    return reasons
  } catch (error) {
    return [`${name} does not answer: ${error instanceof Error ? error.message : String(error)}`]
  }
}
