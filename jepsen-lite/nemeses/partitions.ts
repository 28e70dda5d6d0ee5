import type { Nemesis, Stage, Strike } from '../nemesis.ts'
import { between, minorityOf, namesOf, pickOne, shuffled } from './chance.ts'
import { bitesOf } from './evidence.ts'
import { allLinks, cutLinks, type Direction, linksBetween } from './links.ts'

export const halves = partition(
  'halves',
  'the nodes in two halves by chance, and nothing passes between them',
  async (stage) => {
    const [left, right] = twoHalves(stage)
    return part(stage, left, right)
  },
)

export const oneNode = partition('one-node', 'one node by itself', async (stage) => {
  const names = namesOf(stage.nodes)
  const alone = pickOne(stage, names)
  const others = names.filter((name) => name !== alone)
  return part(stage, [alone], others)
})

/** Jepsen's `majorities-ring`: perfect for five nodes. */
export const majoritiesRing = partition(
  'majorities-ring',
  'every node sees a majority, and no two the same one; four nodes or more',
  async (stage) => {
    const ring = shuffled(stage, namesOf(stage.nodes))
    const reach = Math.ceil((ring.length - minorityOf(ring.length) - 1) / 2)
    const cut = allLinks(stage).filter(([from, to]) => distance(ring, from, to) > reach)
    return cutLinks(stage, `a ring: ${ring.join(' ')}, each sees ${reach} on both sides`, cut)
  },
)

export const bridge = partition('bridge', 'two halves that share one node', async (stage) => {
  const [left, right] = twoHalves(stage)
  const [shared, ...rest] = left.length > right.length ? left : right
  const other = left.length > right.length ? right : left
  const what = `${rest.join(' ')} - ${shared} - ${other.join(' ')}`
  return cutLinks(stage, what, linksBetween(rest, other))
})

export const oneWay = partition(
  'one-way',
  'what some nodes send to the others is lost, and the other way it arrives',
  async (stage) => {
    const names = shuffled(stage, namesOf(stage.nodes))
    const senders = names.slice(0, between(stage, 1, names.length - 1))
    const receivers = names.slice(senders.length)
    const cut = senders.flatMap((from) => receivers.map((to): Direction => [from, to]))
    return cutLinks(stage, `${senders.join(' ')} -x-> ${receivers.join(' ')}`, cut)
  },
)

function partition(name: string, summary: string, strike: (stage: Stage) => Promise<Strike>): Nemesis {
  return { name, summary, needs: [], strike, bites: async (stage) => bitesOf(stage) }
}

/** Within each part everybody is in reach of everybody. */
async function part(stage: Stage, left: readonly string[], right: readonly string[]): Promise<Strike> {
  const cuts = linksBetween(left, right)
  return { ...(await cutLinks(stage, `${left.join(' ')} | ${right.join(' ')}`, cuts)), cluster: { down: [], cuts } }
}

/** The first is the smaller one, if they differ. */
function twoHalves(stage: Stage): readonly [readonly string[], readonly string[]] {
  const names = shuffled(stage, namesOf(stage.nodes))
  const middle = Math.floor(names.length / 2)
  return [names.slice(0, middle), names.slice(middle)]
}

function distance(ring: readonly string[], from: string, to: string): number {
  const steps = Math.abs(ring.indexOf(from) - ring.indexOf(to))
  return Math.min(steps, ring.length - steps)
}
