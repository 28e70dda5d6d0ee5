import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { checkAvailability } from './check-availability.ts'
import { checkContexts } from './check-contexts.ts'
import { checkConvergence } from './check-convergence.ts'
import { checkCopies } from './check-copies.ts'
import { checkDeletes } from './check-deletes.ts'
import { checkFreshness } from './check-freshness.ts'
import { checkHints } from './check-hints.ts'
import { checkLastWriteWins } from './check-last-write-wins.ts'
import { checkRegisters } from './check-registers.ts'
import type { CheckResult } from './check-result.ts'
import { checkSessions } from './check-sessions.ts'
import { drawLargeHistory } from './healthy-histories.ts'
import type { HistoryRecord } from './history.ts'
import { keyHistoriesOf } from './key-history.ts'

const keys = 50
const writesPerKey = 2000

/** Sends 100,000 writes, and as many reads, through every checker, and says how long each took. */
export function benchCheckers(print: (line: string) => void): void {
  const random = seededRandom(seedFor(1, 'bench'))
  const total = benchSiblings(drawLargeHistory(random, keys, writesPerKey, false), print)
  const ofRegisters = benchRegisters(drawLargeHistory(random, keys, writesPerKey, true), print)
  const [siblings, registers] = [total, ofRegisters].map((ms) => (ms / 1000).toFixed(2))
  print(
    `${keys * writesPerKey} writes in ${keys} keys: all checks of siblings ${siblings} s, of registers ${registers} s`,
  )
}

function benchSiblings(records: readonly HistoryRecord[], print: (line: string) => void): number {
  const strict = { monotonicReads: true, freshReads: true }
  const handedOver = new Set(records.flatMap(({ t, vid }) => (t === 'ok' && vid !== undefined ? [vid] : [])))
  const copyPromises = { converged: true, handedOver, tombstones: undefined, isLastWriteWins: false }
  return timeAll(print, {
    'what follows': () => keyHistoriesOf(records).length,
    'acknowledged writes': () => checkAcknowledgedWrites(records),
    contexts: () => checkContexts(records, strict),
    deletes: () => checkDeletes(records, strict),
    freshness: () => checkFreshness(records, strict),
    sessions: () => checkSessions(records),
    copies: () => checkCopies(records, copyPromises),
    hints: () => checkHints(records, { withinMs: 0, handedOver }),
    convergence: () => checkConvergence(records, { withinMs: 0 }),
    availability: () => checkAvailability(records, { timeoutMs: 1000, detectionMs: 0 }),
  })
}

function benchRegisters(records: readonly HistoryRecord[], print: (line: string) => void): number {
  return timeAll(print, {
    'what follows': () => keyHistoriesOf(records).length,
    'last write wins': () => checkLastWriteWins(records, { monotonicReads: true, freshReads: true }),
    'regular registers': () => checkRegisters(records, { model: 'regular' }),
    'atomic registers': () => checkRegisters(records, { model: 'atomic' }),
  })
}

/** @returns milliseconds */
function timeAll(print: (line: string) => void, works: Readonly<Record<string, () => CheckResult | number>>): number {
  let total = 0
  for (const [what, work] of Object.entries(works)) {
    const [from, cpuFrom] = [performance.now(), process.cpuUsage()]
    const result = work()
    const ms = performance.now() - from
    // On a busy machine the processor's time is what can be compared.
    const { user, system } = process.cpuUsage(cpuFrom)
    const cpuMs = (user + system) / 1000
    const said = typeof result === 'number' ? `${result} keys` : `${result.compared} compared, ${String(result.valid)}`
    print(
      `${what.padEnd(22)}${ms.toFixed(0).padStart(6)} ms, of a processor ${cpuMs.toFixed(0).padStart(6)} ms   ${said}`,
    )
    total += ms
  }
  return total
}
