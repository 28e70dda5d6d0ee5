import type { SecretOrder } from '../../lib/node/secret-views.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import type { DrivenNode, SimulatedCluster } from './cluster.ts'
import { pick } from './configuration.ts'

const timeoutMs = 3000

/**
 * Changes the keys of the cluster while it works and breaks, in any order that comes to mind, at any node, also two at a time:
 * what would cut somebody off must be refused. So at any moment each node can open what any other sends.
 */
export class SecretRotator {
  readonly #cluster: SimulatedCluster
  readonly #everyMs: number
  readonly #random: Random
  readonly #report: (check: string, message: string) => void
  #isOver = false

  constructor(
    cluster: SimulatedCluster,
    everyMs: number,
    random: Random,
    report: (check: string, message: string) => void,
  ) {
    this.#cluster = cluster
    this.#everyMs = everyMs
    this.#random = random
    this.#report = report
  }

  start(): void {
    this.#cluster.world.after(this.#everyMs * 2 * this.#random.fraction(), () => {
      if (this.#isOver) return
      this.#check()
      for (let orders = this.#random.below(3); orders >= 0; orders -= 1) this.#rotate()
      this.start()
    })
  }

  stop(): void {
    this.#isOver = true
    this.#check()
  }

  #rotate(): void {
    const { running, secrets } = this.#cluster
    if (secrets === undefined || running.length === 0) return
    const at = pick(this.#random, running)
    const node = this.#cluster.node(at)
    const [sending, ...others] = secrets.of(at).ids
    const action = others.length === 0 ? 'add' : pick(this.#random, ['add', 'use', 'use', 'remove', 'remove'] as const)
    // Sometimes the one that is in use: that must not work.
    const keyId = action === 'add' && others.length < 2 ? undefined : pick(this.#random, [sending as string, ...others])
    const order: SecretOrder = { action, keyId, force: false, isRehearsal: false, timeoutMs }
    if (node !== undefined) this.#cluster.world.inProcess(at, () => this.#order(node, order))
  }

  #order(node: DrivenNode, order: SecretOrder): void {
    node.changeSecret(order, (error) => {
      this.#cluster.probes.hit(error === undefined ? `done rotate-${order.action}` : `told rotation ${error.code}`)
    })
  }

  #check(): void {
    const { starters, secrets } = this.#cluster
    if (secrets === undefined) return
    for (const one of starters) {
      const { id } = secrets.of(one).keyring.sending
      const deaf = starters.filter((other) => !secrets.of(other).ids.includes(id))
      if (deaf.length > 0) this.#report('cut-off', `${one} sends with ${id}, which ${deaf.join(', ')} cannot open`)
    }
  }
}
