import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Member } from './kit/cluster.ts'
import type { Lab } from './kit/lab.ts'
import type { Scenario } from './kit/scenario.ts'
import { oneOwnerAway } from './one-owner-away.ts'

const flags = ['--anti-entropy', 'off', '--read-repair', 'off']
const betweenKillsSeconds = 2

export const hints: Scenario = {
  name: 'hints',
  summary: 'one of three nodes is away under load; hints alone bring its copies up to date within 10 s of its /readyz',
  seconds: 60,
  run: (lab) => oneOwnerAway(lab, { flags, heldWithinSeconds: 10 }),
}

export const hintsHoldersKilled: Scenario = {
  name: 'hints-holders-killed',
  summary: 'the same, and each node that holds hints is killed and started again while the owner is away',
  seconds: 60,
  // With two of three nodes down there is no quorum: less can be acknowledged.
  run: (lab) =>
    oneOwnerAway(lab, { flags, heldWithinSeconds: 10, acknowledgedShareMin: 0.3, whileAway: killHoldersInTurn }),
}

async function killHoldersInTurn(lab: Lab, cluster: Cluster, away: Member): Promise<void> {
  for (const holder of cluster.others(away)) {
    await sleep((lab.options.seconds * 1000) / 6)
    const held = await holder.metric('starling_hints')
    lab.mustHaveSeen(`hints that ${holder.name} held when it was killed`, held, 1)
    await holder.kill()
    await sleep(betweenKillsSeconds * 1000)
    await holder.start()
    await holder.ready()
    lab.say(`${holder.name} was killed with ${held} hints and is back with ${await holder.metric('starling_hints')}`)
  }
}
