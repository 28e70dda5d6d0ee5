import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryRecord } from '../test/checkers/history.ts'
import { inLanes } from '../test/scenarios/kit/load.ts'
import { type CopyLook, type Looks, ownersFrom } from './cluster/looks.ts'
import type { Member } from './cluster/member.ts'
import { probeOf } from './cluster/node-probe.ts'
import type { RealCluster } from './cluster/real-cluster.ts'
import { awaitRest, compareCopies, compareToTheEnd } from './cluster/rest.ts'
import { healing } from './faults.ts'
import { told } from './load.ts'
import type { Nemesis } from './nemesis.ts'
import type { Network } from './network/network.ts'
import type { HistoryRecorder } from './recorder.ts'
import type { Finding } from './run-directory.ts'
import type { RunScope } from './run-scope.ts'

/** Hints go out once a minute at the latest, and more than once where the first try came too early. */
const restMsMax = 180_000
/** From rest until the copies of every key are equal, when exchanges are asked for. */
const equalMsMax = 60_000
const exchangeEveryMs = 5_000
const lookEveryMs = 250
const readTriesMax = 10
const readPauseMs = 500
const lanesOfNode = 4
/** The first ends what had begun before: who compares counts at the end of it. */
const silentRounds = 2
const compareMsMax = 10_000
const reasonsTold = 5

export interface FinalParts {
  readonly cluster: RealCluster
  readonly network: Network
  readonly nemesis: Nemesis
  readonly recorder: HistoryRecorder
  readonly looks: Looks
}

/**
 * After the load: everything is healed and started, comes to rest by itself, and is looked at: each owner's own copy of
 * every key before anybody reads, then what all owners say together, through each node. Then each node tells what it keeps,
 * has repaired and goes by, and again when all copies were compared once more.
 * @returns what broke a promise that the history does not show
 */
export async function finalPhase(scope: RunScope, parts: FinalParts): Promise<readonly Finding[]> {
  const { cluster, recorder } = parts
  const findings: Finding[] = []
  recorder.phase('heal')
  findings.push(...(await heal(parts)))
  recorder.add({ t: 'info', p: 'nemesis', f: healing })

  recorder.phase('quiesce')
  const unrest = await awaitRest(cluster, restMsMax)
  if (unrest.length > 0) {
    findings.push(invalid(`not at rest ${restMsMax / 1000} s after everything was healed: ${some(unrest)}`))
  }
  scope.say(unrest.length === 0 ? 'at rest' : `not at rest: ${some(unrest)}`)

  const keys = keysOf(recorder.records)
  recorder.phase('copies')
  findings.push(...(await lookAtCopies(parts, keys)))
  recorder.phase('final-reads')
  findings.push(...(await readAll(parts, keys)))
  recorder.phase('silence')
  for (let round = 0; round < silentRounds; round += 1) {
    await compareToTheEnd(cluster, compareMsMax)
    findings.push(...(await probeNodes(parts)))
  }
  scope.say(`${keys.length} keys read through each of ${cluster.members.length} nodes`)
  return findings
}

async function heal({ cluster, network, nemesis }: FinalParts): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  await network.heal()
  for (const member of cluster.running) member.signal('SIGCONT')
  try {
    const fallen = await cluster.startMissing()
    if (fallen.length > 0 && nemesis.endsNodes !== true) {
      findings.push(invalid(`${fallen.join(' and ')} ended by themselves: see the logs`))
    }
    if (nemesis.endsNodes === true) await startFailed(cluster)
  } catch (error) {
    findings.push(invalid(`not every node could be started again: ${told(error)}`))
  }
  return findings
}

/** Whose disk failed serves nothing until it is started again, by an operator. */
async function startFailed(cluster: RealCluster): Promise<void> {
  for (const member of cluster.running) {
    const state = await member.json('/v1/node').then(
      (self) => self.state,
      () => undefined,
    )
    if (state !== 'storage-failed') continue
    await member.kill()
    await member.start()
  }
}

/** Every key that a client has named. */
export function keysOf(records: readonly HistoryRecord[]): readonly string[] {
  const keys = new Set<string>()
  for (const { p, t, k } of records) if (typeof p === 'number' && t === 'invoke' && k !== undefined) keys.add(k)
  return [...keys]
}

/** Looks until the copies of each key are equal, at most for so long; what was seen last is in the history. */
async function lookAtCopies({ cluster, recorder, looks }: FinalParts, keys: readonly string[]): Promise<Finding[]> {
  const [first] = cluster.running
  if (first === undefined) return [invalid('no node runs')]
  const ownersOf = await ownersFrom(first)
  const seen = new Map<string, readonly CopyLook[]>()
  const endMs = performance.now() + equalMsMax
  let nextExchangeMs = performance.now() + exchangeEveryMs
  let open = keys
  for (;;) {
    const different: string[] = []
    await inLanes(open, async (key) => {
      const owners = ownersOf(key).map((name) => cluster.members.find((member) => member.name === name))
      const copies = await Promise.all(owners.filter((owner) => owner !== undefined).map((o) => looks.copy(o, key)))
      seen.set(key, copies)
      if (copies.length === 0 || !copies.every(isSameAs(copies[0]))) different.push(key)
    })
    open = different
    if (open.length === 0 || performance.now() > endMs) break
    if (performance.now() >= nextExchangeMs) {
      await compareCopies(cluster)
      nextExchangeMs = performance.now() + exchangeEveryMs
    }
    await sleep(lookEveryMs)
  }
  const silent = new Set<string>()
  for (const [k, copies] of seen) {
    for (const { node, isAnswered, vals, state, tomb, context } of copies) {
      if (!isAnswered) silent.add(node)
      else recorder.add({ t: 'ok', p: 'probe', f: 'replica-get', k, node, vals, state, tomb, tok: context })
    }
  }
  return [...silent].map((node) => invalid(`${node} did not show its copies`))
}

async function probeNodes({ cluster, recorder }: FinalParts): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const member of cluster.members) {
    try {
      recorder.add({ t: 'ok', p: 'probe', f: 'node', node: member.name, v: await patiently(() => probeOf(member)) })
    } catch (error) {
      findings.push(invalid(`${member.name} did not tell of itself in the end: ${told(error)}`))
    }
  }
  return findings
}

/** A machine that is busy for a moment is not a node that says nothing. */
async function patiently<Told>(ask: () => Promise<Told>): Promise<Told> {
  for (let triesLeft = 4; triesLeft > 0; triesLeft -= 1) {
    try {
      return await ask()
    } catch {
      await sleep(1_000)
    }
  }
  return ask()
}

function isSameAs(first: CopyLook | undefined): (copy: CopyLook) => boolean {
  return (copy) => copy.isAnswered && first?.isAnswered === true && copy.state === first.state
}

/** Through each node, from all owners. Now that everything is well, every read must succeed, if not at once. */
async function readAll({ cluster, recorder, looks }: FinalParts, keys: readonly string[]): Promise<readonly Finding[]> {
  const failures: string[] = []
  const lane = async (member: Member, offset: number): Promise<void> => {
    let p = recorder.nextProcess()
    for (let at = offset; at < keys.length; at += lanesOfNode) {
      const k = keys[at] as string
      for (let tries = 1; ; tries += 1) {
        const read = { p, f: 'get', k, r: 'all', node: member.name, final: true } as const
        recorder.add({ t: 'invoke', ...read })
        const { isAnswered, vals, context, error } = await looks.read(member, k)
        if (isAnswered) {
          recorder.add({ t: 'ok', ...read, vals, tok: context, by: member.name })
          break
        }
        recorder.add({ t: 'info', ...read, error })
        p = recorder.nextProcess()
        if (tries === readTriesMax) {
          failures.push(`${k} through ${member.name}: ${error}`)
          break
        }
        await sleep(readPauseMs)
      }
    }
  }
  const offsets = Array.from({ length: lanesOfNode }, (_, offset) => offset)
  await Promise.all(cluster.members.flatMap((member) => offsets.map((offset) => lane(member, offset))))
  return failures.length === 0 ? [] : [invalid(`final reads from all owners failed: ${some(failures)}`)]
}

function invalid(reason: string): Finding {
  return { verdict: 'invalid', reason }
}

function some(reasons: readonly string[]): string {
  const rest = reasons.length - reasonsTold
  return reasons.slice(0, reasonsTold).join('; ') + (rest > 0 ? `; and ${rest} more` : '')
}
