import type { Cluster } from './cluster.ts'
import type { Driver } from './drivers.ts'
import type { Histories, History } from './histories.ts'
import type { Http } from './http.ts'
import type { Lab } from './lab.ts'
import type { RingMap } from './layout.ts'
import { inLanes } from './load.ts'

/** Keys whose copies are looked at one by one. */
const copiesOfKeysMax = 3_000
const triesMax = 40
const pauseMs = 250

/** Claims what the reads of the load have shown until now. */
export function claimReads(lab: Lab, { wrongs, strictReads, outcomes, falseSiblings }: Histories): void {
  lab.mustHaveSeen('strict quorum reads', strictReads, 100)
  lab.claim(
    'no strict quorum read goes back',
    wrongs.wentBack.length === 0,
    `${strictReads} reads; ${told(wrongs.wentBack)}`,
  )
  lab.claim('no read shows what was never written', wrongs.invented.length === 0, told(wrongs.invented))
  if (falseSiblings > 0) lab.measure('reads that show a value beside one that superseded it', falseSiblings, 'reads')
  lab.say(`writes: ${outcomes.acknowledged} acknowledged, ${outcomes.refused} refused, ${outcomes.unknown} unknown`)
}

/**
 * When nothing is written any more: every acknowledged write reads by a quorum of owners, and the copies of all its owners
 * hold it, soon. Of the copies some are looked at, by chance.
 */
export async function claimEverythingThere(
  lab: Lab,
  parts: { readonly http: Http; readonly cluster: Cluster; readonly driver: Driver; readonly ring: RingMap },
  histories: Histories,
  when: string,
): Promise<void> {
  const { http, cluster, driver, ring } = parts
  const written = histories.all.filter(({ acknowledged }) => acknowledged > 0)
  const before = histories.wrongs.lost.length
  await inLanes(written, async (history) => {
    histories.judgeAll(history, await driver.readStrict(history.key), `by a strict read ${when}`)
  })
  const lost = histories.wrongs.lost.slice(before)
  lab.claim(`no acknowledged write is lost ${when}`, lost.length === 0, `${written.length} keys; ${told(lost)}`)

  const some = someOf(lab, written, copiesOfKeysMax)
  let behind: readonly string[] = []
  await inLanes(some, async (history) => {
    for (const name of ring.ownersOfKey(history.key)) {
      const owner = cluster.members.find((member) => member.name === name)
      if (owner === undefined || !owner.isRunning) continue
      const isThere = await holds(http, history, owner, histories)
      if (!isThere) behind = [...behind, `${history.key} at ${name}`]
    }
  })
  lab.claim(
    `the owners' copies hold every acknowledged write ${when}`,
    behind.length === 0,
    `${some.length} keys; ${told(behind)}`,
  )
}

/** At once, or soon: a write needs a quorum of owners only, the others have it a little later. */
async function holds(
  http: Http,
  history: History,
  owner: { readonly name: string; readonly http: string; readonly peer: string },
  histories: Histories,
): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const copy = await http.copy(owner, history.key)
    const shown = copy === undefined ? undefined : history.numbersOf(copy.values)
    if (shown !== undefined && history.missing(history.demand, shown).length === 0) return true
    if (tries === triesMax) {
      histories.judgeAll(history, copy?.values ?? [], `in the copy of ${owner.name}`)
      return false
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function someOf(lab: Lab, histories: readonly History[], count: number): readonly History[] {
  if (histories.length <= count) return histories
  return Array.from({ length: count }, () => lab.pick(histories))
}

export function told(wrong: readonly string[]): string {
  return wrong.length === 0 ? 'none' : `${wrong.length}, such as ${wrong.slice(0, 3).join('; ')}`
}
