import type { Nemesis, Stage, Strike } from '../nemesis.ts'
import type { LinkFaults } from '../network/network.ts'
import { between, namesOf, pickOne } from './chance.ts'
import { bitesOf } from './evidence.ts'
import { allLinks, watchLinks } from './links.ts'

/** Whatever the network can do of: loss, delay, jitter, duplication, reordering. */
export const lossDelayDuplication: Nemesis = {
  name: 'loss-delay-duplication',
  summary: 'every link loses, delays, doubles and reorders some of what passes; with namespaces it loses and doubles',
  needs: [],
  strike(stage) {
    const wanted: LinkFaults = {
      lossChance: between(stage, 2, 15) / 100,
      duplicateChance: between(stage, 2, 20) / 100,
      delayMs: between(stage, 0, 30),
      jitterMs: between(stage, 5, 60),
      reorderChance: between(stage, 0, 20) / 100,
    }
    const able = Object.entries(wanted).filter(([fault]) => stage.network.canSpoil.some((can) => can === fault))
    return spoilAll(stage, Object.fromEntries(able))
  },
  bites: async (stage) => bitesOf(stage),
}

/** What no network loses by itself: the requests, the answers, or the gossip alone. Their senders wait in vain. */
const lostTogether: readonly (readonly string[])[] = [
  ['write-record'],
  ['record-written'],
  ['read-record', 'record-read'],
  ['store-hint', 'record-written'],
  ['coordinated'],
  ['exchanged', 'records-merged'],
  ['probe', 'ack', 'indirect-probe', 'nack', 'gossip'],
  ['pong'],
]

export const lostMessages: Nemesis = {
  name: 'lost-messages',
  summary: 'some of one kind of message is lost at one node, while all else arrives',
  needs: [],
  networks: ['proxy'],
  strike(stage) {
    const victim = pickOne(stage, namesOf(stage.nodes))
    const dropTypes = pickOne(stage, lostTogether)
    return spoilAll(stage, { dropTypes, dropTypesChance: between(stage, 30, 100) / 100 }, victim)
  },
  bites: async (stage) => bitesOf(stage),
}

/** @param victim only what comes from it or goes there */
async function spoilAll(stage: Stage, faults: LinkFaults, victim?: string): Promise<Strike> {
  const links = allLinks(stage).filter((link) => victim === undefined || link.includes(victim))
  const watch = await watchLinks(stage, links)
  await Promise.all(links.map(([from, to]) => stage.network.spoil(from, to, faults)))
  return {
    what: `${victim === undefined ? 'all links' : `the links of ${victim}`}: ${inWords(faults)}`,
    nodes: victim === undefined ? namesOf(stage.nodes) : [victim],
    undo: async () => {
      await watch.noteSpoilt()
      await Promise.all(links.map(([from, to]) => stage.network.spoil(from, to, {})))
    },
  }
}

function inWords(faults: LinkFaults): string {
  return Object.entries(faults)
    .map(([fault, value]) => `${fault} ${Array.isArray(value) ? value.join(' ') : value}`)
    .join(', ')
}
