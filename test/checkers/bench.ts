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
import { keyHistoriesOf } from './key-history.ts'

const keys = 50
const writesPerKey = 2000

/** Sends 100,000 writes, and as many reads, through every checker, and says how much processor time each took. */
export function benchCheckers(print: (line: string) => void): void {
  const random = seededRandom(seedFor(1, 'bench'))
  const siblings = drawLargeHistory(random, keys, writesPerKey, false)
  const registers = drawLargeHistory(random, keys, writesPerKey, true)
  print(`${keys} keys of ${writesPerKey} writes: ${siblings.length} lines, and ${registers.length} of registers`)
  const strict = { monotonicReads: true, freshReads: true }
  const acknowledged = new Set(siblings.flatMap(({ t, vid }) => (t === 'ok' && vid !== undefined ? [vid] : [])))
  const copyPromises = { converged: true, handedOver: acknowledged, tombstones: undefined, isLastWriteWins: false }
  const total = [
    time('reading the history', () => keyHistoriesOf(siblings).length),
    time('acknowledged writes', () => checkAcknowledgedWrites(siblings)),
    time('contexts', () => checkContexts(siblings, strict)),
    time('deletes', () => checkDeletes(siblings, strict)),
    time('freshness', () => checkFreshness(siblings, strict)),
    time('sessions', () => checkSessions(siblings)),
    time('copies', () => checkCopies(siblings, copyPromises)),
    time('hints', () => checkHints(siblings, { withinMs: 0, handedOver: acknowledged })),
    time('convergence', () => checkConvergence(siblings, { withinMs: 0 })),
    time('availability', () => checkAvailability(siblings, { timeoutMs: 1000, detectionMs: 0 })),
    time('reading the registers', () => keyHistoriesOf(registers).length),
    time('last write wins', () => checkLastWriteWins(registers, strict)),
    time('regular registers', () => checkRegisters(registers, { model: 'regular' })),
    time('atomic registers', () => checkRegisters(registers, { model: 'atomic' })),
  ].reduce((sum, ms) => sum + ms, 0)
  print(`all of it: ${(total / 1000).toFixed(2)} s of processor time`)

  function time(what: string, work: () => CheckResult | number): number {
    // On a busy machine the processor's time is what can be compared.
    const from = process.cpuUsage()
    const result = work()
    const { user, system } = process.cpuUsage(from)
    const ms = (user + system) / 1000
    const said = typeof result === 'number' ? `${result} keys` : `${result.compared} compared, ${String(result.valid)}`
    print(`${what.padEnd(24)}${ms.toFixed(0).padStart(6)} ms   ${said}`)
    return ms
  }
}
