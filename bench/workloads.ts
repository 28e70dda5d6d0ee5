import type { KeyDistribution } from './load/key-choice.ts'
import type { WriteType } from './load/operation-choice.ts'
import type { ClientKind, Durability, SystemName } from './systems/system.ts'

/** What clients do. A to F are those of YCSB (Cooper et al., SoCC 2010). */
interface Mix {
  /** 0 to 1; the others read. */
  readonly writeShare: number
  readonly writeType: WriteType
  /** Those that do not write scan 1 to so many keys with their values; left out: they read one. */
  readonly scanMax?: number
  /** Where the name of the workload says nothing else. */
  readonly distribution: KeyDistribution
}

const mixes: Readonly<Record<string, Mix>> = {
  put: { writeShare: 1, writeType: 'write', distribution: 'uniform' },
  get: { writeShare: 0, writeType: 'write', distribution: 'uniform' },
  '50/50': { writeShare: 0.5, writeType: 'write', distribution: 'uniform' },
  A: { writeShare: 0.5, writeType: 'write', distribution: 'zipfian' },
  B: { writeShare: 0.05, writeType: 'write', distribution: 'zipfian' },
  C: { writeShare: 0, writeType: 'write', distribution: 'zipfian' },
  D: { writeShare: 0.05, writeType: 'insert', distribution: 'latest' },
  E: { writeShare: 0.05, writeType: 'insert', scanMax: 100, distribution: 'zipfian' },
  F: { writeShare: 0.5, writeType: 'read-modify-write', distribution: 'zipfian' },
}
const distributions: readonly KeyDistribution[] = ['uniform', 'zipfian', 'latest']
const valueSizes: Readonly<Record<string, number>> = { '100B': 100, '1KiB': 1024, '16KiB': 16 * 1024 }
const nodeCounts: Readonly<Record<string, number>> = { '1-node': 1, '3-nodes': 3, '5-nodes': 5 }
const durabilities: readonly Durability[] = ['os', 'disk']
const openShareDefault = 0.7

/** The servers that a workload needs: those that agree in this run one after the other on the same processes. */
export interface Setting {
  readonly valueBytes: number
  readonly durability: Durability
  readonly nodeCount: number
}

export interface Workload extends Setting {
  /** Its name in full, which names it in tables, JSON and --only. */
  readonly title: string
  readonly mix: string
  readonly writeShare: number
  readonly writeType: WriteType
  readonly scanMax?: number
  readonly distribution: KeyDistribution
  /** Of the peak that the closed loop found in the same run; undefined: this is a closed loop. */
  readonly openShare: number | undefined
}

/** Who is asked, and by which client. */
export interface Contestant {
  readonly system: SystemName
  readonly client: ClientKind
}

/** The lists of workloads that runs are made of. */
export const suites = {
  quick: ['put', 'get', '50/50'],
  full: [
    'put',
    'get',
    '50/50',
    'put open',
    'get open',
    'A',
    'B',
    'C',
    'D',
    'E',
    'F',
    'put 100B',
    'get 100B',
    'put 16KiB',
    'get 16KiB',
    'put disk',
    'put 1-node',
    'get 1-node',
    'put 5-nodes',
    'get 5-nodes',
  ],
  targets: ['put', 'get', '50/50', 'put open', 'get open', 'put disk'],
} as const

export const workloadHelp = `a workload is named by words: a mix (${Object.keys(mixes).join(', ')}), then what is not as usual:
  keys               ${distributions.join(', ')} (usual: uniform for put, get and 50/50, latest for D, zipfian for the others)
  values             ${Object.keys(valueSizes).join(', ')} (usual: 1KiB)
  durability         ${durabilities.join(', ')} (usual: os)
  cluster            ${Object.keys(nodeCounts).join(', ')} (usual: 3-nodes)
  load               open, open-60% and so on: arrivals by schedule at 70 % (60 %) of the peak of the same run (usual: 64 clients
                     that ask again as soon as they are answered)
  as in "put", "A uniform", "get 16KiB 5-nodes", "put disk", "put open"`

/** @throws TypeError for a word that means nothing, saying what would */
export function readWorkload(text: string): Workload {
  const [mix = '', ...words] = text.trim().split(/\s+/)
  const found = ownOf(mixes, mix)
  if (found === undefined) throw new TypeError(`"${mix}" is no mix; ${workloadHelp}`)
  const wanted = { ...found, valueBytes: 1024, durability: 'os' as Durability, nodeCount: 3 }
  let openShare: number | undefined
  for (const word of words) {
    const percent = /^open(?:-(\d+)%)?$/.exec(word)
    if (percent !== null) openShare = percent[1] === undefined ? openShareDefault : Number(percent[1]) / 100
    else if (isOneOf(distributions, word)) wanted.distribution = word
    else if (isOneOf(durabilities, word)) wanted.durability = word
    else {
      const valueBytes = ownOf(valueSizes, word)
      const nodeCount = ownOf(nodeCounts, word)
      if (valueBytes !== undefined) wanted.valueBytes = valueBytes
      else if (nodeCount !== undefined) wanted.nodeCount = nodeCount
      else throw new TypeError(`"${word}" in "${text}" means nothing; ${workloadHelp}`)
    }
  }
  if (openShare !== undefined && !(openShare > 0 && openShare <= 1)) {
    throw new TypeError(`"${text}" is to run at 1 to 100 % of the peak`)
  }
  if (wanted.distribution === 'latest' && wanted.writeType !== 'insert') {
    throw new TypeError(`"${text}": the latest keys are those that were inserted, and only D and E insert`)
  }
  return { ...wanted, mix, openShare, title: titleOf({ ...wanted, mix, openShare }) }
}

/**
 * Reads a list of names, and puts what needs the same servers together. An open loop needs the peak: its closed loop is
 * added where the list has none.
 */
export function readWorkloads(texts: readonly string[]): readonly Workload[] {
  const found = new Map<string, Workload>()
  for (const text of texts) {
    const workload = readWorkload(text)
    const closed = closedOf(workload)
    found.set(closed.title, closed)
    found.set(workload.title, workload)
  }
  const settings = new Set([...found.values()].map(settingId))
  return [...settings].flatMap((id) => [...found.values()].filter((workload) => settingId(workload) === id))
}

/** The closed loop whose peak an open one takes its rate from; a closed loop itself. */
export function closedOf(workload: Workload): Workload {
  if (workload.openShare === undefined) return workload
  return { ...workload, openShare: undefined, title: titleOf({ ...workload, openShare: undefined }) }
}

export function settingId({ valueBytes, durability, nodeCount }: Setting): string {
  return `${nodeCount} nodes, ${valueBytes} B values, durability ${durability}`
}

/** Who runs in each round of a workload, in turn. The single process measures the floor, where that is judged. */
export function contestantsOf(
  { systems, clients }: { readonly systems: readonly SystemName[]; readonly clients: readonly ClientKind[] },
  workload: Workload,
): readonly Contestant[] {
  const all: readonly Contestant[] = [
    { system: 'starling', client: 'http' },
    { system: 'against', client: 'http' },
    { system: 'floor', client: 'http' },
    { system: 'single', client: 'http' },
    { system: 'starling', client: 'binary' },
    { system: 'against', client: 'binary' },
    { system: 'floor', client: 'binary' },
  ]
  return all.filter(({ system, client }) => {
    // The floor has no order.
    if (workload.scanMax !== undefined && system === 'floor') return false
    return systems.includes(system) && clients.includes(client) && (system !== 'single' || isJudged(workload))
  })
}

/** Plain writes and plain reads as usual, by which the floor itself is judged. They have more rounds than the others. */
export function isJudged({ title }: Workload): boolean {
  return title === 'put uniform' || title === 'get uniform'
}

function titleOf(workload: Omit<Workload, 'title'>): string {
  const { mix, distribution, valueBytes, durability, nodeCount, openShare } = workload
  const words: string[] = [mix, distribution]
  if (valueBytes !== 1024) words.push(wordFor(valueSizes, valueBytes))
  if (durability !== 'os') words.push(durability)
  if (nodeCount !== 3) words.push(wordFor(nodeCounts, nodeCount))
  if (openShare !== undefined) words.push(`open-${Math.round(openShare * 100)}%`)
  return words.join(' ')
}

/** What was typed may be the name of a method that every object has. */
function ownOf<Value>(values: Readonly<Record<string, Value>>, word: string): Value | undefined {
  return Object.hasOwn(values, word) ? values[word] : undefined
}

function wordFor(words: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(words).find((word) => words[word] === value) ?? String(value)
}

function isOneOf<Word extends string>(words: readonly Word[], word: string): word is Word {
  return words.some((known) => known === word)
}
