import { createHash } from '../../../lib/platform/xxhash.ts'
import type { Hash } from '../../../lib/vocabulary/hash.ts'
import { Cluster, type Member } from './cluster.ts'
import { clientDriver, type Driver, httpDriver } from './drivers.ts'
import { claimEverythingThere, claimReads } from './everything-there.ts'
import { Histories } from './histories.ts'
import { Http } from './http.ts'
import type { Lab } from './lab.ts'
import { atRest, converged, RingMap } from './layout.ts'
import { MixedLoad, type Period } from './mixed-load.ts'
import { Operator } from './operator.ts'

export const valueBytes = 1024
/** Of the requests; the others go by the client library. */
const httpShare = 0.2
const settledWithinMs = 300_000

export interface SceneOptions {
  readonly size?: number
  readonly keys: number
  readonly flags?: readonly string[]
}

/** What one change of owners did. */
export interface Changed {
  readonly before: RingMap
  readonly after: RingMap
  readonly seconds: number
  readonly period: Period
}

/** A cluster under a mixed load whose every answer is judged, and an operator who changes it. */
export class Scene {
  readonly lab: Lab
  readonly http: Http
  readonly hash: Hash
  readonly cluster: Cluster
  readonly operator: Operator
  readonly driver: Driver
  readonly histories: Histories
  readonly load: MixedLoad

  private constructor(
    lab: Lab,
    parts: { readonly http: Http; readonly hash: Hash; readonly cluster: Cluster; readonly driver: Driver },
    keys: number,
  ) {
    const { http, hash, cluster, driver } = parts
    this.lab = lab
    this.http = http
    this.hash = hash
    this.cluster = cluster
    this.driver = driver
    this.operator = new Operator(lab, () => cluster.running)
    this.histories = new Histories(valueBytes)
    const mix = [
      { driver, share: 1 - httpShare },
      { driver: httpDriver(lab, http, () => cluster.running), share: httpShare },
    ]
    this.load = new MixedLoad(lab, this.histories, mix, keys)
  }

  /** Resolves when every key was written once. */
  static async begin(lab: Lab, { size = 3, keys, flags = [] }: SceneOptions): Promise<Scene> {
    const http = new Http(lab)
    const hash = await createHash()
    const cluster = await Cluster.start(lab, { size, flags })
    const driver = await clientDriver(lab, cluster.members)
    const scene = new Scene(lab, { http, hash, cluster, driver }, keys)
    await scene.load.preload()
    return scene
  }

  get first(): Member {
    const [first] = this.cluster.running
    if (first === undefined) throw new Error('no node runs')
    return first
  }

  ring(): Promise<RingMap> {
    return RingMap.newest(this.cluster.running, this.hash)
  }

  /** Stages by the words, shows the plan, and carries it out, all by the command line; returns when nothing moves. */
  async change(name: string, ...staging: readonly (readonly string[])[]): Promise<Changed> {
    const before = await this.ring()
    for (const words of staging) await this.operator.do(['cluster', ...words])
    await this.operator.do(['cluster', 'plan'])
    const period = this.load.period(name)
    const startedMs = performance.now()
    await this.operator.do(['cluster', 'commit', '--yes', '--wait', String(settledWithinMs / 1000)])
    const seconds = (performance.now() - startedMs) / 1000
    this.load.period(`after: ${name}`)
    const after = await this.settled(before.number + 1)
    return { before, after, seconds, period }
  }

  /** Until all that run know that layout and nothing moves. */
  async settled(number: number): Promise<RingMap> {
    await converged(this.cluster, number, settledWithinMs)
    await atRest(this.cluster.running, settledWithinMs)
    const ring = await this.ring()
    this.lab.say(`layout ${ring.number} is alone, and nothing moves`)
    return ring
  }

  /** How often each key must be copied at least: once to each owner that it gains. */
  leastRecords({ before, after }: Pick<Changed, 'before' | 'after'>): number {
    const gains = after.gains(before)
    return this.histories.all.reduce((sum, { key }) => sum + (gains.get(after.partitionOf(key))?.length ?? 0), 0)
  }

  claimReads(): void {
    claimReads(this.lab, this.histories)
  }

  /** To be asked when nothing is written any more. */
  async claimEverythingThere(when: string): Promise<void> {
    const { http, cluster, driver, histories, lab } = this
    await claimEverythingThere(lab, { http, cluster, driver, ring: await this.ring() }, histories, when)
  }

  claimReadable(): void {
    const wrong = this.operator.unreadable()
    const { length } = this.operator.transcript
    this.lab.claim(
      'what the commands print can be read',
      wrong.length === 0,
      `${length} commands; ${wrong.slice(0, 2).join('; ') || 'none wrong'}`,
    )
  }
}
