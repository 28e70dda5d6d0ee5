import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { parseBootstrapTokens } from '../../lib/security/bootstrap-tokens.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import type { SimulatedCluster } from './cluster.ts'
import { pick } from './configuration.ts'

/** What nodes that ask for tokens are started with. */
export const bootstrapTokens = parseBootstrapTokens('the-token-of-all-simulations-an-admin', createCryptography())

const everyMs = 1_500
const lookEveryMs = 1_000
const timeoutMs = 3_000
/** From the answer to a change until it is in force at every node that can read a quorum. */
const everywhereMs = 5_000
const never = Number.POSITIVE_INFINITY

interface Made {
  readonly text: string
  readonly id: string
  readonly atMs: number
  /** When somebody began to revoke it, and when they were told that it is. */
  revokingAtMs: number
  revokedAtMs: number
}

/**
 * Make tokens at random nodes and revoke some of them while the cluster breaks, and look: what a quorum knew when a node
 * last read one, that node goes by, and at the end all do.
 */
export class TokenMakers {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #random: Random
  readonly #report: (check: string, message: string) => void
  readonly #made: Made[] = []
  #isStopped = false

  constructor(cluster: SimulatedCluster, random: Random, report: (check: string, message: string) => void) {
    this.#cluster = cluster
    this.#world = cluster.world
    this.#random = random
    this.#report = report
  }

  start(): void {
    this.#next()
    this.#lookAgain()
  }

  stop(): void {
    this.#isStopped = true
  }

  /** All is whole again: what anybody was told holds at every node. */
  finish(): void {
    this.#world.run(timeoutMs + everywhereMs)
    for (const name of this.#cluster.running) this.#look(name, this.#world.nowMs - everywhereMs)
  }

  #next(): void {
    this.#world.after(everyMs * 2 * this.#random.fraction(), () => {
      if (this.#isStopped) return
      const { running } = this.#cluster
      const good = this.#made.filter(({ revokingAtMs }) => revokingAtMs === never)
      if (running.length > 0) {
        const name = pick(this.#random, running)
        if (good.length > 0 && this.#random.below(3) === 0) this.#revoke(name, pick(this.#random, good))
        else this.#make(name)
      }
      this.#next()
    })
  }

  #make(name: string): void {
    const order = { name, role: 'read', scopes: undefined, expiresInSeconds: undefined } as const
    this.#world.inProcess(name, () =>
      this.#cluster.node(name)?.createToken(order, undefined, timeoutMs, (_error, created) => {
        if (created === undefined) return
        const { text, token } = created
        this.#made.push({ text, id: token.id, atMs: this.#world.nowMs, revokingAtMs: never, revokedAtMs: never })
        this.#cluster.probes.hit('done make-token')
      }),
    )
  }

  #revoke(name: string, made: Made): void {
    made.revokingAtMs = this.#world.nowMs
    this.#world.inProcess(name, () =>
      this.#cluster.node(name)?.revokeToken(made.id, timeoutMs, (error) => {
        if (error !== undefined) return
        made.revokedAtMs = this.#world.nowMs
        this.#cluster.probes.hit('done revoke-token')
      }),
    )
  }

  #lookAgain(): void {
    this.#world.after(lookEveryMs, () => {
      if (this.#isStopped) return
      for (const name of this.#cluster.running) {
        const ageMs = this.#cluster.metric(name, 'starling_token_age_seconds') * 1000
        // A clock that drifts measures it a little wrong.
        this.#look(name, this.#world.nowMs - ageMs * 1.01 - 1)
      }
      this.#lookAgain()
    })
  }

  /** @param asOfMs what was acknowledged before must be known there */
  #look(name: string, asOfMs: number): void {
    const authority = this.#cluster.node(name)?.authority
    if (authority === undefined) return
    for (const { text, id, atMs, revokingAtMs, revokedAtMs } of this.#made) {
      const why = authority.whyRefused(text)
      const at = `at ${Math.floor(this.#world.nowMs)} ms, as of ${Math.floor(asOfMs)}, ${name}`
      if (why === undefined && revokedAtMs < asOfMs) {
        this.#report('revoked-token-taken', `${at} takes ${id}, which was revoked at ${Math.floor(revokedAtMs)}`)
      }
      if (why !== undefined && revokingAtMs === never && atMs < asOfMs) {
        this.#report('good-token-refused', `${at} refuses ${id} as ${why}, which was made at ${Math.floor(atMs)}`)
      }
    }
  }
}
