import type { Nemesis } from '../nemesis.ts'
import { namesOf, scaled } from './chance.ts'
import { bitesOf, saw } from './evidence.ts'
import { untilReady } from './wholeness.ts'
import { aheadMs, liars, readingErrorMs, spoken, wrongClocks } from './wrong-clocks.ts'

/** As Jepsen strobes, above what the reading of a clock cannot miss. */
const deltaMsMin = 2 * readingErrorMs
const deltaMsMax = 262_000
const periodMsMin = 10
const periodMsMax = 1_000
const betweenLooksMs = 250
const readyWithinMs = 30_000

export const clockStrobe: Nemesis = {
  name: 'clock-strobe',
  summary: 'the wall clocks of fewer than half of the nodes jump to and fro, up to a hundred times a second',
  needs: ['faketime'],
  prepare: async (stage) => wrongClocks(stage).preparation,
  async strike(stage) {
    const clocks = wrongClocks(stage)
    const nodes = liars(stage)
    const deltaMs = (stage.fraction() < 0.5 ? -1 : 1) * scaled(stage, deltaMsMin, deltaMsMax)
    const periodMs = scaled(stage, periodMsMin, periodMsMax)
    let isWrong = false
    const strobe = setInterval(() => {
      isWrong = !isWrong
      for (const { name } of nodes) clocks.set(name, isWrong ? deltaMs : 0)
    }, periodMs)
    const look = setInterval(async () => {
      for (const node of nodes) {
        const ms = await aheadMs(node)
        if (ms !== undefined && Math.abs(ms - deltaMs) < readingErrorMs) saw(stage, 'answers with a wrong clock')
      }
    }, betweenLooksMs)
    const stop = (): void => {
      clearInterval(strobe)
      clearInterval(look)
    }
    stage.teardown(stop)
    return {
      what: `the clocks of ${namesOf(nodes).join(' and ')} are right and ${spoken(deltaMs)} in turn, each for ${periodMs.toFixed(0)} ms`,
      nodes: namesOf(nodes),
      undo: async () => {
        stop()
        for (const { name } of nodes) clocks.set(name, 0)
        await untilReady(stage, nodes, readyWithinMs)
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}
