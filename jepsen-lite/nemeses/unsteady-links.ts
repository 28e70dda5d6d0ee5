import { setTimeout as sleep } from 'node:timers/promises'
import type { Nemesis } from '../nemesis.ts'
import { between, namesOf, shuffled } from './chance.ts'
import { bitesOf } from './evidence.ts'
import { allLinks, linksBetween, nodesOf, watchLinks } from './links.ts'

/** Shorter and longer than what a connection may be silent for (3 s), and than a probe waits for its answer. */
const flapMs = { min: 100, max: 1500 }
const betweenLinksMs = { min: 50, max: 300 }

export const flapping: Nemesis = {
  name: 'flapping',
  summary: 'the links of one or two nodes fail and come back again and again, within a second or so',
  needs: [],
  async strike(stage) {
    const names = shuffled(stage, namesOf(stage.nodes))
    const unsteady = names.slice(0, between(stage, 1, Math.min(2, names.length - 1)))
    const links = linksBetween(unsteady, names.slice(unsteady.length))
    const watch = await watchLinks(stage, links)
    const ending = new AbortController()
    async function flap(): Promise<void> {
      while (!ending.signal.aborted) {
        await Promise.all(links.map(([from, to]) => stage.network.cut(from, to)))
        await pause(between(stage, flapMs.min, flapMs.max), ending.signal)
        await Promise.all(links.map(([from, to]) => stage.network.mend(from, to)))
        await pause(between(stage, flapMs.min, flapMs.max), ending.signal)
      }
    }
    const flapped = flap()
    // Whoever undoes it is told.
    flapped.catch(() => undefined)
    return {
      what: `the links of ${unsteady.join(' and ')} flap`,
      nodes: unsteady,
      undo: async () => {
        ending.abort()
        await flapped
        await watch.noteCut()
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

/** FoundationDB's swizzle: what comes back in another order than it went shows who believes whom. */
export const swizzled: Nemesis = {
  name: 'swizzled',
  summary: 'half of the links fail one after another, and come back one after another in another order',
  needs: [],
  async strike(stage) {
    const all = shuffled(stage, allLinks(stage))
    const links = all.slice(0, Math.ceil(all.length / 2))
    const watch = await watchLinks(stage, links)
    for (const [from, to] of links) {
      await stage.network.cut(from, to)
      await sleep(between(stage, betweenLinksMs.min, betweenLinksMs.max))
    }
    return {
      what: `one after another: ${links.map(([from, to]) => `${from}>${to}`).join(' ')}`,
      nodes: nodesOf(links),
      undo: async () => {
        for (const [from, to] of shuffled(stage, links)) {
          await stage.network.mend(from, to)
          await sleep(between(stage, betweenLinksMs.min, betweenLinksMs.max))
        }
        await watch.noteCut()
      },
    }
  },
  bites: async (stage) => bitesOf(stage),
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
