/**
 * What clients notice of one replica of three that is stopped (SIGSTOP), or slow: stopped for four fifths of the time.
 * Before and during it in the same run, at the same rate. HTTP clients ask the two others, as behind a load balancer that
 * looks at /readyz; the embedded client knows all three and finds out by itself. Needs Linux, two cores and taskset.
 *
 * npm run build && node dist/bench/slow-replica.js [--clients http,embedded] [--faults stopped,slow] [--seconds 10]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Target } from './load/orders.ts'
import type { LoadReport } from './overload/load.ts'
import { PinnedLoad, pin } from './overload/pinned.ts'
import { printVerdicts, type Verdict } from './overload/verdicts.ts'
import type { Child } from './systems/child.ts'
import { startStarling } from './systems/start-starling.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: { clients: text, faults: text, seconds: text, 'server-core': text, 'load-core': text },
})
const clients = (values.clients ?? 'http,embedded').split(',')
const faults = (values.faults ?? 'stopped,slow').split(',')
const durationMs = Number(values.seconds ?? 10) * 1000
const serverCore = Number(values['server-core'] ?? 0)
const loadCore = Number(values['load-core'] ?? 1)

/** Of the peak: what a third node less still leaves room for. */
const loadShare = 0.4
const p99FactorMax = 3
const successMin = 0.999
/** Below this nobody calls a p99 long. */
const p99MsMin = 10
const slow = { stoppedMs: 80, runningMs: 20 }

const directory = mkdtempSync(join(tmpdir(), 'starling-slow-'))
const children: Child[] = []
const load = new PinnedLoad(loadCore)
let isOver = false
process.once('exit', () => {
  for (const child of children) child.kill()
  load.stop()
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

console.log(`servers on core ${serverCore}, load on core ${loadCore}, machine load ${loadavg()[0]?.toFixed(1)}`)
const system = await startStarling({ directory, nodeFlags: [] }, (child) => children.push(child))
for (const child of children) pin(child.pid, serverCore)
const victim = children[2] as Child
const http = system.targets.http as Extract<Target, { type: 'http' }>
await load.make({ target: http, durationMs: 1, writeShare: 1, pace: { type: 'closed', inFlight: 1 }, fills: true })

const verdicts: Verdict[] = []
for (const client of clients) {
  const target = client === 'http' ? { ...http, ports: http.ports.slice(0, 2) } : (system.targets.binary as Target)
  const peak = await load.make({ target, durationMs: 3_000, writeShare: 0.5, pace: { type: 'closed', inFlight: 64 } })
  const pace = { type: 'open', perSecond: (peak.counts.done / peak.elapsedMs) * 1000 * loadShare } as const
  for (const fault of faults) {
    const before = await load.make({ target, durationMs, writeShare: 0.5, pace })
    const end = fault === 'slow' ? slowDown(victim.pid) : stop(victim.pid)
    const during = await load.make({ target, durationMs, writeShare: 0.5, pace })
    end()
    await sleep(3_000)
    const after = await load.make({ target, durationMs: durationMs / 2, writeShare: 0.5, pace })
    const found = verdictsOf(before, during, after)
    printVerdicts(`one replica of three ${fault}, ${client}, ${pace.perSecond.toFixed(0)}/s, half of them puts`, found)
    verdicts.push(...found)
  }
}
process.exit(verdicts.every(({ isKept }) => isKept) ? 0 : 1)

function verdictsOf(before: LoadReport, during: LoadReport, after: LoadReport): readonly Verdict[] {
  const p99MsMax = Math.max(p99FactorMax * before.done.p99Ms, p99MsMin)
  return [
    {
      what: `p99 at most ${p99FactorMax} x`,
      isKept: during.done.p99Ms <= p99MsMax,
      found: `${before.done.p99Ms.toFixed(1)} ms before, ${during.done.p99Ms.toFixed(1)} ms with it (p50 ${before.done.p50Ms.toFixed(1)} and ${during.done.p50Ms.toFixed(1)})`,
    },
    {
      what: `${successMin * 100} % succeed`,
      isKept: successOf(during) >= successMin,
      found: `${(successOf(during) * 100).toFixed(3)} %: ${JSON.stringify(during.counts)}`,
    },
    {
      what: 'as before 3 s after it',
      isKept: after.done.p99Ms <= p99MsMax && successOf(after) >= successMin,
      found: `p99 ${after.done.p99Ms.toFixed(1)} ms, ${(successOf(after) * 100).toFixed(3)} %`,
    },
  ]
}

function successOf({ counts }: LoadReport): number {
  return counts.done / (counts.done + counts.refused + counts.failed + counts.unsent)
}

/** A process of ours, and nobody else's. */
function stop(pid: number): () => void {
  process.kill(pid, 'SIGSTOP')
  return () => process.kill(pid, 'SIGCONT')
}

function slowDown(pid: number): () => void {
  isOver = false
  const cycle = (): void => {
    if (isOver) return
    const go = stop(pid)
    setTimeout(() => {
      go()
      setTimeout(cycle, slow.runningMs)
    }, slow.stoppedMs)
  }
  cycle()
  return () => {
    isOver = true
  }
}
