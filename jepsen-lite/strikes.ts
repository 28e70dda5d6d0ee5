import type { ClusterState } from '../test/checkers/history.ts'
import { within } from '../test/node/fixtures/real-nodes.ts'
import type { FaultNote } from './faults.ts'
import { pause, told } from './load.ts'
import type { Nemesis, Stage, Strike } from './nemesis.ts'
import type { HistoryRecorder } from './recorder.ts'
import type { Finding } from './run-directory.ts'
import type { RunScope } from './run-scope.ts'

/** A nemesis that needs longer for one blow, or for taking it back, has failed. */
const stepMsMax = 90_000
const calmFirstMs = 2000
const lasts = { minMs: 3000, maxMs: 8000 }
/** There is no use in a blow that would be taken back sooner. */
const shortestMs = 1000
const calm = { minMs: 1500, maxMs: 4000 }

export interface StrikeParts {
  readonly nemesis: Nemesis
  readonly stage: Stage
  readonly recorder: HistoryRecorder
}

/** Lets a nemesis strike again and again, with calm in between, for so long. Nothing lasts when it resolves. */
export async function strikeFor(
  scope: RunScope,
  { nemesis, stage, recorder }: StrikeParts,
  seconds: number,
): Promise<readonly Finding[]> {
  const endMs = performance.now() + seconds * 1000
  const findings: Finding[] = []
  const fraction = scope.fractions('when the nemesis strikes')
  const between = ({ minMs, maxMs }: typeof lasts): number => minMs + fraction() * (maxMs - minMs)
  const longestMs = seconds * 400
  const note = (v: FaultNote, more: NoteMore = {}): void => {
    const { sinceNs = recorder.nowNs, error, cluster } = more
    recorder.addAsOf(sinceNs, { t: 'info', p: 'nemesis', f: nemesis.name, v, error, cluster })
  }

  const waitFor = (ms: number): Promise<void> => pause(Math.min(ms, endMs - performance.now()), scope.signal)
  if (isCalm(nemesis)) {
    await waitFor(seconds * 1000)
    return findings
  }
  await waitFor(Math.min(calmFirstMs, seconds * 250))
  for (let id = 1; performance.now() + shortestMs < endMs && !scope.signal.aborted; id += 1) {
    const sinceNs = recorder.nowNs
    let strike: Strike | undefined
    note({ phase: 'changes', id })
    try {
      strike = await within(stepMsMax, `${nemesis.name} strikes`, nemesis.strike(stage))
      note({ phase: 'begun', id, what: strike.what, nodes: strike.nodes }, { sinceNs })
      const { cluster } = strike
      note({ phase: 'stands', id }, { cluster })
      scope.say(`${nemesis.name}: ${strike.what}`)
      await waitFor(Math.min(between(lasts), longestMs))
      note({ phase: 'changes', id })
      await within(stepMsMax, `${nemesis.name} takes it back`, strike.undo())
      scope.say(`${nemesis.name}: over`)
      note({ phase: 'ended', id }, { cluster: cluster === undefined ? undefined : whole })
    } catch (error) {
      const what = `could not be ${strike === undefined ? 'begun' : 'taken back'}: ${told(error)}`
      if (strike === undefined) note({ phase: 'begun', id, what, nodes: [] }, { error: told(error), sinceNs })
      note({ phase: 'ended', id }, { error: told(error) })
      findings.push({ verdict: 'unknown', reason: `${nemesis.name} number ${id} ${what}` })
      scope.say(`${nemesis.name}: ${what}`)
    }
    await waitFor(between(calm))
  }
  return findings
}

/** Nothing is wrong. */
const whole: ClusterState = { down: [], cuts: [] }

interface NoteMore {
  readonly sinceNs?: number
  readonly error?: string
  readonly cluster?: ClusterState | undefined
}

/** The one that does nothing needs no evidence that it did. */
export function isCalm({ name }: { readonly name: string }): boolean {
  return name === 'none'
}
