import type { ChurnKind } from './churn.ts'
import type { Configuration } from './configuration.ts'
import { nodeNames } from './node-names.ts'
import { type ClientOperation, renamedIn, type Script, type ScriptedFault } from './script.ts'
import { fewest, simplest } from './shrink.ts'

/** Whether this script shows the same failure. */
export type Fails = (candidate: Script) => boolean

/** Where the failure was seen: what has nothing to do with it is tried without first. */
export interface Clue {
  /** Empty: no key of its own. */
  readonly key: string
  /** When the first of the values concerned was written, and when it was seen that something is wrong with them. */
  readonly fromMs: number
  readonly untilMs: number
}

/**
 * A script that shows the same failure with as little as possible: of faults, then of operations, of clients, of nodes; and
 * its values are simpler.
 *
 * @param script must fail
 */
export function shrunkScript(script: Script, clue: Clue, fails: Fails): Script {
  let smallest = simplest(script, milder(script), fails)
  smallest = simplest(smallest, concerned(smallest, clue), fails)
  // Large parts of both first, and no long waits: each run that fails costs less than the one before.
  for (const least of [8, 1]) {
    smallest = simplest(smallest, shorter(smallest), fails)
    smallest = withFewest(smallest, fails, least)
  }
  for (;;) {
    const size = sizeOf(smallest)
    smallest = simplest(smallest, fewerClients(smallest), fails)
    smallest = simplest(smallest, fewerNodes(smallest), fails)
    smallest = withFewest(smallest, fails, 1)
    if (sizeOf(smallest) >= size) break
  }
  return simpler(smallest, fails)
}

function withFewest(script: Script, fails: Fails, least: number): Script {
  const faults = fewest(script.faults, (kept) => fails({ ...script, faults: kept }), least)
  const operations = fewest(script.operations, (kept) => fails({ ...script, faults, operations: kept }), least)
  return { ...script, faults, operations }
}

function sizeOf({ operations, faults, configuration }: Script): number {
  return operations.length + faults.length + configuration.nodes + configuration.clients
}

/** Nobody does more than is written down, and nothing is worse than it has to be: the mildest first. */
function* milder(script: Script): Iterable<Script> {
  const { configuration, operations } = script
  const calmLinks = { ...configuration.links, jitterMs: 0, lossChance: 0, duplicateChance: 0, splitChance: 0 }
  const short = {
    restartsAll: false,
    interruptions: 0,
    awaitsSchedule: false,
    triesAvailability: false,
    triesLiveness: false,
  }
  const keys = 1 + Math.max(0, ...operations.map(({ key }) => Number(key.slice(1))))
  const calm = { ...short, links: calmLinks, driftPpmMax: 0, wallOffsetMsMax: 0, replayChance: 0, keys }
  const alone = { ...calm, churn: undefined }
  for (const change of [alone, calm, { ...short, churn: undefined }, short, { churn: undefined }])
    yield changed({ ...script, lastsMs: 0 }, change)
}

function changed(script: Script, change: Partial<Configuration>): Script {
  return { ...script, configuration: { ...script.configuration, ...change } }
}

/** What was done with that key, and in that time: either, or both. */
function* concerned(script: Script, { key, fromMs, untilMs }: Clue): Iterable<Script> {
  const { faultLastsMs } = script.configuration
  for (const earliestMs of [fromMs, 0]) {
    const faults = script.faults.filter(({ atMs }) => atMs >= earliestMs - 2 * faultLastsMs && atMs <= untilMs)
    const operations = script.operations.filter(({ atMs }) => atMs >= earliestMs && atMs <= untilMs)
    if (key !== '') yield { ...script, faults, operations: operations.filter((operation) => operation.key === key) }
    yield { ...script, faults, operations }
  }
  if (key !== '') yield { ...script, operations: script.operations.filter((operation) => operation.key === key) }
}

/** All that is done is done by fewer clients: by one, or by only those that do anything. */
function* fewerClients(script: Script): Iterable<Script> {
  const active = [...new Set(script.operations.map(({ client }) => client))].toSorted((a, b) => a - b)
  const clients = Math.max(1, active.length)
  for (let count = 1; count < clients; count += 1)
    yield doneBy(script, count, (client) => active.indexOf(client) % count)
  if (clients < script.configuration.clients) yield doneBy(script, clients, (client) => active.indexOf(client))
}

/** Each of them counts its operations anew. */
function doneBy(script: Script, clients: number, whose: (client: number) => number): Script {
  const counts = Array.from({ length: clients }, () => 0)
  const operations = script.operations.map((operation): ClientOperation => {
    const client = whose(operation.client)
    const number = (counts[client] ?? 0) + 1
    counts[client] = number
    return { ...operation, client, number }
  })
  return changed({ ...script, operations }, { clients })
}

/** What was done to or at a node that is no more is done to or at another one. */
function* fewerNodes(script: Script): Iterable<Script> {
  const { nodes, replicas, churn } = script.configuration
  if (churn !== undefined) return
  for (let count = replicas; count < nodes; count += 1) {
    const rename = (node: string): string => nodeNames[nodeNames.indexOf(node) % count] as string
    const operations = script.operations.map((operation) => ({ ...operation, node: rename(operation.node) }))
    const faults = script.faults.map(({ atMs, ...fault }): ScriptedFault => ({ atMs, ...renamedIn(fault, rename) }))
    yield changed({ ...script, operations, faults }, { nodes: count })
  }
}

/** Values that are easier to read: each is tried on top of those that were good enough. */
function simpler(script: Script, fails: Fails): Script {
  let simple = script
  const attempt = (candidate: Script): void => {
    if (JSON.stringify(candidate) !== JSON.stringify(simple) && fails(candidate)) simple = candidate
  }
  attempt(withOperations(simple, ({ paddingBytes: _bytes, ...operation }) => operation))
  simple = simplest(simple, shorter(simple), fails)
  attempt(rounded(simple))
  for (const change of simpleChanges(simple.configuration)) attempt(changed(simple, change))
  for (const kind of simple.configuration.churn?.kinds ?? []) attempt(withoutWish(simple, kind))
  return simple
}

function withOperations(script: Script, change: (operation: ClientOperation) => ClientOperation): Script {
  return { ...script, operations: script.operations.map(change) }
}

/** In whole milliseconds. */
function rounded(script: Script): Script {
  const round = (value: number): number => Math.round(value)
  const faults = script.faults.map((fault) => {
    const atMs = round(fault.atMs)
    return 'lastsMs' in fault ? { ...fault, atMs, lastsMs: round(fault.lastsMs) } : { ...fault, atMs }
  })
  const inWhole = withOperations({ ...script, faults }, (operation) => ({ ...operation, atMs: round(operation.atMs) }))
  return { ...inWhole, lastsMs: round(script.lastsMs) }
}

function shorter(script: Script): Iterable<Script> {
  return [10, 100, 1000, 5000].map((gapMs) => compressed(script, gapMs))
}

/** Nothing waits for longer than `gapMs` after what was before it; what takes time takes it as before. */
function compressed(script: Script, gapMs: number): Script {
  const times = [...script.operations, ...script.faults].map(({ atMs }) => atMs).toSorted((a, b) => a - b)
  const later = new Map<number, number>()
  let [at, previous] = [0, 0]
  for (const time of times) {
    at += Math.min(gapMs, time - previous)
    previous = time
    later.set(time, at)
  }
  const moved = (atMs: number): number => later.get(atMs) ?? atMs
  const faults = script.faults.map((fault) => ({ ...fault, atMs: moved(fault.atMs) }))
  return withOperations({ ...script, faults, lastsMs: 0 }, (one) => ({ ...one, atMs: moved(one.atMs) }))
}

function withoutWish(script: Script, kind: ChurnKind): Script {
  const { churn } = script.configuration
  if (churn === undefined || churn.kinds.length === 1) return script
  return changed(script, { churn: { ...churn, kinds: churn.kinds.filter((one) => one !== kind) } })
}

function simpleChanges({ links, disk }: Configuration): readonly Partial<Configuration>[] {
  return [
    { links: { ...links, jitterMs: 0, lossChance: 0, duplicateChance: 0, splitChance: 0 } },
    { disk: { ...disk, writeMs: 0.02, syncMs: 0.2 } },
    { driftPpmMax: 0, wallOffsetMsMax: 0 },
    { replayChance: 0 },
    { interruptions: 0 },
    { restartsAll: false },
    { triesAvailability: false },
    { triesLiveness: false },
    { retries: false },
    { sessions: false },
    { partitions: 16 },
  ]
}
