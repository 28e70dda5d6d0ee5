import { seededFractions } from '../../bench/load/random.ts'
import { bucket, pathOf, vidOf } from '../../jepsen-lite/values.ts'
import type { ClusterView, Recorder, Workload } from '../../jepsen-lite/workload.ts'
import { keysIn } from '../../jepsen-lite/workloads/judge.ts'
import type { RunningNode } from '../../lib/start-node.ts'
import { History, type HistoryRecord } from '../checkers/history.ts'
import { call, eventually, json, nodeIn, type Reachable, ready } from '../node/fixtures/real-nodes.ts'
import { type Scope, scratchDirectory } from '../platform/fixtures/scratch.ts'

type Member = ClusterView['members'][number]

const names = ['ada', 'bob', 'cyd']
const clients = 4
const operationsOfEach = 60

/** Three nodes in this process, and clients that do what a workload says against them. */
export class WorkloadTrial {
  readonly cluster: ClusterView
  readonly #nodes: readonly Reachable[]
  #processes = 0

  private constructor(nodes: readonly RunningNode[]) {
    this.#nodes = nodes.map(({ http, peer }) => ({ http: http ?? '', peer }))
    this.cluster = {
      members: nodes.map(({ http, peer }, index) => ({ name: names[index] ?? '', http: http ?? '', peer })),
    }
  }

  static async start(t: Scope, properties?: Readonly<Record<string, unknown>>): Promise<WorkloadTrial> {
    const nodes: RunningNode[] = []
    for (const name of names) {
      const join = nodes.length === 0 ? {} : { join: [nodes[0]?.peer ?? ''] }
      nodes.push(await nodeIn(t, scratchDirectory(t), { name, expect: names.length, tombstoneGrace: 1, ...join }))
    }
    const trial = new WorkloadTrial(nodes)
    await ready(trial.#nodes)
    if (properties !== undefined) await trial.#setBucket(properties)
    return trial
  }

  /** So many operations of each client, final reads through every node, and a look at every copy. */
  async run(
    workload: Workload,
    operations = operationsOfEach,
    cluster: ClusterView = this.cluster,
  ): Promise<readonly HistoryRecord[]> {
    const history = new History()
    const recorder: Recorder = {
      add: (record) => history.add({ ...record, ns: Math.floor(performance.now() * 1e6) }),
      nextProcess: () => {
        this.#processes += 1
        return this.#processes
      },
    }
    await Promise.all(
      Array.from({ length: clients }, async (_, number) => {
        const client = workload.client({ number, fraction: seededFractions(number + 1), cluster, recorder })
        for (let done = 0; done < operations; done += 1) await client.next()
        await client.close?.()
      }),
    )
    const keys = keysIn(history.records)
    await this.#readAll(keys, recorder, cluster)
    await workload.finish?.({ cluster, recorder })
    await this.#lookAtCopies(keys, recorder)
    return history.records
  }

  async #setBucket(properties: Readonly<Record<string, unknown>>): Promise<void> {
    const path = `/v1/buckets/${bucket}`
    const [first] = this.#nodes
    const response = await fetch(`http://${first?.http}${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(properties),
    })
    if (!response.ok) throw new Error(await response.text())
    for (const node of this.#nodes) {
      await eventually(
        `${node.http} knows the bucket`,
        () => json(node, path),
        ({ version }) => version === 1,
      )
    }
  }

  async #readAll(keys: readonly string[], recorder: Recorder, cluster: ClusterView): Promise<void> {
    const read = async ({ name: node, http, peer }: Member): Promise<void> => {
      const p = recorder.nextProcess()
      for (const k of keys) {
        const base = { p, s: 'final', f: 'get', k, r: 'all', node, final: true as const }
        recorder.add({ t: 'invoke', ...base })
        const { status, text, context } = await call({ http, peer }, 'GET', `${pathOf(k)}?r=all&sloppy=false`)
        const vals = status === 404 ? [] : status === 200 ? [vidOf(text)] : siblingsIn(text)
        recorder.add({ t: 'ok', ...base, vals, tok: context })
      }
    }
    await Promise.all(cluster.members.map(read))
  }

  async #lookAtCopies(keys: readonly string[], recorder: Recorder): Promise<void> {
    const look = async ({ name: node, http, peer }: Member): Promise<void> => {
      for (const k of keys) {
        const { text } = await call({ http, peer }, 'GET', `/v1/replica/${bucket}/${encodeURIComponent(k)}`)
        const { stateHash, tombstone: tomb } = JSON.parse(text)
        const state = stateHash ?? undefined
        recorder.add({ t: 'ok', p: 'probe', f: 'replica-get', k, node, vals: siblingsIn(text), state, tomb })
      }
    }
    await Promise.all(this.cluster.members.map(look))
  }
}

function siblingsIn(text: string): readonly string[] {
  const { siblings } = JSON.parse(text) as { readonly siblings: readonly { readonly value: string }[] }
  return siblings.map(({ value }) => vidOf(value))
}
