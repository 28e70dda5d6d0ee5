import type { Nemesis, Stage } from '../nemesis.ts'
import { namesOf, pickOne, scaled } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { perStage } from './per-stage.ts'
import { untilReady, within } from './wholeness.ts'
import { aheadMs, liars, readingErrorMs, spoken, wrongClocks } from './wrong-clocks.ts'

/** As Jepsen bumps, 1.5^6 to 1.5^31 ms, in two parts: beyond 10 s from the others a node is not to coordinate. */
const borne = { minMs: 11, maxMs: 10_000 }
const refused = { minMs: 10_000, maxMs: 288_000 }
/** Beyond an hour nobody is to believe it at all. */
const unbelieved = { minMs: 3_700_000, maxMs: 30_000_000 }
/** What the reading of a clock cannot miss. */
const visibleMsMin = 2 * readingErrorMs
const believedWithinMs = 3_000
const readyWithinMs = 30_000

const strikes = perStage(() => ({ count: 0 }))

export const clockBump = bumping(
  'clock-bump',
  'the wall clocks of fewer than half of the nodes jump, by milliseconds to hours, and back',
  [borne, refused, unbelieved],
)

/** By what a node need not know: it learns of more from two others, whom a second fault may keep from it. */
export const slightClockBump = bumping(
  'clock-bump-slight',
  'the wall clocks of fewer than half of the nodes jump by less than ten seconds, and back',
  [borne],
)

function bumping(name: string, summary: string, ranges: readonly (typeof borne)[]): Nemesis {
  return {
    name,
    summary,
    needs: ['faketime'],
    prepare: async (stage) => wrongClocks(stage).preparation,
    async strike(stage) {
      const clocks = wrongClocks(stage)
      const nodes = liars(stage)
      const offsetMs = drawOffset(stage, ranges)
      for (const { name } of nodes) clocks.set(name, offsetMs)
      for (const node of nodes) {
        const isBelieved = (ms: number | undefined) => ms !== undefined && Math.abs(ms - offsetMs) < readingErrorMs
        if (Math.abs(offsetMs) < visibleMsMin) continue
        if (await within(believedWithinMs, async () => isBelieved(await aheadMs(node))))
          saw(stage, 'clocks seen to be wrong in answers')
      }
      return {
        what: `the clocks of ${namesOf(nodes).join(' and ')} are ${spoken(offsetMs)}`,
        nodes: namesOf(nodes),
        undo: async () => {
          for (const { name } of nodes) clocks.set(name, 0)
          await untilReady(stage, nodes, readyWithinMs)
        },
      }
    },
    bites: async (stage) => bitesOf(stage),
  }
}

/** The first of a run is seen. */
function drawOffset(stage: Stage, ranges: readonly (typeof borne)[]): number {
  const state = strikes(stage)
  state.count += 1
  const { minMs, maxMs } = pickOne(stage, ranges)
  const sign = stage.fraction() < 0.5 ? -1 : 1
  return sign * Math.round(scaled(stage, state.count === 1 ? Math.max(minMs, visibleMsMin) : minMs, maxMs))
}
