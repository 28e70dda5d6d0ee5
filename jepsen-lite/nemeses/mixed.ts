import { missing, probeCapabilities } from '../capabilities.ts'
import type { Nemesis, Preparation, Stage, Strike } from '../nemesis.ts'
import { pickOne, shuffled } from './chance.ts'
import { bitesOf } from './evidence.ts'
import { losers } from './losers.ts'
import { perStage } from './per-stage.ts'

/** What may strike at the same time: one of each. */
export interface Ingredients {
  readonly links: readonly Nemesis[]
  readonly clocks: readonly Nemesis[]
  readonly nodes: readonly Nemesis[]
  /** Those whose end needs all the others: they strike by themselves. */
  readonly alone: readonly Nemesis[]
}

/** Of all that the machine can do, so many take part in a run: each run another subset (swarm testing). */
const share = 0.6
const atLeast = 3
/** Of strikes that are not `alone`. */
const linkChance = 0.6
const clockChance = 0.4

/** Any of the others, drawn anew for each run and each strike, several at once. */
export function mixed(all: Ingredients): Nemesis {
  /** Those of a run. */
  const drawn = perStage((): { chosen: readonly Nemesis[] } => ({ chosen: [] }))
  return {
    name: 'mixed',
    summary: 'some of all the others, several at once; each run draws which',
    needs: [],
    async prepare(stage) {
      // Whatever else is drawn later: all losses of a run are one node's.
      losers(stage).keepToOne()
      const capabilities = await probeCapabilities()
      const candidates = Object.values<readonly Nemesis[]>({ ...all })
        .flat()
        .filter(({ needs, networks }) => {
          return missing(capabilities, needs).length === 0 && networks?.includes(stage.network.kind) !== false
        })
      const chosen = shuffled(stage, candidates).filter((_, at) => at < atLeast || stage.fraction() < share)
      drawn(stage).chosen = chosen
      stage.say(`mixed: ${chosen.map(({ name }) => name).join(', ')}`)
      const preparations = new Set<Preparation>()
      for (const one of chosen) preparations.add((await one.prepare?.(stage)) ?? {})
      return together([...preparations])
    },
    async strike(stage) {
      const { chosen } = drawn(stage)
      const begun: Strike[] = []
      const failures: unknown[] = []
      for (const one of draw(stage, all, chosen)) {
        try {
          begun.push(await one.strike(stage))
        } catch (error) {
          failures.push(error)
          stage.say(`mixed: ${one.name} could not be begun: ${String(error)}`)
        }
      }
      if (begun.length === 0) throw failures[0]
      return {
        what: begun.map(({ what }) => what).join('; '),
        nodes: [...new Set(begun.flatMap(({ nodes }) => nodes))].sort(),
        undo: () => undoAll(begun.toReversed()),
      }
    },
    bites: async (stage) => bitesOf(stage),
  }
}

/** In the order in which they strike. */
function draw(stage: Stage, all: Ingredients, chosen: readonly Nemesis[]): readonly Nemesis[] {
  const first = pickOne(stage, chosen)
  if (all.alone.includes(first)) return [first]
  const orNone = (kind: readonly Nemesis[], chance: number): readonly Nemesis[] => {
    if (kind.includes(first)) return [first]
    const possible = chosen.filter((one) => kind.includes(one))
    return possible.length > 0 && stage.fraction() < chance ? [pickOne(stage, possible)] : []
  }
  // Taken back last first: a node is there again only when its links are, and has the time only when it is there.
  return [...orNone(all.clocks, clockChance), ...orNone(all.nodes, 1), ...orNone(all.links, linkChance)]
}

/** Each has its turn, whatever became of those before it. @throws whatever went wrong first */
async function undoAll(strikes: readonly Strike[]): Promise<void> {
  const failures: unknown[] = []
  for (const strike of strikes) {
    try {
      await strike.undo()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Surroundings around surroundings; of places for data there is one kind at most. */
function together(preparations: readonly Preparation[]): Preparation {
  const data = preparations.find((one) => one.data !== undefined)?.data
  return {
    surroundings: (name) => {
      const parts = preparations.map((one) => one.surroundings?.(name) ?? {})
      const env: Record<string, string> = Object.assign({}, ...parts.map((part) => part.env ?? {}))
      const libraries = parts.flatMap((part) => part.env?.LD_PRELOAD ?? [])
      if (libraries.length > 0) env.LD_PRELOAD = libraries.join(':')
      return { env, before: parts.flatMap((part) => part.before ?? []) }
    },
    ...(data === undefined ? {} : { data }),
  }
}
