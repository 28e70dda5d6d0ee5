import { seededFractions } from '../../bench/load/random.ts'
import { bucket, pathOf, vidOf } from '../../jepsen-lite/values.ts'
import type { ClusterView, Recorder, Workload } from '../../jepsen-lite/workload.ts'
import { keysIn } from '../../jepsen-lite/workloads/judge.ts'
import type { RunningNode } from '../../lib/start-node.ts'
import { History, type HistoryRecord } from '../checkers/history.ts'
import { call, nodeIn, type Reachable, ready } from '../node/fixtures/real-nodes.ts'
import { type Scope, scratchDirectory } from '../platform/fixtures/scratch.ts'

const names = ['ada', 'bob', 'cyd']
const clients = 4

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

  static async start(t: Scope): Promise<WorkloadTrial> {
    const nodes: RunningNode[] = []
    for (const name of names) {
      const join = nodes.length === 0 ? {} : { join: [nodes[0]?.peer ?? ''] }
      nodes.push(await nodeIn(t, scratchDirectory(t), { name, expect: names.length, tombstoneGrace: 1, ...join }))
    }
    const trial = new WorkloadTrial(nodes)
    await ready(trial.#nodes)
    return trial
  }

  /** Load for a while, final reads through every node, and a look at every copy. */
  async run(workload: Workload, forMs = 700, cluster: ClusterView = this.cluster): Promise<readonly HistoryRecord[]> {
    const history = new History()
    const recorder: Recorder = {
      add: (record) => history.add({ ...record, ns: Math.floor(performance.now() * 1e6) }),
      nextProcess: () => {
        this.#processes += 1
        return this.#processes
      },
    }
    const endMs = performance.now() + forMs
    await Promise.all(
      Array.from({ length: clients }, async (_, number) => {
        const client = workload.client({ number, fraction: seededFractions(number + 1), cluster, recorder })
        while (performance.now() < endMs) await client.next()
        await client.close?.()
      }),
    )
    await this.#readAll(history, recorder, cluster)
    await workload.finish?.({ cluster, recorder })
    await this.#lookAtCopies(history, recorder)
    return history.records
  }

  async #readAll(history: History, recorder: Recorder, cluster: ClusterView): Promise<void> {
    for (const k of keysIn(history.records)) {
      for (const [index, { name: node, http }] of cluster.members.entries()) {
        const base = { p: recorder.nextProcess(), s: 'final', f: 'get', k, r: 'all', node, final: true as const }
        recorder.add({ t: 'invoke', ...base })
        const reached = { http, peer: this.#nodes[index]?.peer ?? '' }
        const { status, text, context } = await call(reached, 'GET', `${pathOf(k)}?r=all&sloppy=false`)
        const vals = status === 404 ? [] : status === 200 ? [vidOf(text)] : siblingsIn(text)
        recorder.add({ t: 'ok', ...base, vals, tok: context })
      }
    }
  }

  async #lookAtCopies(history: History, recorder: Recorder): Promise<void> {
    for (const k of keysIn(history.records)) {
      for (const [index, node] of this.#nodes.entries()) {
        const { text } = await call(node, 'GET', `/v1/replica/${bucket}/${encodeURIComponent(k)}`)
        const { stateHash, tombstone } = JSON.parse(text)
        const state = stateHash ?? undefined
        recorder.add({
          t: 'ok',
          p: 'probe',
          f: 'replica-get',
          k,
          node: names[index],
          vals: siblingsIn(text),
          state,
          tomb: tombstone,
        })
      }
    }
  }
}

function siblingsIn(text: string): readonly string[] {
  const { siblings } = JSON.parse(text) as { readonly siblings: readonly { readonly value: string }[] }
  return siblings.map(({ value }) => vidOf(value))
}
