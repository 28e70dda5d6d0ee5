import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../test/node/fixtures/real-nodes.ts'
import type { Finding } from './run-directory.ts'
import type { RunScope } from './run-scope.ts'
import type { ClusterView, Recorder, Workload } from './workload.ts'

export const clientCount = 15
/** By then every operation that had begun has ended. */
const endsWithinMs = 40_000
const messageCharactersMax = 600

export interface LoadParts {
  readonly workload: Workload
  readonly cluster: ClusterView
  readonly recorder: Recorder
  /** Operations per second of all clients together, where the cluster answers fast enough. */
  readonly rate: number
}

/**
 * Clients, each of which does one thing at a time with a pause after it, until `isOver` resolves and what they had begun
 * has ended.
 */
export async function runLoad(scope: RunScope, parts: LoadParts, isOver: Promise<void>): Promise<readonly Finding[]> {
  const { workload, cluster, recorder, rate } = parts
  const stop = new AbortController()
  setMaxListeners(2 * clientCount, stop.signal)
  const findings: Finding[] = []
  const intervalMs = (clientCount * 1000) / rate
  const client = async (number: number): Promise<void> => {
    const fraction = scope.fractions(`client ${number}`)
    const pauses = scope.fractions(`pauses of ${number}`)
    const doing = workload.client({ number, fraction, cluster, recorder })
    try {
      while (!stop.signal.aborted) {
        const dueMs = performance.now() + intervalMs * (0.5 + pauses())
        await doing.next()
        await pause(Math.max(1, dueMs - performance.now()), stop.signal)
      }
      await doing.close?.()
    } catch (error) {
      findings.push({ verdict: 'unknown', reason: `client ${number} of the harness failed: ${told(error)}` })
    }
  }
  const clients = Promise.all(Array.from({ length: clientCount }, (_, number) => client(number)))
  try {
    await isOver
  } finally {
    stop.abort()
  }
  try {
    await within(endsWithinMs, 'every operation of the load has ended', clients)
  } catch (error) {
    findings.push({ verdict: 'unknown', reason: told(error) })
  }
  return findings
}

/** Ends early when the signal says so. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch {
    // Aborted: that is what it is for.
  }
}

/** What went wrong, in a line or so: the whole of it is in the logs. */
export function told(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.length <= messageCharactersMax ? message : `${message.slice(0, messageCharactersMax)}...`
}
