import type { Stage, Strike } from '../nemesis.ts'
import type { LinkCounts } from '../network/network.ts'
import { namesOf } from './chance.ts'
import { saw } from './evidence.ts'

/** One direction between two nodes, by their names. */
export type Direction = readonly [from: string, to: string]

/** Both directions between each of `left` and each of `right`. */
export function linksBetween(left: readonly string[], right: readonly string[]): readonly Direction[] {
  return left.flatMap((one) =>
    right.flatMap((other): Direction[] =>
      one === other
        ? []
        : [
            [one, other],
            [other, one],
          ],
    ),
  )
}

/** All directions between all nodes. */
export function allLinks(stage: Stage): readonly Direction[] {
  const names = namesOf(stage.nodes)
  return names.flatMap((from) => names.filter((to) => to !== from).map((to): Direction => [from, to]))
}

/** Cuts them all until it is undone. */
export async function cutLinks(stage: Stage, what: string, links: readonly Direction[]): Promise<Strike> {
  if (links.length === 0) throw new Error(`${what}: there are too few nodes for that`)
  const watch = await watchLinks(stage, links)
  await Promise.all(links.map(([from, to]) => stage.network.cut(from, to)))
  return {
    what,
    nodes: nodesOf(links),
    undo: async () => {
      await watch.noteCut()
      await Promise.all(links.map(([from, to]) => stage.network.mend(from, to)))
    },
  }
}

export function nodesOf(links: readonly Direction[]): readonly string[] {
  return [...new Set(links.flat())].sort()
}

export interface LinkWatch {
  /** Writes down what the cuts of these very links have kept back since it began. */
  noteCut(): Promise<void>
  /** The same for whatever spoiled them. */
  noteSpoilt(): Promise<void>
}

export async function watchLinks(stage: Stage, links: readonly Direction[]): Promise<LinkWatch> {
  let before = await countsOf(stage, links)
  async function since(): Promise<LinkCounts> {
    const now = await countsOf(stage, links)
    const grown = minus(now, before)
    before = now
    return grown
  }
  const unit = stage.network.kind === 'netns' ? 'packets' : 'messages'
  return {
    noteCut: async () => {
      const { dropped, held } = await since()
      saw(stage, `${unit} kept back on links that were cut`, dropped + held)
      if (dropped + held > 0) saw(stage, 'partitions that were felt')
    },
    noteSpoilt: async () => {
      const { dropped, held, delayed, duplicated } = await since()
      saw(stage, `${unit} lost by chance`, dropped + held)
      saw(stage, `${unit} delayed`, delayed)
      saw(stage, `${unit} duplicated`, duplicated)
    },
  }
}

async function countsOf(stage: Stage, links: readonly Direction[]): Promise<LinkCounts> {
  let sum: LinkCounts = { dropped: 0, held: 0, delayed: 0, duplicated: 0 }
  for (const counts of await Promise.all(links.map(([from, to]) => stage.network.countsOf(from, to)))) {
    sum = plus(sum, counts)
  }
  return sum
}

function plus(a: LinkCounts, b: LinkCounts): LinkCounts {
  return {
    dropped: a.dropped + b.dropped,
    held: a.held + b.held,
    delayed: a.delayed + b.delayed,
    duplicated: a.duplicated + b.duplicated,
  }
}

function minus(a: LinkCounts, b: LinkCounts): LinkCounts {
  return {
    dropped: a.dropped - b.dropped,
    held: a.held - b.held,
    delayed: a.delayed - b.delayed,
    duplicated: a.duplicated - b.duplicated,
  }
}
