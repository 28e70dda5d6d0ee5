import type { Stage, StageNode } from '../nemesis.ts'

/** In another order, by the chance of the run. */
export function shuffled<Item>(stage: Stage, items: readonly Item[]): readonly Item[] {
  const left = [...items]
  const drawn: Item[] = []
  while (left.length > 0) drawn.push(...left.splice(Math.floor(stage.fraction() * left.length), 1))
  return drawn
}

/** One of them. @throws Error if there is none */
export function pickOne<Item>(stage: Pick<Stage, 'fraction'>, items: readonly Item[]): Item {
  const item = items[Math.floor(stage.fraction() * items.length)]
  if (item === undefined) throw new Error('there is nothing to pick from')
  return item
}

/** A whole number, both ends included. */
export function between(stage: Stage, min: number, max: number): number {
  return min + Math.floor(stage.fraction() * (max - min + 1))
}

/** The most nodes of `count` that leave a majority of them. */
export function minorityOf(count: number): number {
  return Math.floor((count - 1) / 2)
}

export function runningNodes(stage: Stage): readonly StageNode[] {
  return stage.nodes.filter(({ isRunning }) => isRunning)
}

export function namesOf(nodes: readonly StageNode[]): readonly string[] {
  return nodes.map(({ name }) => name)
}

/** Between `min` and `max`, as often below their geometric mean as above it. */
export function scaled(stage: Pick<Stage, 'fraction'>, min: number, max: number): number {
  return min * (max / min) ** stage.fraction()
}
